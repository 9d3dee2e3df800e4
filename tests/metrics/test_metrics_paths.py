"""Scores of what came up on the way: the oracle over paths, what was lost, and quotes that stood."""

from __future__ import annotations

import pytest

from ragvlc.core.answer import Answer, Step
from ragvlc.core.data import Document, Example, Query
from ragvlc.metrics.best_path import BestPath
from ragvlc.metrics.information_loss import InformationLoss
from ragvlc.metrics.quote_survival import QuoteSurvival
from ragvlc.metrics.token_f1 import TokenF1
from ragvlc.testing import FunctionEngine, ScriptedPool

EXAMPLE = Example(Query("q", "Which colour?"), (Document("d", "It is amber."),), ("amber light",))


def answer(text, **facts):
    """Returns an answer whose steps keep each of the texts."""
    steps = tuple(Step("call", {name: value}) for name, values in facts.items() for value in values)
    return Answer(text, trace=(Step("outer", steps=steps),))


@pytest.fixture
def engines(tmp_path):
    with ScriptedPool(FunctionEngine(lambda prompt: "True"), tmp_path) as pool:
        yield pool


def f1(text):
    return TokenF1().score(Answer(text), EXAMPLE)


class TestC7Oracle:
    def test_it_is_at_least_every_path_and_the_answer(self, engines):
        paths = ["blue", "amber", "amber light", "light red"]
        for text in (*paths, "nothing"):
            found = BestPath().assess(answer(text, path_answer=paths), EXAMPLE, engines).value
            assert all(found >= f1(path) for path in (*paths, text))
            assert found == 1.0

    def test_one_path_scores_as_it_is(self, engines):
        for text in ("amber", "blue"):
            assert BestPath().assess(Answer(text), EXAMPLE, engines).value == f1(text)

    def test_a_declined_answer_does_not_decline_for_the_paths(self, engines):
        declined = answer("none", path_answer=["amber light"])
        assert BestPath().assess(declined, EXAMPLE, engines).value == 1.0


class TestInformationLoss:
    @pytest.mark.parametrize(
        ("text", "units", "loss"),
        [
            ("amber light", ["amber light", "blue"], 0.0),
            ("blue", ["amber light", "red"], 1.0),
            ("amber", ["amber light"], 1 - 2 / 3),
            ("amber light", ["blue"], 0.0),  # never below 0: the answer was better than any note
            ("blue", [], 0.0),
        ],
    )
    def test_the_papers_formula(self, engines, text, units, loss):
        found = InformationLoss().assess(answer(text, unit=units), EXAMPLE, engines).value
        assert found == pytest.approx(loss)
        assert found == pytest.approx(max([0.0, *(f1(unit) - f1(text) for unit in units)]))

    def test_under_another_metric(self, engines):
        metric = InformationLoss(of="contains")
        assert metric.label == "information_loss_contains"
        noted = answer("blue", unit=["It was an amber light, they say."])
        assert metric.assess(noted, EXAMPLE, engines).value == 1.0

    def test_without_references_it_does_not_apply(self, engines):
        bare = Example(Query("q", "Which?"), ())
        assert InformationLoss().applies(bare) is False
        assert InformationLoss().assess(answer("x", unit=["y"]), bare, engines).value is None


def test_quotes_that_stood():
    steps = (Step("verify", {"quotes": 4, "survived": 3}),)
    assert QuoteSurvival().score(Answer("x", trace=steps), EXAMPLE) == 0.75
    assert QuoteSurvival().score(Answer("x"), EXAMPLE) == 0.0


def test_judged_within(engines):
    judging = {"kind": "llm_judge", "judge": "scripted"}
    found = BestPath(of=judging).assess(answer("blue", path_answer=["red"]), EXAMPLE, engines)
    assert found.value == 1.0
    assert found.usage.calls == 2
    assert BestPath(of=judging).objection([judged := BestPath(of=judging).of.judge]) is not None
    assert judged is not None
