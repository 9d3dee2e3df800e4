"""Engines that follow a rule, and one call that asks a route with them and shows every prompt."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path

from ragvlc.core.answer import Answer
from ragvlc.core.data import Document, Example, Query
from ragvlc.core.engines import Request
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.pipeline import Pipeline
from ragvlc.testing import FunctionEngine, ScriptedPool

WORDS = WordTokenizer()
FACT = re.compile(r"The code is (\w+)\.")
CHAIN = {"kind": "chain_of_agents", "note_tokens": 24, "answer_tokens": 8}
MANAGER = "notes alone"
"""Words that stand in the manager's prompts and in no other."""


class LoggingEngine(FunctionEngine):
    """Notes which requests came together, and refuses prompts beyond its window as a real one does."""

    def __init__(self, reply, window=8192):
        super().__init__(reply, window)
        self.batches: list[int] = []

    def generate(self, requests):
        self.batches.append(len(requests))
        for request in requests:
            length = len(WORDS.render(request.prompt)) + request.max_tokens
            assert length <= self.window, f"{length} tokens in a window of {self.window}"
        return super().generate(requests)


@dataclass(frozen=True)
class Read:
    answer: Answer
    requests: list[Request]
    batches: list[int]

    @property
    def prompts(self) -> list[str]:
        return [request.prompt.text() for request in self.requests]

    def with_word(self, word: str) -> list[str]:
        return [prompt for prompt in self.prompts if word in prompt]


def read(route, query, documents, reply, folder: Path, *, window=8192, seed=0) -> Read:
    """Returns the answer of a route, given as YAML would give it, with what was sent."""
    engine = LoggingEngine(reply, window)
    pipeline = Pipeline(generators={"main": "scripted"}, embedders={}, routes={"it": route})
    asked = Query("q", query) if isinstance(query, str) else query
    texts = [Document("d", documents)] if isinstance(documents, str) else documents
    pool = ScriptedPool(engine, folder)
    answer = pipeline.answer_example(Example(asked, tuple(texts)), seed=seed, pool=pool)
    return Read(answer, engine.requests, engine.batches)


def echo(prompt: str) -> str:
    """A worker that passes a fact on as soon as it has seen it, and a manager that says it."""
    found = FACT.search(prompt)
    if MANAGER in prompt:
        return found[1] if found else "unknown"
    return found[0] if found else "Nothing yet"


def lossy(prompt: str) -> str:
    """A worker that never passes anything on."""
    found = FACT.search(prompt)
    return (found[1] if found else "unknown") if MANAGER in prompt else "Nothing yet"


def sentences(count: int, *, planted: int | None = None, fact: str = "The code is amber7.") -> str:
    """Returns numbered sentences of eight tokens, one of them a fact."""
    lines = [f"Sentence number {place} tells of nothing at all." for place in range(count)]
    if planted is not None:
        lines[planted] = fact
    return " ".join(lines)


def numbering():
    """Returns a reply that is a new text at each call, so that whoever sees it is known."""
    lock, count = threading.Lock(), iter(range(10_000))

    def reply(prompt):
        with lock:
            return f"unit{next(count)}"

    return reply


def units(asked):
    """Returns the notes of all workers, in the order of their reading."""
    return [step.facts["unit"] for root in asked.answer.trace for step in root.walk() if step.name == "unit"]


def pieces_read(asked):
    """Returns the numbers of the sentences that each worker was shown."""
    return [
        tuple(map(int, re.findall(r"number (\d+) tells", prompt)))
        for prompt in asked.prompts
        if "Read this part" in prompt
    ]
