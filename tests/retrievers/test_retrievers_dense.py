from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragvlc.core.data import Query
from ragvlc.core.errors import MissingExtra
from ragvlc.retrievers.dense import Dense

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
