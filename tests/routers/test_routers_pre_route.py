"""One call before anything is read, its reply, and what it costs."""

from __future__ import annotations

import json

import pytest

from ragvlc.core.data import Document, Query
from ragvlc.core.families import Router

LONG = Document("d", "The pump was built in 1951. " * 200, "Pump papers", {"year": 1951, "secret": "x"})


def says(route, **notes):
    """Returns a reply to the router's prompt; every other prompt gets another."""
    reply = json.dumps({"task": "look-up", "scope": "one place", "needed": "a year", "route": route, **notes})
    return lambda prompt: f"Sure:\n{reply}\nDone." if "Guidelines" in prompt else "1951"


def test_the_model_is_told_of_the_document_and_not_shown_it(choose):
    router = {"kind": "pre_route", "opening_tokens": 6, "metadata": ["year"]}
    chosen = choose(router, Query("q", "When?", ("1951", "1952")), [LONG], reply=says("rag"))
    prompt = chosen.prompts[0]
    assert "- Pump papers (1200 words, year: 1951), begins: The pump was built in 1951 ..." in prompt
    assert "When?\n1951\n1952" in prompt
    assert "- rag: search" in prompt
    assert '"route": "rag or full"' in prompt
    assert "secret" not in prompt
    assert len(prompt) < 2000


@pytest.mark.parametrize("route", ["rag", "full"])
def test_its_choice_is_taken_and_explained(choose, route):
    chosen = choose("pre_route", "When?", [LONG], reply=says(route.upper() if route == "rag" else route))
    assert chosen.route == route
    facts = {"task": "look-up", "scope": "one place", "needed": "a year", "unparsed": False}
    assert facts.items() <= chosen.facts.items()
    assert len(chosen.prompts) == 2


def test_the_call_is_on_the_bill(choose):
    chosen = choose("pre_route", "When?", [LONG], reply=says("rag"))
    [first] = [step for step in chosen.answer.trace if step.name == "choose"]
    assert chosen.answer.usage.calls == 2
    assert first.usage.calls == 1
    assert sum(step.usage.prompt_tokens for step in chosen.answer.trace) == chosen.answer.usage.prompt_tokens


@pytest.mark.parametrize(
    ("reply", "route", "unparsed"),
    [
        ("I would use full.", "full", False),
        ('{"route": "full context"}', "full", False),
        ('{"route": "neither"} but rag is cheap', "closed", True),
        ("rag or full, who knows", "closed", True),
        ('{"route": "rag', "rag", False),
        ("[" * 5000, "closed", True),
        ('{"route": ["full"]} {"route": 7}', "full", False),
        ("", "closed", True),
        ("fully ragged", "closed", True),
    ],
)
def test_replies_of_every_sort(choose, reply, route, unparsed):
    chosen = choose({"kind": "pre_route", "fallback": "closed"}, "When?", [LONG], reply=reply)
    assert (chosen.route, chosen.facts["unparsed"]) == (route, unparsed)


def test_many_documents_are_counted_not_listed(choose):
    documents = [Document(f"d{n}", "one two three") for n in range(9)]
    prompt = choose({"kind": "pre_route", "documents_shown": 2}, "When?", documents, reply=says("rag")).prompts[0]
    assert prompt.count("- untitled (3 words), begins: one two three ...") == 2
    assert "... and 7 more, 21 words" in prompt
    assert "The text:\nnone\n" in choose("pre_route", "When?", [], reply=says("rag")).prompts[0]


def test_prompts_are_checked():
    with pytest.raises(ValueError, match=r"prompt must contain \{question\}"):
        Router.build({"kind": "pre_route", "prompt": "{documents}"})
    with pytest.raises(ValueError, match=r"no field \{rotes\}.*Nearest: routes"):
        Router.build({"kind": "pre_route", "prompt": "{question} {rotes}"})
