"""LongBench v2 beyond its table of cases: its figures are those of its `result.py` on the same replies."""

from __future__ import annotations

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example, Query
from ragvlc.core.families import ScoredQuestion
from ragvlc.metrics.longbench_v2_accuracy import LongbenchV2Accuracy

EXAMPLE = Example(Query("q", "?", ("a", "b", "c", "d")), (), ("b",))


def question(score, difficulty, length, replied=True, failed=False):
    tags = {"difficulty": difficulty, "length": length}
    return ScoredQuestion("q", score, replied=replied, failed=failed, tags=tags)


def test_figures_leave_out_questions_without_a_reply():
    questions = [
        question(1.0, "easy", "short"),
        question(0.0, "easy", "short"),
        question(1.0, "hard", "medium"),
        question(0.0, "hard", "medium", replied=False),  # the script writes no line
        question(0.0, "hard", "long", replied=False, failed=True),
    ]
    assert LongbenchV2Accuracy().official(questions) == {
        "overall": 66.7,
        "easy": 50.0,
        "hard": 100.0,
        "short": 50.0,
        "medium": 100.0,
    }
    assert LongbenchV2Accuracy().official([]) == {}


def test_compensation_is_for_replies_without_a_letter():
    metric = LongbenchV2Accuracy(compensated=True)
    assert metric.score(Answer("I think it is b"), EXAMPLE) == 0.25
    assert metric.score(Answer("The correct answer is (C)"), EXAMPLE) == 0
    assert metric.score(Answer(""), EXAMPLE) == 0
    assert metric.score(Answer("The correct answer is (B)"), EXAMPLE) == 1
    assert metric.flags(Answer("I think it is b"), EXAMPLE) == ("unparsed",)
    assert metric.flags(Answer("The correct answer is (C)"), EXAMPLE) == ()


def test_it_needs_options_or_a_letter():
    assert LongbenchV2Accuracy().score(Answer("x"), Example(Query("q", "?"), (), ("x",))) is None
    assert LongbenchV2Accuracy().score(Answer("x"), Example(Query("q", "?", ("a",)), (), ("b",))) is None
    several = Example(Query("q", "?", ("a", "b", "a", "d")), (), ("a",))
    assert LongbenchV2Accuracy().score(Answer("The correct answer is (C)"), several) == 1
    letter = Example(Query("q", "?"), (), ("B",))
    assert LongbenchV2Accuracy().score(Answer("The correct answer is (B)"), letter) == 1
    assert LongbenchV2Accuracy().score(Answer("The correct answer is (A)"), letter) == 0
    assert LongbenchV2Accuracy().flags(Answer("B"), letter) == ("unparsed",)
    assert LongbenchV2Accuracy().score(Answer("x"), Example(Query("q", "?"), ())) is None
