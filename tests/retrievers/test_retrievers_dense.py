from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import RLock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragvlc.core.data import Chunk, ChunkSet, Query
from ragvlc.core.errors import ConfigError, MissingExtra
from ragvlc.embedders.sentence_transformer import SentenceTransformerEmbedder
from ragvlc.retrievers._flat import FlatSearch, _Gpu
from ragvlc.retrievers.dense import Dense
from ragvlc.roles import Models

TEXTS = ["red cat", "blue dog", "red red fish", "one two three four five six seven", "cat"]


def ranked(index, text, n=50, choices=()):
    return [(hit.chunk.index, hit.score) for hit in index.search(Query("q", text, choices), n)]


class TableEngine:
    """Embeds text number i as row i of a table; the question is the first row."""

    window = 512

    def __init__(self, table) -> None:
        self.table = np.asarray(table, np.float32)

    def embed(self, texts, *, side="passage"):
        return self.table[:1] if side == "query" else self.table[1:][[int(text) for text in texts]]

    def lengths(self, texts):
        return [1 for _ in texts]


def test_ranking_equals_brute_force(run, engine, chunked):
    vectors, question = engine.embed(TEXTS), engine.embed(["a red cat"])[0]
    expected = vectors @ question
    found = ranked(Dense().index(chunked(TEXTS), run), "a red cat")
    assert [place for place, _ in found] == list(np.argsort(-expected, kind="stable"))
    assert dict(found) == pytest.approx(dict(enumerate(expected.tolist())), abs=1e-6)
    assert all(type(score) is float for _, score in found)


@given(
    st.lists(st.tuples(*[st.sampled_from((-1.0, 0.0, 0.5, 1.0))] * 3), min_size=2, max_size=40),
    st.integers(min_value=0, max_value=45),
)
@settings(max_examples=80, deadline=None)
def test_ties_keep_chunk_order_wherever_the_cut_falls(make_run, chunked, table, n):
    # Halves and ones: every product is exact, so equal scores are equal.
    run = make_run(TableEngine(table))
    texts = [str(row) for row in range(len(table) - 1)]
    scores = run.engine.table[1:] @ run.engine.table[0]
    expected = np.argsort(-scores, kind="stable")[:n].tolist()
    assert [place for place, _ in ranked(Dense().index(chunked(texts), run), "?", n)] == expected


@pytest.mark.parametrize(("chunks", "n"), [(300, 99), (300, 150), (3000, 1000)])
def test_large_ties_at_the_cut_keep_chunk_order(make_run, chunked, chunks, n):
    # Depths at which a flat FAISS index returns tied chunks in an order of its own, and not the first of them.
    rng = np.random.default_rng(0)
    scores = rng.choice([0.0, 0.5, 1.0], chunks, p=[0.3, 0.6, 0.1])
    run = make_run(TableEngine([[1.0, 0.0], *([score, 0.0] for score in scores)]))
    index = Dense().index(chunked([str(row) for row in range(chunks)]), run)
    assert [place for place, _ in ranked(index, "?", n)] == np.argsort(-scores, kind="stable")[:n].tolist()


def test_equal_texts_tie_exactly_and_are_embedded_once(run, engine, chunked):
    texts = ["red cat", "blue dog", "red cat", "green tree", "red cat"]
    index = Dense().index(chunked(texts), run)
    assert engine.calls == [("passage", ("red cat", "blue dog", "green tree"))]
    found = ranked(index, "red", 2)
    assert [place for place, _ in found] == [0, 2]
    assert found[0][1] == found[1][1]


def test_question_is_embedded_as_a_query_with_its_options(run, engine, chunked):
    index = Dense().index(chunked(TEXTS), run)
    assert ranked(index, "which?", choices=("blue dog",))[0][0] == 1
    assert engine.calls[-1] == ("query", ("which?\nblue dog",))


def test_vectors_are_kept_and_what_was_cut_is_reported_each_time(run, engine, chunked):
    first = Dense().index(chunked(TEXTS), run)
    again = Dense().index(chunked(TEXTS), run)
    assert run.builds == 1
    assert ranked(first, "red dog") == ranked(again, "red dog")
    # 7 words and 2 special tokens against a window of 6; all others fit.
    facts = {"chunks": 5, "embedder_cut_chunks": 1, "embedder_dropped_tokens": 3}
    assert run.steps == [("embed", facts), ("embed", facts)]


@pytest.mark.parametrize("n", [-1, 0, 1, 4, 5, 6, 1000])
def test_any_depth(run, chunked, n):
    index = Dense().index(chunked(TEXTS), run)
    assert ranked(index, "red fish", n) == ranked(index, "red fish")[: max(n, 0)]


def test_no_chunks_give_no_hits(run, chunked):
    assert ranked(Dense().index(chunked([]), run), "anything") == []


def test_texts_without_words_still_come(run, chunked):
    found = ranked(Dense().index(chunked(["", "cat", ""]), run), "cat")
    assert [place for place, _ in found] == [1, 0, 2]


