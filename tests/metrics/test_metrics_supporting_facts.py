"""Supporting facts: sets of passages and evidence, by hand."""

from __future__ import annotations

import pytest

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example, Query, Span
from ragvlc.metrics.supporting_facts import SupportingFacts

MEASURES = ("precision", "recall", "f1", "em")


def scores(context, evidence, *, unanswerable=False, **settings):
    case = Example(Query("q", "?"), (), evidence=tuple(Span(*span) for span in evidence), unanswerable=unanswerable)
    answer = Answer("", context=tuple(Span(*span) for span in context))
    return [SupportingFacts(measure=measure, **settings).score(answer, case) for measure in MEASURES]


FACTS = [("a", 10, 20), ("b", 0, 10)]


@pytest.mark.parametrize(
    ("context", "overlap", "expected"),
    [
        ([("a", 0, 30), ("b", 0, 30)], 0, [1, 1, 1, 1]),
        ([("a", 0, 30)], 0, [1, 1 / 2, 2 / 3, 0]),
        ([("a", 0, 30), ("c", 0, 30)], 0, [1 / 2, 1 / 2, 1 / 2, 0]),
        ([("a", 0, 30), ("b", 0, 30), ("c", 0, 30), ("c", 40, 50)], 0, [1 / 2, 1, 2 / 3, 0]),
        ([("c", 0, 30)], 0, [0, 0, 0, 0]),
        ([], 0, [0, 0, 0, 0]),
        ([("a", 5, 5)], 0, [0, 0, 0, 0]),
        # A passage sent twice is one of the set.
        ([("a", 0, 30), ("a", 0, 30), ("b", 0, 30)], 0, [1, 1, 1, 1]),
        # Two passages of one fact: both are right, the fact is found once.
        ([("a", 0, 15), ("a", 16, 30), ("b", 0, 5)], 0, [1, 1, 1, 1]),
        # With an overlap asked for, none of the halves is enough; a whole passage is.
        ([("a", 0, 15), ("a", 15, 30), ("b", 0, 10)], 0.6, [1 / 3, 1 / 2, 2 / 5, 0]),
        ([("a", 10, 20), ("b", 0, 10)], 1, [1, 1, 1, 1]),
        ([("a", 11, 20), ("b", 0, 10)], 1, [1 / 2, 1 / 2, 1 / 2, 0]),
    ],
)
def test_by_hand(context, overlap, expected):
    assert scores(context, FACTS, min_overlap=overlap) == [pytest.approx(value) for value in expected]


@pytest.mark.parametrize(
    ("empty", "read", "expected"),
    [
        ("skip", False, [None] * 4),
        ("skip", True, [None] * 4),
        ("musique", False, [1, 1, 1, 1]),
        ("musique", True, [0, 0, 0, 0]),
        ("hotpotqa", False, [0, 0, 0, 1]),
        ("hotpotqa", True, [0, 0, 0, 0]),
    ],
)
def test_two_empty_sets(empty, read, expected):
    context = [("a", 0, 9)] if read else []
    assert scores(context, [], unanswerable=True, empty=empty) == expected
    assert scores(context, [], empty=empty) == [None] * 4  # evidence that is only not located is not empty


def test_labels():
    labels = [SupportingFacts(measure=measure).label for measure in MEASURES]
    assert labels == [f"supporting_facts_{measure}" for measure in MEASURES]
    assert SupportingFacts(min_overlap=0.5).label == "supporting_facts_f1_0.5"
