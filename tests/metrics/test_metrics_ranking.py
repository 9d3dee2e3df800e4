"""Metrics of rankings: worked by hand, then against a direct computation that shares no code with them."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ragvlc.core.answer import Answer, Step
from ragvlc.core.data import Chunk, Document, Example, Hit, Query, Span
from ragvlc.metrics.mrr import Mrr
from ragvlc.metrics.ndcg import Ndcg
from ragvlc.metrics.precision_at import PrecisionAt
from ragvlc.metrics.recall_at import RecallAt

KINDS = (RecallAt, PrecisionAt, Mrr, Ndcg)


def ranked(*chunks: tuple[str, int, int] | str, scores=None, steps=()) -> Answer:
    """Returns an answer with a ranking; a bare name is a chunk of that document."""
    places = [(chunk, 0, 5) if isinstance(chunk, str) else chunk for chunk in chunks]
    hits = [
        Hit(Chunk(name, place, start, end, "x" * (end - start)), -float(place) if scores is None else scores[place])
        for place, (name, start, end) in enumerate(places)
    ]
    return Answer("", ranking=tuple(hits), trace=tuple(steps))


def about(relevant=(), evidence=(), documents="abcdefgh") -> Example:
    texts = tuple(Document(name, "text") for name in documents)
    spans = tuple(Span(*span) for span in evidence)
    return Example(Query("q", "?"), texts, evidence=spans, relevant=dict(relevant))


def all_of(answer, example, k, **settings):
    return [kind(k=k, **settings).score(answer, example) for kind in KINDS]


LOG3 = 1 / math.log2(3)


@pytest.mark.parametrize(
    ("ranking", "relevant", "k", "expected"),
    [
        ("ab", {"a": 1}, 10, [1, 1 / 10, 1, 1]),
        ("ba", {"a": 1}, 10, [1, 1 / 10, 1 / 2, LOG3]),
        ("ba", {"a": 1}, 1, [0, 0, 0, 0]),
        ("bcda", {"a": 1}, 4, [1, 1 / 4, 1 / 4, 1 / math.log2(5)]),
        # Documents stand where their best chunk stands, and k counts documents.
        ("bbbba", {"a": 1}, 2, [1, 1 / 2, 1 / 2, LOG3]),
        ("abab", {"a": 1, "b": 1}, 2, [1, 1, 1, 1]),
        # Two relevant, one of them not ranked: it counts in the ideal ranking and in recall.
        ("ab", {"a": 1, "z": 1}, 2, [1 / 2, 1 / 2, 1, 1 / (1 + LOG3)]),
        # Grades: only their ratios count, and a grade of 0 is not relevant.
        ("ba", {"a": 3, "b": 1}, 2, [1, 1, 1, (1 + 3 * LOG3) / (3 + LOG3)]),
        ("ba", {"a": 0.3, "b": 0.1}, 2, [1, 1, 1, (1 + 3 * LOG3) / (3 + LOG3)]),
        ("ba", {"a": 1, "b": 0, "c": -1}, 2, [1, 1 / 2, 1 / 2, LOG3]),
        # Fewer ranked than k: precision still divides by k. Nothing ranked: 0.
        ("a", {"a": 1}, 5, [1, 1 / 5, 1, 1]),
        ("", {"a": 1}, 5, [0, 0, 0, 0]),
        ("bc", {"a": 1}, 5, [0, 0, 0, 0]),
        # Nothing known to be relevant: no score.
        ("ab", {}, 5, [None] * 4),
        ("ab", {"a": 0}, 5, [None] * 4),
        ("", {}, 5, [None] * 4),
    ],
)
def test_documents_by_hand(ranking, relevant, k, expected):
    assert all_of(ranked(*ranking), about(relevant), k) == [
        value if value is None else pytest.approx(value) for value in expected
    ]


@pytest.mark.parametrize(
    ("ranking", "evidence", "k", "overlap", "expected"),
    [
        ([("a", 0, 9), ("a", 9, 20)], [("a", 2, 4)], 2, 0, [1, 1 / 2, 1, 1]),
        ([("a", 9, 20), ("a", 0, 9)], [("a", 2, 4)], 2, 0, [1, 1 / 2, 1 / 2, LOG3]),
        # The right place of another document is no evidence.
        ([("b", 0, 9)], [("a", 2, 4)], 1, 0, [0, 0, 0, 0]),
        # One span over two chunks: found once, but both chunks are relevant.
        ([("a", 0, 9), ("a", 9, 20)], [("a", 6, 12)], 2, 0, [1, 1, 1, 1]),
        ([("a", 0, 9), ("b", 0, 9), ("a", 9, 20)], [("a", 6, 12)], 2, 0, [1, 1 / 2, 1, 1 / (1 + LOG3)]),
        # Two spans in one chunk.
        ([("a", 0, 9)], [("a", 1, 2), ("a", 3, 4)], 1, 0, [1, 1, 1, 1]),
        # A span that nothing ranked holds counts as one chunk in the ideal ranking.
        ([("a", 0, 9)], [("a", 1, 2), ("a", 30, 40)], 2, 0, [1 / 2, 1 / 2, 1, 1 / (1 + LOG3)]),
        # A share of the span: half of it, then a little less than half.
        ([("a", 0, 5)], [("a", 0, 10)], 1, 0.5, [1, 1, 1, 1]),
        ([("a", 0, 4)], [("a", 0, 10)], 1, 0.5, [0, 0, 0, 0]),
        ([("a", 0, 4)], [("a", 0, 10)], 1, 0, [1, 1, 1, 1]),
        # Chunks that touch the span share no character. Repeated and empty spans are nothing new.
        ([("a", 0, 5)], [("a", 5, 9)], 1, 0, [0, 0, 0, 0]),
        ([("a", 0, 5)], [("a", 1, 2), ("a", 1, 2), ("a", 3, 3)], 1, 0, [1, 1, 1, 1]),
        ([], [("a", 5, 9)], 3, 0, [0, 0, 0, 0]),
        ([("a", 0, 5)], [], 3, 0, [None] * 4),
        ([("a", 0, 5)], [("a", 3, 3)], 3, 0, [None] * 4),
    ],
)
def test_spans_by_hand(ranking, evidence, k, overlap, expected):
    found = all_of(ranked(*ranking), about({"z": 1}, evidence), k, unit="span", min_overlap=overlap)
    assert found == [value if value is None else pytest.approx(value) for value in expected]


@pytest.mark.parametrize(
    "scores", [[1.0, 1.0, 1.0], [1.00000002, 1.00000001, 1.0], [0.0, 0.0, 0.0], [-1e30, -2e30, -3e30]]
)
@pytest.mark.parametrize("names", ["abc", "cba", "bca"])
def test_the_order_of_the_ranking_decides_whatever_the_scores(scores, names):
    for place, name in enumerate(names):
        answer = ranked(*names, scores=scores)
        assert Mrr().score(answer, about({name: 1})) == pytest.approx(1 / (place + 1))
        assert RecallAt(k=1).score(answer, about({name: 1})) == (place == 0)


def directly(kind, grades, missed, k):
    """Returns the metric by its definition; grades best first, `missed` of what is relevant and not ranked."""
    head, all_grades = grades[:k], sorted([*grades, *missed], reverse=True)
    if kind is RecallAt:
        return sum(grade > 0 for grade in head) / sum(grade > 0 for grade in all_grades)
    if kind is PrecisionAt:
        return sum(grade > 0 for grade in head) / k
    if kind is Mrr:
        return max((1 / (place + 1) for place, grade in enumerate(head) if grade > 0), default=0.0)
    gain = [sum(grade / math.log2(place + 2) for place, grade in enumerate(some[:k])) for some in (grades, all_grades)]
    return gain[0] / gain[1]


@settings(max_examples=150, deadline=None)
@given(
    names=st.lists(st.sampled_from("abcdefgh"), max_size=30),
    relevant=st.dictionaries(st.sampled_from("abcdefghxyz"), st.sampled_from([0, 1, 1, 2, 5]), max_size=8),
    k=st.integers(1, 12) | st.just(1000),
)
def test_documents_against_a_direct_computation(names, relevant, k):
    documents = list(dict.fromkeys(names))
    missed = [grade for name, grade in relevant.items() if name not in documents]
    grades = [relevant.get(name, 0) for name in documents]
    for kind in KINDS:
        found = kind(k=k).score(ranked(*names), about(relevant))
        if not any(relevant.values()):
            assert found is None
        else:
            assert found == pytest.approx(directly(kind, grades, missed, k), abs=1e-6)


place = st.builds(lambda name, start, size: (name, start, start + size), st.sampled_from("de"), st.integers(0, 12),
                  st.integers(1, 6))  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    chunks=st.lists(place, max_size=15, unique=True),
    evidence=st.lists(place, min_size=1, max_size=4, unique=True),
    k=st.integers(1, 12),
    overlap=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_spans_against_a_direct_computation(chunks, evidence, k, overlap):
    def held(chunk, span):
        shared = {(chunk[0], i) for i in range(*chunk[1:])} & {(span[0], i) for i in range(*span[1:])}
        return bool(shared) and len(shared) >= overlap * (span[2] - span[1])

    grades = [int(any(held(chunk, span) for span in evidence)) for chunk in chunks]
    missed = [1 for span in evidence if not any(held(chunk, span) for chunk in chunks)]
    found = [sum(any(held(chunk, span) for chunk in chunks[:k]) for span in evidence) / len(evidence)]
    found += [directly(kind, grades, missed, k) for kind in KINDS[1:]]
    scores = all_of(ranked(*chunks), about((), evidence), k, unit="span", min_overlap=overlap)
    assert scores == [pytest.approx(value, abs=1e-6) for value in found]


def step(chunks, ranked):
    return Step("outer", steps=(Step("index", {"chunks": 99}), Step("retrieve", {"chunks": chunks, "ranked": ranked})))


@pytest.mark.parametrize(
    ("case", "chunks", "flagged"),
    [
        ("five relevant documents are not ranked, of a ranking that was cut", 50, True),
        ("every chunk was ranked", 2, False),
        ("the relevant one was ranked", 50, False),
        ("k were ranked", 50, False),
        ("every document was ranked", 50, False),
    ],
)
def test_a_ranking_too_short_because_of_candidates_is_flagged(case, chunks, flagged):
    relevant = {"a": 1} if "the relevant" in case else {"a": 1, "e": 1}
    documents = "ab" if "every document" in case else "abcdefgh"
    answer, k = ranked("a", "b", steps=[step(chunks, 2)]), 2 if case.startswith("k") else 5
    for kind in KINDS:
        assert kind(k=k).flags(answer, about(relevant, documents=documents)) == ("ranking_cut",) * flagged, case
    assert RecallAt(k=k).flags(answer, about({}, documents=documents)) == ()


def test_chunks_that_candidates_left_out_are_flagged():
    cut, whole = (ranked(("a", 0, 5), steps=[step(chunks, 1)]) for chunks in (50, 1))
    metric, missing = RecallAt(unit="span"), about((), [("a", 1, 2), ("a", 8, 9)])
    assert metric.flags(cut, missing) == ("ranking_cut",)
    assert metric.flags(whole, missing) == metric.flags(cut, about((), [("a", 1, 2)])) == ()


def test_labels_tell_settings_apart_and_suit_every_store():
    metrics = [
        kind(**settings)
        for kind in KINDS
        for settings in ({}, {"k": 1}, {"unit": "span"}, {"unit": "span", "min_overlap": 0.5})
    ]
    labels = [metric.label for metric in metrics]
    assert labels[:4] == ["recall_at_10", "recall_at_1", "recall_at_10_span", "recall_at_10_span_0.5"]
    assert {"precision_at_10", "mrr_at_10", "ndcg_at_10"} <= set(labels)
    assert len(set(labels)) == len({metric.key for metric in metrics}) == len(metrics)
    assert all(re.fullmatch(r"[\w.]+", label) for label in labels)


@pytest.mark.parametrize("settings", [{"k": 0}, {"unit": "chunk"}, {"min_overlap": 1.5}])
def test_bad_settings_are_refused(settings):
    with pytest.raises(ValidationError, match=next(iter(settings))):
        Ndcg(**settings)
