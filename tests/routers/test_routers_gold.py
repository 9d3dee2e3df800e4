"""Routers read the question, the documents and what is declared: nothing else can change a choice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ragvlc.core.component import known_kinds
from ragvlc.core.data import Document, Example, Query, Span
from ragvlc.core.families import Router
from ragvlc.run import LiveRun

LEARNED = str(Path(__file__).with_name("learned.json"))
SETTINGS = {
    "always": {"route": "full"},
    "by_budget": {"tokens": 60},
    "by_length": {"limit": 20},
    "learned": {"model": LEARNED},
    "random": {"shares": {"rag": 1, "full": 1}},
}
DOCUMENT = Document("d", "The pump was built in 1951. It moves ninety litres a minute. " * 3, "Pump")
QUERIES = [
    Query("q1", "Why was the pump built, and how does it differ from the old one?"),
    Query("q2", "When was the pump built?"),
    Query("q3", "Who painted the ceiling?"),
]
GOLD = {
    "references": ("1951",),
    "evidence": (Span("d", 0, 20),),
    "task": "comparison",
    "tags": {"level": "comparison", "depth": 0.1},
    "cluster": "c",
}


@pytest.mark.parametrize("kind", known_kinds("routers"))
def test_gold_and_metadata_change_no_choice(kind, choose, monkeypatch):
    touched: list[str] = []
    monkeypatch.setattr(LiveRun, "gold", property(lambda run: touched.append("gold")))
    router = {"kind": kind, **SETTINGS.get(kind, {})}
    for query in QUERIES:
        plain = choose(router, query, [DOCUMENT])
        marked = replace(DOCUMENT, metadata={"level": "location", "depth": 0.9, "route": "full", "answer": "1951"})
        knowing = choose(router, query, [marked], **GOLD)
        unanswerable = choose(router, query, [marked], unanswerable=True, task="hallu")
        for other in (knowing, unanswerable):
            assert other.facts == plain.facts
            assert other.prompts == plain.prompts
    assert touched == []


@pytest.mark.parametrize(
    "name", ["level", "meta.level", "needleDepth", "gold", "answer_start", "evidence-kind", "task"]
)
def test_fields_that_give_gold_away_cannot_be_declared(name):
    for router in (
        {"kind": "pre_route", "metadata": [name]},
        {"kind": "rules", "rules": [{"route": "full", "metadata": {name: "x"}}]},
    ):
        with pytest.raises(ValueError, match=f"metadata field '{name}'"):
            Router.build(router)
    Router.build({"kind": "pre_route", "metadata": ["year", "publisher", "departments"]})


def test_declared_metadata_decides(choose):
    router = {"kind": "rules", "rules": [{"route": "full", "metadata": {"form": "10-K"}}], "otherwise": "rag"}
    filed, other = Document("a", "x", metadata={"form": "10-K"}), Document("b", "y", metadata={"form": "8-K"})
    assert choose(router, "q", [filed]).route == "full"
    assert choose(router, "q", [filed, other]).route == "rag"  # every document must have it
    assert choose(router, "q", [Document("c", "z")]).route == "rag"
    assert choose(router, "q", []).route == "rag"


def test_an_example_reaches_a_router_without_its_gold(choose):
    example = Example(QUERIES[0], (DOCUMENT,), **GOLD)
    assert example.gold_key != replace(example, references=()).gold_key  # the fields above are gold