def test_many_threads(run, chunked):
    texts = [f"word{number} cat{number % 7}" for number in range(60)]
    index = Dense().index(chunked(texts), run)
    questions = [f"cat{number % 7} word{number}" for number in range(60)]
    alone = [ranked(index, question) for question in questions]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda question: ranked(index, question), questions)) == alone


def test_its_embedder_is_a_role():
    assert Dense(embedder="small").roles() == {("embedders", "small", "VectorEngine")}


def test_without_faiss_the_extra_is_named(run, chunked, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtra, match=r"ragvlc\[cpu\]"):
        Dense().index(chunked(TEXTS), run)


# ---------------------------------------------------------------- late chunking


class SpanEngine:
    """Embeds a part as its own words and, with half the weight, all words of its text."""

    def __init__(self, words) -> None:
        words.window = self.window = 99
        self.embed, self.lengths, self.close = words.embed, words.lengths, words.close
        self.read: list[tuple[str, tuple[tuple[int, int], ...]]] = []

    def embed_spans(self, texts, spans, *, side="passage"):
        self.read += [(text, tuple(parts)) for text, parts in zip(texts, spans, strict=True)]
        found = []
        for text, parts in zip(texts, spans, strict=True):
            own = self.embed([text[start:end] for start, end in parts]) + 0.5 * self.embed([text])
            found.append(own / np.linalg.norm(own, axis=1, keepdims=True))
        return found


def pieces(*documents):
    """Returns chunks (document, start, text) as a set."""
    made, counts = [], {}
    for document, start, text in documents:
        counts[document] = counts.get(document, -1) + 1
        made.append(Chunk(f"d{document}", counts[document], start, start + len(text), text, document))
    return ChunkSet(str(documents), tuple(made))


def test_chunks_are_embedded_as_they_stand_in_their_documents(make_run, engine):
    run = make_run(SpanEngine(engine))
    chunks = pieces((0, 0, "red cat "), (0, 4, "cat blue "), (0, 13, "dog"), (1, 3, "dog"), (1, 9, "fish"))
    index = Dense(context="document").index(chunks, run)
    # Overlaps stand once, and what no chunk holds is a line's end.
    assert run.engine.read == [("red cat blue dog", ((0, 8), (4, 13), (13, 16))), ("dog\nfish", ((0, 3), (4, 8)))]
    scores = dict(ranked_chunks(index, "red"))
    assert scores["d0", 0] > scores["d0", 2] > scores["d1", 0] == 0  # "dog" knows of the cat only in its document
    assert run.steps == [("embed", {"chunks": 5, "embedder_cut_chunks": 0, "embedder_dropped_tokens": 0})]


def ranked_chunks(index, text):
    return [((hit.chunk.document_id, hit.chunk.index), hit.score) for hit in index.search(Query("q", text), 50)]


def test_equal_documents_are_read_once_and_tie(make_run, engine):
    run = make_run(SpanEngine(engine))
    chunks = pieces((0, 0, "red cat"), (1, 0, "dog"), (2, 5, "red cat"))
    index = Dense(context="document").index(chunks, run)
    assert [text for text, _ in run.engine.read] == ["red cat", "dog"]
    assert [place for place, _ in ranked_chunks(index, "red")] == [("d0", 0), ("d2", 0), ("d1", 0)]
    assert ranked(Dense(context="document").index(pieces(), run), "red") == []


def test_an_embedder_without_parts_is_named(run, chunked):
    with pytest.raises(ConfigError, match="embedder 'main' gives no vectors of text parts. Use context: chunk"):
        Dense(context="document").index(chunked(TEXTS), run)


def test_vectors_are_kept_by_model_extension_and_context(embedding_model):
    models = [None, "grouped", "recurrent", {"strategy": "grouped", "window": 256}]
    keys = {
        Models({}, {"main": SentenceTransformerEmbedder(extension=spec, max_length=512)}).key_of(Dense(context=context))
        for spec in models
        for context in ("chunk", "document")
    }
    assert len(keys) == 8


def test_a_real_model_finds_the_chunk_that_its_document_explains(embedding_model, make_run, chunked):
    run = make_run(SentenceTransformerEmbedder(device="cpu").open())
    texts = ["Berlin is the capital of Germany. ", "The city has many people. ", "Its rivers are slow. "]
    alone = dict(ranked(Dense().index(chunked(texts), run), "How many people live in Berlin?"))
    within = dict(ranked(Dense(context="document").index(chunked(texts), run), "How many people live in Berlin?"))
    assert within[1] > alone[1]


# ---------------------------------------------------------------- where neighbours are searched


@pytest.fixture
def forget():
    """Makes FAISS's GPU be looked for anew."""
    from ragvlc.retrievers import _flat

    _flat._gpu.cache_clear()
    _flat._opened.cache_clear()
    yield
    _flat._gpu.cache_clear()
    _flat._opened.cache_clear()


