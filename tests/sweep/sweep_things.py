"""A small data set on disk, scripted pipelines, parts that misbehave, and what two runs must agree on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ragvlc import config
from ragvlc.analysis.results import Results
from ragvlc.core.answer import Answer, Prediction
from ragvlc.core.data import Example
from ragvlc.core.families import Metric, TrackedSweep, Tracker
from ragvlc.core.records import CellRecord, SweepRecord
from ragvlc.sweep.plan import Cell
from ragvlc.sweep.runner import Outcome, run_sweep
from ragvlc.sweep.spec import Sweep
from ragvlc.testing import FunctionEngine, ScriptedPool

COLOURS = ("red", "blue", "green", "grey", "white", "black")
FULL = {"generators": {"main": "scripted"}, "routes": {"full": "full_context"}}
RAG = {
    "generators": {"main": "scripted"},
    "routes": {
        "rag": {"kind": "retrieve", "chunker": {"kind": "tokens", "size": 10}, "selector": {"kind": "top_k", "k": 1}}
    },
}
ORACLE = {"generators": {"main": "scripted"}, "routes": {"oracle": "oracle_evidence"}}
SAMPLED = {
    "generators": {"main": {"kind": "scripted", "temperature": 1.0, "default": "{seed}"}},
    "routes": {"full": "full_context"},
}


def questions(count: int = 12, documents: int = 3) -> list[dict[str, Any]]:
    """Returns questions that go round the documents, so that neighbours are over different ones."""
    return [
        {
            "question_id": f"q{n}",
            "doc_ids": [f"d{n % documents}"],
            "question": f"What colour is thing {n}?",
            "answers": [COLOURS[n % len(COLOURS)]],
            "task": "extractive_qa",
        }
        for n in range(count)
    ]


def write_set(folder: Path, asked: Sequence[Mapping[str, Any]], documents: int = 3, things: int = 40) -> Path:
    """Writes a data set whose documents say what colour each thing is; returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = [
        " ".join(f"Thing {n} is {COLOURS[n % len(COLOURS)]}, as everybody knows." for n in range(d, things, documents))
        for d in range(documents)
    ]
    rows = [{"doc_id": f"d{d}", "title": f"Things {d}", "text": text} for d, text in enumerate(texts)]
    for name, lines in (("documents", rows), ("questions", asked)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return folder


def reader(prompt: str) -> str:
    """Replies with the colour that the prompt's text gives for the thing asked about."""
    thing = re.findall(r"thing (\d+)\?", prompt)[-1]
    found = re.search(rf"Thing {thing} is (\w+)", prompt)
    return found[1] if found else "unknown"


def sweep_over(folder: Path, **fields: Any) -> Sweep:
    """Returns a sweep of full context and retrieval over the data set in `folder`."""
    given = {
        "name": "things",
        "dataset": {"kind": "jsonl", "path": str(folder)},
        "pipelines": {"full": FULL, "rag": RAG},
        "metrics": ["contains"],
        "tracker": "none",
    }
    return config.build(Sweep, given | fields, "test")


def ran(
    sweep: Sweep, runs: Path, reply: Callable[[str], str] = reader, **options: Any
) -> tuple[Outcome, FunctionEngine]:
    """Runs a sweep with a new engine around `reply`; returns the outcome and the engine."""
    engine = FunctionEngine(reply)
    with ScriptedPool(engine, runs / "cache") as pool:
        return run_sweep(sweep, runs, pool=pool, **options), engine


def asked_about(engine: FunctionEngine) -> list[str]:
    """Returns the ids of the questions that reached the engine, in order."""
    return ["q" + re.findall(r"thing (\d+)\?", request.prompt.text())[-1] for request in engine.requests]


def standing(folder: Path) -> dict[str, Any]:
    """Returns all that two runs of a sweep must agree on: everything but times and where a result was found."""
    return {
        cell.name: {
            "key": cell.facts["key"],
            "complete": cell.complete,
            "rows": {name: _row(row) for name, row in cell.rows.items()},
        }
        for cell in Results.load(folder).cells
    }


def _row(row: Prediction) -> dict[str, Any]:
    found: dict[str, Any] = {"scores": dict(row.scores), "flags": row.flags, "scored_by": dict(row.scored_by)}
    if row.failure is not None:
        found["failure"] = (row.failure.stage, row.failure.type, row.failure.message)
    if row.answer is not None:
        answer = row.answer
        chunks = [(hit.chunk.document_id, hit.chunk.start, hit.chunk.end, hit.score) for hit in answer.ranking]
        tokens = (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.calls)
        found |= {"text": answer.text, "route": answer.route, "finish": answer.finish, "ranking": chunks}
        found |= {"context": answer.context, "tokens": tokens}
    return found


class Length(Metric):
    """Letters of the reply; `offset` makes it another metric."""

    offset: float = 0.0

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns the number of letters."""
        return len(answer.text) + self.offset


class Picky(Metric):
    """Raises on one reply, or gives something that is no score."""

    broken: bool = True
    word: str = "blue"
    value: str = ""

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns 1."""
        if self.broken and answer.text == self.word:
            if self.value:
                return float(self.value)
            raise ZeroDivisionError("no score for this word")
        return 1.0


class Telling(Tracker):
    """Keeps what it is told, and fails at the place given."""

    fails_at: str = ""
    told: list[str] = []  # noqa: RUF012 - a pydantic field

    @contextmanager
    def _opened(self) -> Iterator[TrackedSweep]:
        self.fail("open")
        yield _Told(self)
        self.fail("exit")

    def open(self, sweep: SweepRecord) -> Any:
        """Returns the sweep's context."""
        return self._opened()

    def fail(self, place: str) -> None:
        """Raises if this is the place to fail."""
        self.told.append(place)
        if place == self.fails_at:
            raise ConnectionError(f"no server at {place}")


class _Told:
    def __init__(self, tracker: Telling) -> None:
        self._tracker = tracker

    def cell(self, record: CellRecord) -> None:
        self._tracker.fail("cell")


class Interrupting:
    """A watcher that presses Ctrl-C after so many rows."""

    def __init__(self, after: int) -> None:
        self.left = after

    def planned(self, cells: Sequence[Cell], pending: int, total: int) -> None:
        """Does nothing."""

    def row(self, cell: Cell, prediction: Prediction) -> None:
        """Interrupts when it is time."""
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt

    def done(self, cell: Cell, status: str, summary: Mapping[str, Any]) -> None:
        """Does nothing."""
