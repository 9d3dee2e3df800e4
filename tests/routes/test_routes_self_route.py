"""Passages first; everything where the reply declines; both calls on the bill."""

from __future__ import annotations

import pytest

from ragvlc.core.answer import Answer
from ragvlc.core.data import Document, Example, Query
from ragvlc.core.families import Route
from ragvlc.pipeline import Pipeline
from ragvlc.results.rows import from_row, to_row
from ragvlc.routes.self_route import SelfRoute
from ragvlc.testing import FunctionEngine, ScriptedPool

TEXT = " ".join(f"w{number}" for number in range(200))
RAG = {
    "kind": "retrieve",
    "chunker": {"kind": "tokens", "size": 20},
    "selector": {"kind": "top_k", "k": 1},
    "decline": "unanswerable",
}
FULL = {"kind": "full_context", "decline": "unanswerable"}


@pytest.fixture
def ask(tmp_path):
    """Returns a function that asks the route; one reply for passages, another one for the whole text."""

    def ask(short, long, route=None, *, router="always"):
        engine = FunctionEngine(lambda prompt: long if "w0 " in prompt and "w199" in prompt else short)
        routes = {"it": route or {"kind": "self_route", "first": RAG, "then": FULL}}
        pipeline = Pipeline(generators={"main": "scripted"}, routes=routes, router=router)
        example = Example(Query("q", "What is w77?"), (Document("d", TEXT),))
        answer = pipeline.answer_example(example, pool=ScriptedPool(engine, tmp_path))
        return answer, [request.prompt.text() for request in engine.requests]

    return ask


def steps(answer):
    return {step.name: dict(step.facts) for step in answer.trace if step.name in ("first", "then")}


def test_an_answer_is_kept(ask):
    answer, prompts = ask("a number", "never asked")
    assert (answer.text, len(prompts), answer.usage.calls) == ("a number", 1, 1)
    assert steps(answer)["first"] == {
        "route": "retrieve",
        "escalate": False,
        "verdict": "answered",
        "declined": False,
        "outcome": "kept",
    }
    assert "then" not in steps(answer)
    assert answer.ranking
    assert sum(len(span) for span in answer.context) < len(TEXT) / 4


def test_a_decline_is_answered_from_everything(ask):
    answer, prompts = ask("Unanswerable.", "seventy-seven")
    assert answer.text == "seventy-seven"
    assert len(prompts) == 2
    assert TEXT in prompts[1]
    assert steps(answer)["first"]["escalate"] is True
    assert steps(answer)["then"] == {"route": "full_context", "outcome": "replaced"}
    assert sum(len(span) for span in answer.context) == len(TEXT)
    # Both calls are on the bill, each under its own step.
    usage = {step.name: step.usage for step in answer.trace}
    assert usage["first"].calls == usage["then"].calls == 1
    assert usage["first"] + usage["then"] == answer.usage == answer.bills["main"]


def test_both_may_decline(ask):
    answer, prompts = ask("unanswerable", "The text does not mention it.")
    assert steps(answer)["then"]["outcome"] == "both_declined"
    assert answer.text == "The text does not mention it."
    assert all("reply with the single word unanswerable" in prompt for prompt in prompts)


def test_the_paper_keeps_no_decline_in_the_second_call(ask):
    route = {"kind": "self_route", "first": RAG, "then": {**FULL, "decline": None}}
    _, prompts = ask("unanswerable", "x", route)
    assert ["unanswerable" in prompt for prompt in prompts] == [True, False]


@pytest.mark.parametrize(
    ("reply", "declines"),
    [
        ("unanswerable", True),
        ("Unanswerable. The passages are about ships.", True),
        ("Unanswerable, as the passages are about ships.", True),
        ("The passage does not say who kept the lighthouse.", True),
        ("Das steht nicht im Text; im Text wird nicht erwähnt, wer es war.", True),
        ("文中未提及。", True),
        ("", True),
        ("The riddle was unanswerable to the captain.", False),
        ("He did not mention the debt.", False),
        ("1984", False),
    ],
)
def test_a_decline_is_told_by_what_is_said(reply, declines):
    route = SelfRoute(first=RAG, then=FULL)
    assert route.verdict(Answer(reply)).escalate is declines
    assert route.verdict(Answer(reply, finish="declined")).escalate is True


def test_own_words(ask):
    route = SelfRoute(first={**RAG, "decline": "none"}, then=FULL, phrases=["^keine ahnung"], replies=[])
    told = {reply: route.verdict(Answer(reply)).escalate for reply in ("none", "None of them.", "Keine Ahnung, leider")}
    assert told == {"none": True, "None of them.": False, "Keine Ahnung, leider": True}
    assert not route.verdict(Answer("The text does not say.")).escalate


def test_a_stored_answer_gets_the_same_verdict(ask):
    from ragvlc.core.answer import Prediction

    answer, _ = ask("unanswerable", "x")
    [stored] = [from_row(to_row(Prediction("q", "key", one))).answer for one in (answer,)]
    first = Answer("unanswerable", trace=stored.trace)
    assert SelfRoute(first=RAG, then=FULL).verdict(first).escalate


def test_wrappers_may_be_held(ask):
    inner = {"kind": "self_route", "first": RAG, "then": FULL}
    closed = {"kind": "closed_book", "decline": "unanswerable"}
    answer, prompts = ask("unanswerable", "from all", {"kind": "self_route", "first": closed, "then": inner})
    assert (answer.text, len(prompts), answer.usage.calls) == ("from all", 3, 3)
    [then] = [step for step in answer.trace if step.name == "then"]
    assert [step.name for step in then.steps] == ["first", "then"]


def test_what_cannot_be_held():
    for settings, problem in (
        ({"first": "retrieve"}, r"first.decline: needs the word"),
        ({"then": "oracle_evidence"}, r"then: oracle_evidence reads the gold"),
        ({"first": "retrieve_only"}, r"first: retrieve_only writes no answer"),
        ({"phrases": ["..."]}, "no word to search for"),
    ):
        with pytest.raises(ValueError, match=problem):
            Route.build({"kind": "self_route", **settings})


def test_axes_reach_inside():
    from ragvlc.sweep.settings import Changer

    pipeline = Pipeline(generators={"main": "scripted"}, routes={"it": "self_route"})
    changed, used = Changer[Pipeline]("t").change(pipeline, {"routes.it.first.chunker.size": 64})
    assert changed.routes["it"].first.chunker.size == 64
    assert used
