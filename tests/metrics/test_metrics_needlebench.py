"""NeedleBench, RULER and HELMET beyond their tables: gold beside the references, the overall score, and prefixes."""

from __future__ import annotations

import pytest

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example, Query
from ragvlc.core.families import ScoredQuestion
from ragvlc.metrics.helmet_substring import HelmetSubstring
from ragvlc.metrics.needlebench_parallel import NeedlebenchParallel
from ragvlc.metrics.needlebench_reasoning import NeedlebenchReasoning
from ragvlc.metrics.needlebench_single import NeedlebenchSingle
from ragvlc.metrics.ruler_match import RulerMatch

METRICS = (NeedlebenchSingle(), NeedlebenchParallel(), NeedlebenchReasoning())


def example(*references, dataset="", **scoring):
    return Example(Query("q", "?"), (), references, scoring=scoring, tags={"dataset": dataset})


def test_keywords_may_stand_beside_the_reference():
    single = example("The tower is 31 metres high.", keywords=["31 metres"])
    assert NeedlebenchSingle().score(Answer("31 metres"), single) == 1
    assert NeedlebenchSingle(rule="v1").score(Answer("The tower is 31 m high."), single) == pytest.approx(0.2 * 18 / 23)
    several = example("red and blue", keywords=["red", "blue", "green"], depths=[10, 50])
    assert NeedlebenchParallel().score(Answer("red"), several) == 0.5  # the third has no depth
    assert NeedlebenchReasoning().score(Answer("anna"), example("It is Bob", keywords=["Anna Bob"])) == 0.5


def test_they_do_not_apply_without_a_keyword():
    for metric in METRICS:
        assert metric.score(Answer("x"), example("x")) is None


def test_each_applies_to_the_questions_of_its_task():
    several = example("red*blue#10*50")
    assert [metric.score(Answer("red"), several) for metric in METRICS] == [None, 0.5, None]
    for place, names in enumerate((("origin_en_4k", "single"), ("parallel_zh_8k",), ("2needle_en_4k", "reasoning"))):
        for name in names:
            scored = [metric.score(Answer("x"), example("a*b", dataset=name, keywords=["b"])) for metric in METRICS]
            assert [score is None for score in scored] == [place != own for own in range(3)]
    unnamed = [metric.score(Answer("b"), example("a*b", dataset="mine")) for metric in METRICS]
    assert unnamed == [1, None, 1]


def test_the_overall_score_weighs_the_three_tasks():
    labels = ("needlebench_single", "needlebench_parallel", "needlebench_reasoning")
    questions = [
        ScoredQuestion(str(place), one[0], dict(zip(labels, one, strict=True)))
        for place, one in enumerate([(1.0, None, None), (0.0, None, None), (None, 0.6, None), (None, None, 1.0)])
    ]
    assert NeedlebenchSingle().official(questions) == {"NeedleBench": 50.0, "overall": pytest.approx(20 + 18 + 30)}
    assert NeedlebenchSingle().official(questions[:3]) == {"NeedleBench": 50.0}


def test_ruler_takes_all_or_any_reference():
    two = example("12345", "678")
    assert RulerMatch().score(Answer("912345"), two) == 0.5
    assert RulerMatch(match="part").score(Answer("912345"), two) == 1
    assert RulerMatch().score(Answer("x"), example()) is None
    assert RulerMatch(match="part").label == "ruler_match_part"


def test_helmet_reads_behind_a_prefix():
    reply = Answer("E-I: x\nCorresponding value: F-I-F")
    assert HelmetSubstring(prefix="corresponding value:").score(reply, example("fif")) == 1
    assert HelmetSubstring().score(reply, example("tower")) == 0
    assert HelmetSubstring(prefix="a+(").score(Answer("a+(b"), example("b")) == 1
