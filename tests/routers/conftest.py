"""A router at work on one question, with the prompts that were sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ragvlc.core.answer import Answer
from ragvlc.core.data import Document, Example, Query
from ragvlc.core.families import Router
from ragvlc.pipeline import Pipeline
from ragvlc.testing import FunctionEngine, ScriptedPool

ROUTES = {"rag": "retrieve", "full": "full_context", "closed": "closed_book"}


@dataclass(frozen=True)
class Chosen:
    answer: Answer
    engine: FunctionEngine

    @property
    def route(self) -> str:
        return self.answer.route

    @property
    def facts(self) -> dict[str, Any]:
        return dict(self.answer.trace[0].facts)

    @property
    def prompts(self) -> list[str]:
        return [request.prompt.text() for request in self.engine.requests]


@pytest.fixture
def choose(tmp_path: Path):
    """Returns a function that asks a pipeline with this router, given as YAML would give it."""
    count = iter(range(10_000))

    def choose(router, query, documents, *, routes=ROUTES, reply="a reply", window=8192, seed=0, **gold) -> Chosen:
        answer = reply if callable(reply) else lambda prompt: reply
        engine = FunctionEngine(answer, window)
        part = Router.build(router)
        roles = {role for table, role, _ in part.roles() if table == "embedders"}
        embedders = dict.fromkeys(roles, "sentence_transformer")
        pipeline = Pipeline(generators={"main": "scripted"}, embedders=embedders, routes=routes, router=part)
        asked = Query("q", query) if isinstance(query, str) else query
        texts = (Document("d", documents),) if isinstance(documents, str) else tuple(documents)
        pool = ScriptedPool(engine, tmp_path / str(next(count)))
        return Chosen(pipeline.answer_example(Example(asked, texts, **gold), seed=seed, pool=pool), engine)

    return choose
