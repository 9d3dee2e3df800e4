"""Units made of chunks: their characters, sizes, scores, and how they come back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ragvlc.chunkers.tokens import Tokens
from ragvlc.core.data import Chunk, ChunkSet, Document, Query, Span
from ragvlc.embedders.sentence_transformer import SentenceTransformerEmbedder
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.generators.scripted import Scripted
from ragvlc.pipeline import Pipeline
from ragvlc.retrievers.long_units import LongUnits
from ragvlc.roles import Models
from ragvlc.run import LiveRun
from ragvlc.testing import FunctionEngine, ScriptedPool

WORDS = WordTokenizer()
CATS = Document("cats", "cats eat fish . cats chase mice . cats sleep a lot . fish fear cats .")
DOGS = Document("dogs", "dogs chew bones . dogs like meat .")
SEEDS = Document("seeds", "hens eat seeds .")
DOCUMENTS = (CATS, DOGS, SEEDS)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    pool = ScriptedPool(FunctionEngine(lambda prompt: "x"), tmp_path_factory.mktemp("pool"))
    return LiveRun(Models({"main": Scripted()}, {"main": SentenceTransformerEmbedder()}), pool, None)


def ranked(run, text, documents=DOCUMENTS, size=4, overlap=0, **spec):
    """Returns the hits over chunks of `size` words, found by BM25 unless said otherwise, and the chunks."""
    chunks = run.chunks(Tokens(size=size, overlap=overlap), documents)
    return run.search(LongUnits(**{"retriever": "bm25", **spec}), Query("q", text), chunks), chunks


def places(hits):
    return [(hit.chunk.document_id, hit.chunk.index) for hit in hits]


@given(
    lengths=st.lists(st.integers(0, 30), min_size=1, max_size=4),
    size=st.integers(1, 6),
    overlap=st.integers(0, 5),
    unit_tokens=st.integers(1, 40),
    unit=st.sampled_from(["tokens", "document", "documents"]),
)
@settings(max_examples=60)
def test_units_are_the_documents_characters(run, lengths, size, overlap, unit_tokens, unit):
    documents = [
        Document(f"d{place}", " ".join(f"w{place}{number}" for number in range(length)))
        for place, length in enumerate(lengths)
    ]
    overlap = min(overlap, size - 1)
    hits, chunks = ranked(run, "w01", documents, size, overlap, unit=unit, unit_tokens=unit_tokens, candidates=999)
    for place, document in enumerate(documents):
        units = sorted((hit.chunk for hit in hits if hit.chunk.document_index == place), key=lambda unit: unit.start)
        own = [chunk for chunk in chunks if chunk.document_index == place]
        assert [found.index for found in units] == list(range(len(units)))
        assert all(found.document_id == document.id for found in units)
        assert all(found.text == document.text[found.start : found.end] for found in units)
        # Every chunk stands whole in a unit, and a unit starts with a chunk.
        homes = [[found for found in units if found.start <= chunk.start and chunk.end <= found.end] for chunk in own]
        assert all(homes)
        assert {found.start for found in units} <= {chunk.start for chunk in own}
        if unit != "tokens":
            assert len(units) == bool(own)
        else:
            assert all(
                WORDS.count(found.text) <= unit_tokens or found.span in {chunk.span for chunk in own} for found in units
            )


def test_neighbours_are_joined_as_long_as_they_fit(run):
    def sizes(unit_tokens, **more):
        hits, _ = ranked(run, "fish", [CATS], unit_tokens=unit_tokens, **more)
        return [WORDS.count(hit.chunk.text) for hit in sorted(hits, key=lambda hit: hit.chunk.start)]

    assert WORDS.count(CATS.text) == 17
    assert sizes(8) == [8, 8, 1]
    assert sizes(11) == [8, 9]
    assert sizes(17) == [17]
    assert sizes(3) == [4, 4, 4, 4, 1]
    assert sizes(8, size=6, overlap=2) == [6, 6, 6, 5]  # what overlaps counts once, and in every unit
    assert sizes(9, size=6, overlap=2) == [6, 6, 9]
    assert sizes(10, size=6, overlap=2) == [10, 9]


def test_a_unit_scores_its_best_chunk_or_the_mean_of_its_best(run):
    chunk_scores = {}
    chunks = run.chunks(Tokens(size=4), DOCUMENTS)
    for hit in run.search(LongUnits(retriever="bm25").retriever, Query("q", "cats fish"), chunks):
        chunk_scores.setdefault(hit.chunk.document_id, []).append(hit.score)
    for best in (1, 2, 3, 99):
        hits, _ = ranked(run, "cats fish", unit="document", best_chunks=best)
        for hit in hits:
            scores = chunk_scores[hit.chunk.document_id][:best]
            assert hit.score == pytest.approx(sum(scores) / len(scores))
    assert places(hits)[0] == ("cats", 0)


def test_short_documents_are_grouped_and_come_side_by_side(run):
    hits, _ = ranked(run, "seeds", unit="documents", unit_tokens=12)
    assert places(hits) == [("dogs", 0), ("seeds", 0), ("cats", 0)]  # 8 + 4 words; 17 stand alone
    assert hits[0].score == hits[1].score > hits[2].score == 0
    assert [hit.chunk.text for hit in hits[:2]] == [DOGS.text, SEEDS.text]
    alone, _ = ranked(run, "seeds", unit="documents", unit_tokens=11)
    assert places(alone) == [("seeds", 0), ("cats", 0), ("dogs", 0)]


def test_equal_units_keep_document_order_and_candidates_cut_the_ranking(run):
    whole, _ = ranked(run, "zebra", unit_tokens=8)
    assert places(whole) == [("cats", 0), ("cats", 1), ("cats", 2), ("dogs", 0), ("seeds", 0)]
    full, _ = ranked(run, "meat fish", unit_tokens=4)
    for candidates in (1, 3, 5):
        hits, _ = ranked(run, "meat fish", unit_tokens=4, candidates=candidates)
        assert hits == full[:candidates]


def test_a_gap_between_chunks_is_not_invented(run):
    def piece(index, start, text):
        return Chunk("d", index, start, start + len(text), text)

    chunks = ChunkSet("gaps", (piece(0, 0, "red "), piece(1, 4, "cat"), piece(2, 9, "fish")))
    hits = run.search(LongUnits(retriever="bm25", unit="document"), Query("q", "fish"), chunks)
    assert [(hit.chunk.text, hit.chunk.start, hit.chunk.end, hit.chunk.index) for hit in hits] == [
        ("red cat", 0, 7, 0),
        ("fish", 9, 13, 1),
    ]
    assert hits[0].score == hits[1].score > 0


def test_any_retriever_ranks_the_chunks_and_a_route_reads_the_unit(tmp_path):
    for retriever in ("bm25", "dense", "hybrid"):
        units = {"kind": "long_units", "retriever": retriever, "unit_tokens": 8, "candidates": 2}
        rag = {"kind": "retrieve", "chunker": {"kind": "tokens", "size": 4, "overlap": 0}, "retriever": units}
        routes = {"rag": {**rag, "selector": {"kind": "top_k", "k": 1}}}
        pipeline = Pipeline(generators={"main": "scripted"}, embedders={"main": "sentence_transformer"}, routes=routes)
        engine = FunctionEngine(lambda prompt: "bones")
        with ScriptedPool(engine, tmp_path / retriever) as pool:
            answer = pipeline.answer("What do dogs chew?", [DOGS, CATS], pool=pool)
        assert answer.context == (Span("dogs", 0, len(DOGS.text)),)
        assert len(answer.ranking) == 2
        assert DOGS.text in engine.requests[-1].prompt.text()


def test_units_of_units_are_refused():
    with pytest.raises(ValidationError, match="retriever is long_units itself"):
        LongUnits(retriever="long_units")
    assert LongUnits(generator="small").roles() >= {("generators", "small", "TextEngine")}


def test_a_unit_scores_the_mean_of_all_its_chunks(run):
    every, _ = ranked(run, "cats fish", unit="document", best_chunks=99)
    mean, _ = ranked(run, "cats fish", unit="document", pooling="mean")
    assert mean == every


def test_a_unit_is_one_text_for_the_retriever(run):
    question = Query("q", "cats fish bones")
    whole, chunks = ranked(run, "cats fish bones", unit="document", pooling="whole")
    alone = run.search(LongUnits(retriever="bm25").retriever, question, run.chunks(Tokens(size=99), DOCUMENTS))
    assert [(hit.chunk.document_id, hit.score) for hit in whole] == [
        (hit.chunk.document_id, hit.score) for hit in alone
    ]
    assert [hit.chunk.text for hit in whole] == [hit.chunk.text for hit in alone]
    joined, _ = ranked(run, "cats fish bones", unit_tokens=8, pooling="whole")
    assert {hit.chunk.text for hit in joined} == {hit.chunk.text for hit in ranked(run, "x", unit_tokens=8)[0]}


def test_units_of_several_documents_score_the_best_of_them(run):
    hits, _ = ranked(run, "seeds", unit="documents", unit_tokens=12, pooling="whole")
    assert places(hits) == [("dogs", 0), ("seeds", 0), ("cats", 0)]
    assert hits[0].score == hits[1].score > hits[2].score == 0


def test_indexes_of_units_and_of_chunks_are_kept_apart(run):
    by_chunks, _ = ranked(run, "meat", retriever="dense", unit="document")
    by_units, _ = ranked(run, "meat", retriever="dense", unit="document", pooling="whole")
    parts, _ = ranked(run, "meat", retriever="dense", unit_tokens=8, pooling="whole")
    assert [hit.score for hit in by_chunks] != [hit.score for hit in by_units]
    assert len(parts) > len(by_units)


def test_best_chunks_belongs_to_the_maximum():
    with pytest.raises(ValidationError, match="best_chunks is a setting of pooling: max; mean has none"):
        LongUnits(pooling="mean", best_chunks=2)
