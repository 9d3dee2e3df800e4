"""LongBench beyond its table of cases: figures by length, sets, and replies on which its script gives up."""

from __future__ import annotations

import pytest

from ragvlc.core.answer import Answer
from ragvlc.core.component import find_kind
from ragvlc.core.data import Example, Query
from ragvlc.core.families import ScoredQuestion
from ragvlc.datasets.longbench import _TASKS
from ragvlc.families import Metric
from ragvlc.metrics._longbench import SCORED_BY
from ragvlc.metrics.longbench_qa_f1 import LongbenchQaF1
from ragvlc.metrics.longbench_rouge import LongbenchRouge
from ragvlc.metrics.longbench_rouge_zh import LongbenchRougeZh


def question(score, failed=False, flags=(), **tags):
    return ScoredQuestion("q", score, flags=flags, failed=failed, tags=tags)


def test_figures_by_length_are_those_of_longbench_e():
    one = [
        question(1.0, dataset="hotpotqa", length=3999),
        question(0.5, dataset="hotpotqa", length=4000),
        question(0.0, dataset="hotpotqa", length=7999, failed=True),
        question(1 / 3, dataset="hotpotqa", length=8000),
        question(None, dataset="trec", length=10),
    ]
    assert LongbenchQaF1().official(one) == {"LongBench": 45.83, "0-4k": 100.0, "4-8k": 25.0, "8k+": 33.33}
    assert LongbenchQaF1().official([question(1.0, dataset="hotpotqa")]) == {"LongBench": 100.0}


def test_each_set_has_a_figure_and_all_have_a_mean():
    two = [question(1.0, dataset="hotpotqa", length=1), question(0.0, dataset="musique"), question(0.5)]
    assert LongbenchQaF1().official(two) == {
        "hotpotqa": 100.0,
        "musique": 0.0,
        "other": 50.0,
        "LongBench mean of sets": 50.0,
    }
    two = [question(1.0, dataset="a_e", length=1), question(0.0, dataset="b_e", length=9000)]
    figures = LongbenchQaF1().official(two)
    assert figures["a_e 0-4k"] == 100
    assert figures["b_e 8k+"] == 0


@pytest.mark.parametrize(("words", "flags"), [(990, ()), (991, ("rouge_recursion",))])
def test_a_reply_on_which_the_script_fails_counts_0_in_the_figure_alone(words, flags):
    # eval.py gives 66.67 for 990 words and 0.0 for 991 (Python 3.11, limit of 1,000 frames)
    metric, answer = LongbenchRouge(), Answer("a" + " x" * (words - 1))
    example = Example(Query("q", "?"), (), ("a",))
    score = metric.score(answer, example)
    assert round(100 * score, 2) == 66.67
    assert metric.flags(answer, example) == flags
    assert metric.official([question(score, flags=metric.flags(answer, example))]) == {
        "LongBench": 0.0 if flags else 66.67
    }


def test_official_figures_are_of_the_sets_that_longbench_scores_so():
    asked = [question(1.0, dataset="trec"), question(0.5, dataset="lsht_e"), question(0.25, dataset="mine")]
    assert LongbenchQaF1().official(asked[:2]) == {}
    assert LongbenchQaF1().official(asked) == {"LongBench": 25.0}, "a set of one's own may be scored by any"
    assert find_kind(Metric, "longbench_classification")().official(asked[:1]) == {"LongBench": 100.0}


def test_each_set_is_scored_by_the_metric_that_its_reader_names():
    assert {name: kind for kind, names in SCORED_BY.items() for name in names} == {
        name: task.metric for name, task in _TASKS.items()
    }


def test_a_first_line_counts_where_the_set_or_the_setting_says_so():
    example = Example(Query("q", "?"), (), ("Paris",), tags={"dataset": "triviaqa_e"})
    reply = Answer("\nParis\nLondon")
    assert LongbenchQaF1().score(reply, example) == 1
    assert LongbenchQaF1(first_line="never").score(reply, example) == pytest.approx(2 / 3)
    other = Example(Query("q", "?"), (), ("Paris",), tags={"dataset": "hotpotqa"})
    assert LongbenchQaF1().score(reply, other) == pytest.approx(2 / 3)
    assert LongbenchQaF1(first_line="always").score(reply, other) == 1


def test_chinese_rouge_cuts_words():
    pytest.importorskip("jieba")
    example = Example(Query("q", "?"), (), ("网易在杭研大厦。",))
    assert LongbenchRougeZh().score(Answer("网易在杭研大厦。"), example) == pytest.approx(1)
