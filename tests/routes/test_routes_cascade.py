"""How sure the model was, and what is done where it was not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragvlc.core.answer import Answer, Step
from ragvlc.core.data import Document, Example, Query
from ragvlc.core.errors import EngineError
from ragvlc.core.families import Route
from ragvlc.pipeline import Pipeline
from ragvlc.reading.confidence import FACT, at_quantile, deciles, deciles_of
from ragvlc.routes.cascade import Cascade
from ragvlc.testing import FunctionEngine, ScriptedPool

TEXT = " ".join(f"w{number}" for number in range(200))
RAG = {"kind": "retrieve", "chunker": {"kind": "tokens", "size": 20}, "logprobs": True}
CASCADE = {"kind": "cascade", "first": RAG, "then": "full_context", "threshold": -0.5}


@pytest.fixture
def ask(tmp_path):
    def ask(route, *, sure=-0.1, reply="two words"):
        engine = FunctionEngine(lambda prompt: reply, sure=lambda text: sure)
        pipeline = Pipeline(generators={"main": "scripted"}, routes={"it": route})
        example = Example(Query("q", "What is w77?"), (Document("d", TEXT),))
        answer = pipeline.answer_example(example, pool=ScriptedPool(engine, tmp_path / str(sure)))
        return answer, engine.requests

    return ask


def told(answer, name):
    return next(dict(step.facts) for step in answer.trace if step.name == name)


@given(st.lists(st.floats(-50, 0), min_size=1, max_size=40), st.integers(0, 10))
def test_deciles_are_the_librarys(values, part):
    found = deciles(values)
    assert found == pytest.approx(list(np.quantile(values, np.linspace(0, 1, 11))), abs=1e-5)
    assert at_quantile(found, part / 10) == found[part]


def test_deciles_of_nothing_and_of_the_impossible():
    assert deciles(()) == []
    assert deciles((float("-inf"), 0.0))[0] == -1e9


@pytest.mark.parametrize("kind", ["retrieve", "full_context", "closed_book"])
def test_a_route_notes_them_when_asked(ask, kind):
    answer, [request] = ask({"kind": kind, "logprobs": True})
    assert request.logprobs
    assert deciles_of(answer) == (-0.1,) * 11
    answer, [request] = ask(kind)
    assert not request.logprobs
    assert deciles_of(answer) is None


def test_a_sure_answer_is_kept(ask):
    answer, requests = ask(CASCADE, sure=-0.5)
    assert len(requests) == answer.usage.calls == 1
    facts = {"escalate": False, "verdict": "sure", "score": 0.5, "logprob": -0.5, "outcome": "kept"}
    assert facts.items() <= told(answer, "first").items()


def test_an_unsure_answer_is_replaced(ask):
    answer, requests = ask(CASCADE, sure=-0.51)
    assert [TEXT in request.prompt.text() for request in requests] == [False, True]
    assert [request.logprobs for request in requests] == [True, False]
    assert answer.usage.calls == 2
    assert told(answer, "then")["outcome"] == "replaced"


def test_an_answer_without_tokens_is_replaced(ask):
    answer, requests = ask(CASCADE, reply="")
    assert len(requests) == 2
    assert told(answer, "first")["verdict"] == "an answer without tokens"


def test_the_quantile_decides():
    found = tuple(float(-10 + place) for place in range(11))
    answer = Answer("x", trace=(Step("answer", {FACT: list(found)}),))
    for quantile, escalate in ((0.0, True), (0.5, True), (0.94, True), (0.96, False), (1.0, False)):
        route = Cascade(first=RAG, then="full_context", quantile=quantile, threshold=-0.5)
        assert route.verdict(answer).escalate is escalate


def test_the_last_answer_of_a_wrapped_route_counts(tmp_path):
    sure = {"no idea": -0.1, "seventy-seven": -0.6}

    def reply(prompt):
        return "seventy-seven" if "w0 " in prompt and "w199" in prompt else "no idea"

    first = {
        "kind": "self_route",
        "first": {**RAG, "decline": "no idea"},
        "then": {"kind": "full_context", "logprobs": True},
    }
    engine = FunctionEngine(reply, sure=lambda text: sure.get(text, -9.0))
    route = {**CASCADE, "first": first, "then": "closed_book"}
    pipeline = Pipeline(generators={"main": "scripted"}, routes={"it": route})
    example = Example(Query("q", "What is w77?"), (Document("d", TEXT),))
    answer = pipeline.answer_example(example, pool=ScriptedPool(engine, tmp_path))
    assert [request.logprobs for request in engine.requests] == [True, True, False]
    assert told(answer, "first")["score"] == 0.6
    alone = Pipeline(generators={"main": "scripted"}, routes={"it": first})
    stored = alone.answer_example(example, pool=ScriptedPool(engine, tmp_path))
    assert len(list(stored.facts(FACT))) == 2
    assert pipeline.routes["it"].verdict(stored).signals["logprob"] == -0.6


def test_answers_without_log_probabilities_are_an_error():
    with pytest.raises(EngineError, match="no logprob_quantiles"):
        Cascade(first=RAG, then="full_context").verdict(Answer("x"))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"first": "retrieve"}, "first.logprobs: must be true"),
        ({"first": {"kind": "rapid", "draft": "main"}}, "rapid notes no log-probabilities. Use: retrieve"),
        ({"first": "self_route"}, r"first.first.logprobs: must be true.*first.then.logprobs: must be true"),
        ({"threshold": 0.5}, "less than or equal to 0"),
        ({"quantile": 1.5}, "less than or equal to 1"),
    ],
)
def test_what_cannot_be_decided_is_refused(settings, problem):
    with pytest.raises(ValueError, match=problem):
        Route.build({"kind": "cascade", **settings})
