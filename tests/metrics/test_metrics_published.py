"""Published scorers: every case gives the value of the authors' code, or another one for a reason that it names."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest
from published import Case, score_of

from ragvlc.core.answer import Answer
from ragvlc.core.component import find_kind, known_kinds
from ragvlc.core.data import Example, Query
from ragvlc.core.families import ScoredQuestion
from ragvlc.families import Metric
from ragvlc.metrics._published import PublishedMetric
from ragvlc.text import segmenting

FILES = sorted(path.stem for path in Path(__file__).parent.glob("cases_*.py"))
CASES = [case for name in FILES for case in import_module(name).CASES if isinstance(case, Case)]
KINDS = sorted({case.kind for case in CASES})
PUBLISHED = [kind for kind in known_kinds("metrics") if issubclass(find_kind(Metric, kind), PublishedMetric)]
HOSTILE = [
    "",
    " \n\t ",
    "\x00\ud800￿",
    "(" * 5000,
    "The correct answer is (" * 2000,
    "9" * 6000,
    "[fact:" * 2000,
    "Answer:" * 3000,
    "A" * 20_000,
    "a b " * 5000,
    "[" * 3000 + "]" * 3000,
    "__import__('os').system('false')",
    "1e999 nan inf -0 1_000",
    ".\n" * 5000,
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_authors_value(case: Case):
    assert score_of(case) == pytest.approx(case.wanted, abs=1e-12)


def test_every_published_metric_has_a_table_and_names_its_differences():
    assert {case.kind for case in CASES} >= set(PUBLISHED)
    for kind in PUBLISHED:
        assert "Differences:" in (sys.modules[find_kind(Metric, kind).__module__].__doc__ or ""), kind


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_replies_are_scored(kind: str):
    own = next(case for case in CASES if case.kind == kind and case.wanted is not None)
    example = Example(Query("q", "?", own.choices), (), own.references, scoring=own.scoring, tags=own.tags)
    metric = find_kind(Metric, kind).model_validate(dict(own.settings))
    for reply in HOSTILE:
        score = metric.score(Answer(reply), example)
        assert score is not None
        assert 0 <= score <= 1, reply[:20]
        assert all(metric.flags(Answer(reply), example)) or metric.flags(Answer(reply), example) == ()


@pytest.mark.parametrize("kind", PUBLISHED)
def test_means_are_in_the_authors_units(kind: str):
    metric = find_kind(Metric, kind)()
    questions = [ScoredQuestion(f"q{place}", score) for place, score in enumerate((1.0, 0.0, 0.5, None))]
    figures = metric.official(questions)
    assert figures
    assert max(figures.values()) == pytest.approx(50, abs=0.01)
    sets = [ScoredQuestion("a", 1.0, tags={"dataset": "x"}), ScoredQuestion("b", 0.0, tags={"dataset": "y"})]
    assert metric.official(sets)
    assert metric.official([]) == {}


def test_chinese_words_say_what_is_missing(monkeypatch):
    monkeypatch.setattr(segmenting.importlib.util, "find_spec", lambda name: None)
    metric = find_kind(Metric, "longbench_qa_f1_zh")()
    assert metric.refusals() == (
        "longbench_qa_f1_zh needs jieba, which cuts Chinese words: pip install 'ragvlc[benchmarks]'.",
    )
