"""LV-Eval beyond its table of cases: rules by set, language or setting."""

from __future__ import annotations

import pytest

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example, Query
from ragvlc.metrics import lveval_f1
from ragvlc.metrics.lveval_f1 import LvevalF1


def score(reply, reference, dataset="", keywords=None, **settings):
    scoring = {} if keywords is None else {"answer_keywords": keywords}
    example = Example(Query("q", "?"), (), (reference,), tags={"dataset": dataset}, scoring=scoring)
    return LvevalF1(**settings).score(Answer(reply), example)


def test_a_set_of_no_known_name_goes_by_the_language_of_the_example():
    assert score("in 1931", "built in 1931", "mine", "tower") == 0
    assert score("in 1931", "built in 1931", "mine") == pytest.approx(0.8)
    assert score("红楼", "红楼梦", "mine") == 0
    assert score("红楼梦", "红楼梦", "mine") == 1


def test_a_rule_may_be_given():
    assert score("in 1931", "built in 1931", "hotpotwikiqa_mixup", "tower", rule="english_plain") == pytest.approx(0.8)
    assert score("红楼梦", "红楼梦", rule="chinese_rouge") == pytest.approx(1)


def test_it_says_what_a_chinese_rule_needs(monkeypatch):
    monkeypatch.setattr(lveval_f1, "has_jieba", lambda: False)
    assert LvevalF1(rule="english").refusals() == ()
    assert "needs jieba" in LvevalF1(rule="chinese").refusals()[0]