def test_rows_are_scored_one_by_one_as_a_search_scores_them():
    # What makes a GPU's ranking the CPU's: the GPU says who, the CPU how much.
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(2000, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    flat = FlatSearch(vectors, "cpu")
    scores, places = flat.best(vectors[:1], 500)
    assert flat._scores(vectors[:1], places[None]) == pytest.approx(scores, abs=1e-6)
    twins = FlatSearch(np.repeat(vectors[:1], 999, axis=0), "cpu")
    assert len(set(twins._scores(vectors[1:2], np.arange(999)[None]).tolist())) == 1
    assert flat.device == "cpu"


def test_without_a_gpu_build_the_cpu_searches_and_only_who_asked_is_told_once(run, chunked, forget, caplog):
    import faiss

    if hasattr(faiss, "StandardGpuResources"):
        pytest.skip("this FAISS was built for GPUs")
    found = {device: ranked(Dense(device=device).index(chunked(TEXTS), run), "red") for device in ("cpu", "auto")}
    assert caplog.messages == []
    for _ in range(2):
        found["cuda"] = ranked(Dense(device="cuda").index(chunked(TEXTS), run), "red")
    assert found["cpu"] == found["auto"] == found["cuda"]
    assert [("without GPU support" in line) for line in caplog.messages] == [True]
    assert Dense(device="cpu").key == Dense(device="cuda").key


@pytest.mark.parametrize("apart", [0.05, 2e-7])
def test_a_searcher_that_is_off_in_the_last_bits_changes_nothing(apart):
    # Stands for a GPU: ties are torn apart, and neighbours change places over the cut, within the margin.
    rng = np.random.default_rng(0)
    vectors = np.zeros((3000, 16), np.float32)
    vectors[:, 0] = 0.5 + apart * rng.permutation(np.arange(3000) // (200 if apart > 0.01 else 1))
    noisy = FlatSearch(vectors + rng.normal(scale=1e-6, size=vectors.shape).astype(np.float32), "cpu")
    exact, through = FlatSearch(vectors, "cpu"), FlatSearch(vectors, "cpu")
    through._gpu, through._copy = _Gpu(None, RLock()), noisy._flat
    asked = np.eye(16, dtype=np.float32)[:1]
    for n in (1, 7, 200, 1000, 2040, 2999, 3000):
        for found, expected in zip(through.best(asked, n), exact.best(asked, n), strict=True):
            assert (found == expected).all()


@pytest.fixture
def gpu():
    import faiss

    if not hasattr(faiss, "StandardGpuResources") or faiss.get_num_gpus() == 0:
        pytest.skip("needs faiss-gpu and a GPU")


@pytest.mark.gpu
@pytest.mark.parametrize("rows", [1, 10, 5_000, 200_000])
def test_a_gpu_ranks_like_the_cpu(gpu, rows):
    rng = np.random.default_rng(rows)
    vectors = rng.normal(size=(rows, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cpu, cuda = FlatSearch(vectors, "cpu"), FlatSearch(vectors, "cuda")
    assert cuda.device == "cuda"
    for place in rng.integers(rows, size=20):
        asked = vectors[place : place + 1] + 0.05 * rng.normal(size=(1, 384)).astype(np.float32)
        asked /= np.linalg.norm(asked)
        for n in (1, 50, 1500, 3000):  # the last is deeper than a GPU goes
            (scores, places), (expected, order) = cuda.best(asked, n), cpu.best(asked, n)
            assert (places == order).all()
            assert scores == pytest.approx(expected, abs=1e-6)


@pytest.mark.gpu
def test_a_gpu_keeps_ties_in_chunk_order(gpu):
    rng = np.random.default_rng(0)
    table = np.eye(8, dtype=np.float32)[rng.integers(8, size=3000)]
    cpu, cuda = FlatSearch(table, "cpu"), FlatSearch(table, "cuda")
    for n in (1, 99, 1000, 2999):
        assert (cuda.best(table[:1], n)[1] == cpu.best(table[:1], n)[1]).all()


@pytest.mark.gpu
def test_a_gpu_serves_many_threads_and_indexes(gpu):
    rng = np.random.default_rng(0)
    tables = [rng.normal(size=(500 + 100 * number, 64)).astype(np.float32) for number in range(8)]
    indexes = [FlatSearch(table / np.linalg.norm(table, axis=1, keepdims=True), "cuda") for table in tables]
    asked = [(index, table[:1]) for index, table in zip(indexes, tables, strict=True) for _ in range(25)]
    alone = [index.best(vector, 20)[1].tolist() for index, vector in asked]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda pair: pair[0].best(pair[1], 20)[1].tolist(), asked)) == alone


@pytest.mark.gpu
def test_real_texts_rank_alike_on_both(gpu, shared_data, make_run, chunked, embedding_model):
    import gzip
    import json

    from ragvlc.embedders.sentence_transformer import SentenceTransformerEmbedder

    with gzip.open(shared_data / "squad_articles" / "documents.jsonl.gz", "rt", encoding="utf-8") as lines:
        words = json.loads(next(lines))["text"].split()
    texts = chunked([" ".join(words[start : start + 60]) for start in range(0, len(words), 60)])
    run = make_run(SentenceTransformerEmbedder(model=str(embedding_model)).open())
    cpu, cuda = Dense(device="cpu").index(texts, run), Dense(device="cuda").index(texts, run)
    for question in ("When was it founded?", "Who leads it?", "Where does it stand?"):
        assert ranked(cuda, question, 20) == ranked(cpu, question, 20)
