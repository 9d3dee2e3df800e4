"""Metrics from spans: counted by hand, then against sets of characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragvlc.core.answer import Answer
from ragvlc.core.data import Document, Example, Query, Span, covered
from ragvlc.metrics._spans import characters, overlap
from ragvlc.metrics.answer_in_context import AnswerInContext
from ragvlc.metrics.context_precision import ContextPrecision
from ragvlc.metrics.evidence_hit import EvidenceHit
from ragvlc.metrics.evidence_recall import EvidenceRecall

METRICS = (EvidenceRecall(), EvidenceHit(), ContextPrecision())


def scores(context, evidence) -> list[float | None]:
    case = Example(Query("q", "?"), (), ("x",), evidence=tuple(Span(*span) for span in evidence))
    answer = Answer("", context=tuple(Span(*span) for span in context))
    return [metric.score(answer, case) for metric in METRICS]


@pytest.mark.parametrize(
    ("context", "evidence", "recall", "hit", "precision"),
    [
        ([("d", 0, 100)], [("d", 10, 20)], 1, 1, 0.1),
        ([("d", 0, 15)], [("d", 10, 20)], 0.5, 0, 1 / 3),
        ([("d", 15, 40)], [("d", 10, 20)], 0.5, 0, 0.2),
        ([("d", 30, 40)], [("d", 10, 20)], 0, 0, 0),
        ([("e", 0, 100)], [("d", 10, 20)], 0, 0, 0),
        ([], [("d", 10, 20)], 0, 0, 0),
        # Two hops, one of them whole.
        ([("d", 0, 25)], [("d", 10, 20), ("d", 20, 30)], 0.75, 0.5, 15 / 25),
        ([("d", 0, 20), ("e", 0, 20)], [("d", 10, 20), ("e", 5, 15)], 1, 1, 0.5),
        # A span across neighbouring chunks in any order is whole; overlapping chunks count once.
        ([("d", 15, 30), ("d", 0, 15)], [("d", 10, 20)], 1, 1, 1 / 3),
        ([("d", 0, 20), ("d", 10, 30)], [("d", 5, 25)], 1, 1, 20 / 30),
        ([("d", 0, 14), ("d", 15, 30)], [("d", 10, 20)], 0.9, 0, 9 / 29),
        # Overlapping and repeated evidence counts once for characters; repeats once for hits.
        ([("d", 0, 15)], [("d", 10, 20), ("d", 10, 20), ("d", 10, 15)], 0.5, 0.5, 1 / 3),
        # Empty spans are nothing.
        ([("d", 5, 5)], [("d", 10, 20)], 0, 0, 0),
        ([("d", 0, 9)], [("d", 3, 3)], None, None, None),
        ([("d", 0, 9)], [], None, None, None),
    ],
)
def test_by_hand(context, evidence, recall, hit, precision):
    assert scores(context, evidence) == [recall, hit, pytest.approx(precision) if precision is not None else None]


span = st.builds(lambda name, start, size: (name, start, start + size), st.sampled_from("de"), st.integers(0, 12),
                 st.integers(0, 6))  # fmt: skip
spans = st.lists(span, max_size=5)


def as_set(found) -> set[tuple[str, int]]:
    return {(name, place) for name, start, end in found for place in range(start, end)}


@given(spans, spans)
def test_against_sets_of_characters(context, evidence):
    sent, wanted = as_set(context), as_set(evidence)
    one, two = (covered(Span(*found) for found in group) for group in (context, evidence))
    assert characters(one) == len(sent)
    assert overlap(one, two) == overlap(two, one) == len(sent & wanted)
    if not wanted:
        assert scores(context, evidence) == [None, None, None]
        return
    distinct = {found for found in evidence if found[1] < found[2]}
    assert scores(context, evidence) == [
        len(sent & wanted) / len(wanted),
        sum(as_set([found]) <= sent for found in distinct) / len(distinct),
        len(sent & wanted) / len(sent) if sent else 0,
    ]


@given(spans, st.integers(1, 5))
def test_chunk_size_changes_nothing(context, size):
    cut = [(name, at, min(end, at + size)) for name, start, end in context for at in range(start, end, size)]
    evidence = [("d", 2, 9), ("e", 4, 6)]
    assert scores(cut, evidence) == scores(context, evidence)


def test_labels():
    assert [metric.label for metric in METRICS] == ["evidence_recall", "evidence_hit", "context_precision"]


DOCUMENTS = (
    Document("d", "It opened in 1955. The Great-Hall burned; Mr. Smith fled to Vienna."),
    Document("z", "他在《北京大学》读书。"),
)


def in_context(*references, context=None, **facts) -> float | None:
    context = (Span("d", 0, 67), Span("z", 0, 11)) if context is None else context
    return AnswerInContext().score(
        Answer("", context=context), Example(Query("q", "?"), DOCUMENTS, references, **facts)
    )


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        (["1955"], 1),
        (["5"], 0),  # whole words
        (["in 1955, great"], 0),
        (["in 1955: the GreatHall"], 1),  # normalised on both sides
        (["Great Hall"], 0),
        (["mr smith"], 1),
        (["Paris", "Vienna"], 1),
        (["Paris"], 0),
        (["北京大学"], 1),
        (["北京"], 1),
        (["大学读书"], 1),
        (["上海"], 0),
        (["the", "Vienna"], 1),
        (["the", "Paris"], 0),
        (["the"], None),
        ([], None),
    ],
)
def test_answer_in_context(references, expected):
    assert in_context(*references) == expected


def test_answer_in_context_reads_only_what_was_sent():
    assert DOCUMENTS[0].text[13:17] == "1955"
    assert in_context("1955", context=()) == 0
    assert in_context("1955", context=(Span("d", 13, 17),)) == 1
    assert in_context("1955", context=(Span("d", 0, 15),)) == 0
    # Cut by a border between neighbours that were both sent, in either order; then with a gap.
    assert in_context("1955", context=(Span("d", 15, 30), Span("d", 0, 15))) == 1
    assert in_context("opened 1955", context=(Span("d", 0, 9), Span("d", 13, 17))) == 0


def test_answer_in_context_all_and_unanswerable():
    assert in_context("1955", "Paris", "Vienna", answer_mode="all") == pytest.approx(2 / 3)
    assert in_context("1955", unanswerable=True) is None
