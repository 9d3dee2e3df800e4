"""One route at work on one example, with the prompts that it sent."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ragvlc.core.answer import Answer
from ragvlc.core.data import Document, Example, Query
from ragvlc.core.engines import Request
from ragvlc.pipeline import Pipeline
from ragvlc.testing import FunctionEngine, ScriptedPool


@dataclass(frozen=True)
class Asked:
    answer: Answer
    requests: list[Request]

    @property
    def prompt(self) -> str:
        [request] = self.requests
        return request.prompt.text()


@pytest.fixture
def ask(tmp_path):
    """Returns a function that asks a route, given as YAML would give it."""

    def ask(route, query, documents, *, reply="a reply", window=8192, seed=0, **gold) -> Asked:
        engine = FunctionEngine(lambda prompt: reply, window)
        pipeline = Pipeline(generators={"main": "scripted"}, embedders={}, routes={"it": route})
        asked = Query("q", query) if isinstance(query, str) else query
        texts = [Document("d", documents)] if isinstance(documents, str) else documents
        example = Example(asked, tuple(texts), **gold)
        answer = pipeline.answer_example(example, seed=seed, pool=ScriptedPool(engine, tmp_path))
        return Asked(answer, engine.requests)

    return ask


@pytest.fixture
def read():
    """Returns a function from an answer and its documents to the texts of the context, in prompt order."""

    def read(answer, documents):
        texts = {document.id: document.text for document in documents}
        return [texts[span.document_id][span.start : span.end] for span in answer.context]

    return read
