"""A data set on disk, pipelines over it, and what a real run of them asks of its engine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, NoReturn

from pydantic import Field

from ragvlc import config
from ragvlc.core.answer import Answer
from ragvlc.core.component import Role
from ragvlc.core.data import Document, Query
from ragvlc.core.engines import Prompt, Request
from ragvlc.core.families import Generator, Route
from ragvlc.core.run import Run
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.sweep.runner import Outcome, run_sweep
from ragvlc.sweep.spec import Sweep
from ragvlc.testing import FunctionEngine, ScriptedPool

WINDOW = 300
COLOURS = ("red", "blue", "green", "grey")


class Sealed(Generator):
    """Counts words, and must never be opened."""

    window: Annotated[int, Field(ge=1)] = WINDOW

    def tokenizer(self) -> WordTokenizer:
        """Returns the word tokenizer."""
        return WordTokenizer()

    def open(self) -> NoReturn:
        """Raises."""
        raise AssertionError("an estimate opened a model")


class SealedTokens(Sealed):
    """The same, with sessions."""

    offers: ClassVar[frozenset[str]] = frozenset({"TextEngine", "TokenEngine"})


class TwoReads(Route):
    """Reads each half of the first document with the notes on what came before, then answers from them."""

    generator: Annotated[str, Role("generators")] = "main"
    note_tokens: int = 12

    def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:
        """Returns the answer of the last of three calls."""
        engine, text, note = run.generator(self.generator), documents[0].text, "none"
        for half in (text[: len(text) // 2], text[len(text) // 2 :]):
            prompt = Prompt("{note}\n{half}\n{question}", {"note": note, "half": half, "question": query.text})
            [found] = engine.generate([Request(prompt, self.note_tokens)])
            note = found.text
        [reply] = engine.generate([Request(Prompt("{note}: {question}", {"note": note, "question": query.text}), 5)])
        return run.answer(reply)


def generator(kind: str = "estimate_things:Sealed", **settings: Any) -> dict[str, Any]:
    """Returns the generators of a pipeline."""
    return {"main": {"kind": kind, **settings}}


def full(**settings: Any) -> dict[str, Any]:
    """Returns a pipeline that reads everything."""
    return {"generators": generator(**settings), "routes": {"full": "full_context"}}


def rag(**settings: Any) -> dict[str, Any]:
    """Returns a pipeline that retrieves."""
    chunker, selector = {"kind": "tokens", "size": 20}, {"kind": "top_k", "k": 2}
    route = {"kind": "retrieve", "chunker": chunker, "selector": selector}
    return {"generators": generator(**settings), "routes": {"rag": route}}


def two_reads(**settings: Any) -> dict[str, Any]:
    """Returns a pipeline that asks three times."""
    return {"generators": generator(**settings), "routes": {"two": "estimate_things:TwoReads"}}


def write_set(folder: Path, *, documents: int = 3, each: int = 4) -> Path:
    """Writes documents of different lengths, the longest beyond the window, and `each` questions about each."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = [
        " ".join(f"Thing {n} of {d} is {COLOURS[(n + d) % 4]}, as everybody knows." for n in range(8 + 12 * (d % 3)))
        for d in range(documents)
    ]
    rows = [{"doc_id": f"d{d}", "title": f"Things {d}", "text": text} for d, text in enumerate(texts)]
    asked = [
        {
            "question_id": f"q{d}-{n}",
            "doc_ids": [f"d{d}"],
            "question": f"What colour is thing {n} of {d}{' exactly' * n}?",
            "answers": [COLOURS[(n + d) % 4]],
            "task": "extractive_qa",
        }
        for n in range(each)
        for d in range(documents)  # neighbours are over different documents
    ]
    for name, lines in (("documents", rows), ("questions", asked)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return folder


def sweep_over(folder: Path, **fields: Any) -> Sweep:
    """Returns a sweep over the data set in `folder`."""
    given = {
        "name": "things",
        "dataset": {"kind": "jsonl", "path": str(folder)},
        "pipelines": {"full": full(), "rag": rag()},
        "metrics": ["contains"],
        "tracker": "none",
    }
    return config.build(Sweep, given | fields, "test")


def ran(sweep: Sweep, runs: Path, reply: str = "a plain reply") -> tuple[Outcome, FunctionEngine]:
    """Runs a sweep for real with an engine that always says the same; returns the outcome and the engine."""
    engine = FunctionEngine(lambda _: reply, WINDOW)
    with ScriptedPool(engine, runs / "cache") as pool:
        return run_sweep(sweep, runs, pool=pool), engine


def prompt_tokens(engine: FunctionEngine) -> int:
    """Returns the tokens of all prompts that reached the engine."""
    return sum(len(WordTokenizer().render(request.prompt)) for request in engine.requests)
