"""What a route would cost is told before it is taken, and is what it costs."""

from __future__ import annotations

import pytest

from ragvlc.core.data import Document
from ragvlc.core.errors import WindowExceeded
from ragvlc.core.families import Router

TEXT = " ".join(f"w{number}" for number in range(300))
RAG = {"kind": "retrieve", "chunker": {"kind": "tokens", "size": 20}, "selector": {"kind": "top_k", "k": 2}}
ROUTES = {"rag": RAG, "full": "full_context", "refuse": {"kind": "full_context", "truncation": "refuse"}}
REPLY = " ".join(["word"] * 16)  # half of the 32 tokens that an answer may have


def router(**settings):
    return {"kind": "by_budget", "prefer": ["full", "rag"], **settings}


@pytest.mark.parametrize("route", ["full", "rag"])
def test_a_rehearsal_counts_what_the_route_then_uses(choose, route):
    chosen = choose(router(prefer=[route], tokens=9999), "w7?", TEXT, routes=ROUTES, reply=REPLY)
    usage = chosen.answer.usage
    assert chosen.facts[f"{route}_tokens"] == usage.prompt_tokens + usage.completion_tokens
    assert usage.calls == len(chosen.prompts) == 1  # nothing was generated to find out


@pytest.mark.parametrize("kind", ["map_reduce", "chain_of_agents", "refine", "self_route", "cascade"])
def test_routes_of_many_calls_are_rehearsed(choose, kind):
    routes = {"rag": RAG, "many": kind}
    chosen = choose(router(prefer=["many", "rag"], tokens=1), "w7?", TEXT, routes=routes, window=600)
    assert chosen.route == "rag"
    assert chosen.facts["many_tokens"] > chosen.facts["rag_tokens"] > 0


def test_routes_of_sessions_are_rehearsed_by_their_prompts(choose):
    routes = {"rag": RAG, "rapid": {"kind": "rapid", "draft": "main", "retriever": "bm25"}}
    chosen = choose(router(prefer=["rapid", "rag"], tokens=1), "w7?", TEXT, routes=routes)
    assert chosen.route == "rag"
    assert chosen.facts["rapid_tokens"] > 300  # the target's prompt holds everything


def test_the_first_that_is_affordable_is_taken(choose):
    costs = choose(router(tokens=1), "w7?", TEXT, routes=ROUTES).facts
    assert costs["reason"] == "none is within 1 tokens; this is the nearest"
    assert costs["route"] == "rag"
    assert (costs["score"], costs["favours"]) == (costs["full_tokens"], "rag")  # of a limit of 1
    for limit, route in ((costs["full_tokens"], "full"), (costs["full_tokens"] - 1, "rag")):
        assert choose(router(tokens=limit), "w7?", TEXT, routes=ROUTES).route == route
    assert choose(router(prefer=["rag", "full"], tokens=9999), "w7?", TEXT, routes=ROUTES).route == "rag"


def test_money_and_seconds(choose):
    priced = router(money=0.1, prices={"main": {"prompt": 100, "completion": 1000}})
    found = choose(priced, "w7?", TEXT, routes=ROUTES, reply=REPLY)
    usage = found.answer.usage
    assert found.route == "full"
    assert found.facts["full_money"] == pytest.approx((usage.prompt_tokens * 100 + 16 * 1000) / 1e6)
    assert choose({**priced, "money": 0.03}, "w7?", TEXT, routes=ROUTES).route == "rag"
    timed = router(seconds=2, speeds={"main": {"prompt": 1000, "completion": 16}})
    found = choose(timed, "w7?", TEXT, routes=ROUTES, reply=REPLY)
    assert found.facts["full_seconds"] == pytest.approx(usage.prompt_tokens / 1000 + 1)
    assert choose({**timed, "tokens": 100}, "w7?", TEXT, routes=ROUTES).route == "rag"  # every limit holds


def test_a_prompt_that_does_not_fit_costs_the_route(choose):
    limited = router(prefer=["refuse", "rag"], tokens=9999)
    assert choose(limited, "w7?", TEXT, routes=ROUTES, window=200).route == "rag"
    with pytest.raises(WindowExceeded, match="no route of the router fits"):
        choose(router(prefer=["refuse"], tokens=9999), "w7?", TEXT, routes=ROUTES, window=200)


def test_what_cannot_be_told_is_refused(choose):
    with pytest.raises(ValueError, match="needs a limit"):
        Router.build({"kind": "by_budget"})
    with pytest.raises(ValueError, match="prices lacks generator 'main', which route 'full' asks"):
        choose(router(money=1), "q?", TEXT, routes=ROUTES)
    with pytest.raises(ValueError, match="'gold' is a control"):
        choose(router(prefer=["gold"], tokens=9), "q?", [Document("d", "x")], routes={"gold": "oracle_evidence"})
