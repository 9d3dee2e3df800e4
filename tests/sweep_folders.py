"""Results folders made by hand, with known scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ragvlc.analysis.results import Results
from ragvlc.core.answer import Answer, Failure, Prediction, Step, Timing, Usage
from ragvlc.core.data import content_key
from ragvlc.results.store import SweepStore

Score = float | None


def example(name: str, cluster: str = "", **facts: Any) -> dict[str, Any]:
    """Returns what a results folder keeps of a question."""
    given = {
        "id": name,
        "key": f"key of {name}",
        "gold_key": "gold",
        "question": f"What about {name}?",
        "choices": [],
        "references": [f"right {name}"],
        "unanswerable": False,
        "documents": ["d"],
        "evidence": [],
        "cluster": cluster or name,
        "task": "qa",
        "tags": {"level": "hard"},
    }
    return given | facts


def row(name: str, scores: Mapping[str, Score], **answer: Any) -> Prediction:
    """Returns an answered row."""
    given = {"text": f"reply to {name}", "usage": Usage(100, 0, 10, 1), "timing": Timing(engine_seconds=2.0)}
    return Prediction(name, f"key of {name}", Answer(**(given | answer)), None, scores, (), {})


def failed(name: str, scores: Mapping[str, Score], message: str = "on purpose") -> Prediction:
    """Returns a failed row."""
    return Prediction(name, f"key of {name}", None, Failure("generate", "EngineError", message), scores)


def dropping(tokens: int) -> tuple[Step, ...]:
    """Returns a trace of a prompt that lost so many tokens."""
    return (Step("read", {"dropped_tokens": tokens}),)


def as_control(rows: Sequence[Prediction]) -> list[Prediction]:
    """Returns the rows as those of a control, which belong to an example and its gold."""
    return [replace(one, example_key=content_key([one.example_key, "gold"])) for one in rows]


def cell(name: str, rows: Sequence[Prediction], **facts: Any) -> dict[str, Any]:
    """Returns a cell with its rows."""
    given = {"pipeline": name.split(maxsplit=1)[0], "settings": {}, "dataset": "toy", "repeat": 0, "seed": 1}
    given |= {"control": False}
    return {"name": name, "rows": rows, "done": True, **given, **facts}


def write(
    folder: Path,
    examples: Sequence[Mapping[str, Any]],
    cells: Sequence[dict[str, Any]],
    *,
    metrics: Sequence[str] = ("m",),
    baseline: str = "",
) -> Results:
    """Writes a results folder and returns it loaded."""
    store = SweepStore(folder)
    rows = []
    with store:
        file = store.write_examples("0" * 16, examples)
        for place, one in enumerate(cells):
            facts = {**one, "key": f"{place:016d}", "examples": one.get("examples", file), "metrics": list(metrics)}
            facts |= {
                "baseline": baseline or cells[0]["pipeline"],
                "pipelines": one.get("pipelines", [one["pipeline"]]),
            }
            found = store.cell(facts["key"])
            found.reopen("")
            for prediction in facts.pop("rows"):
                found.append(prediction)
            if facts.pop("done"):
                found.write_summary({"asked": "x"})
            rows.append(facts)
        store.write_cells("name: hand\n", rows)
    return Results.load(folder)
