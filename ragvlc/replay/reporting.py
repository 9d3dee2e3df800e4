"""Tracking of a replay's results: one tracked run per fixed route, router and wrapper, with its gain."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ragvlc import config
from ragvlc.analysis.results import Results
from ragvlc.analysis.routing import RoutingReport, routing_reports
from ragvlc.core.data import content_key
from ragvlc.core.records import CellRecord, SweepRecord
from ragvlc.replay.spec import Replay
from ragvlc.results.loading import CellResult
from ragvlc.results.summary import metric_values

__all__ = ["tell"]


def tell(results: Results, replay: Replay, files: Mapping[str, Path]) -> None:
    """Sends the results of a replay to its tracker; sending them again changes nothing.

    Args:
        results: as written.
        replay: what was replayed.
        files: about all of it, by the place where they are shown.

    Raises:
        StoreError: the tracker cannot be reached. The results stand on disk all the same.
    """
    examples = {str(cell.facts["examples"]): cell.examples for cell in results.cells}
    keys = {
        name: content_key([[one["key"], one["gold_key"]] for one in own.values()]) for name, own in examples.items()
    }
    record = SweepRecord(
        name=results.name,
        folder=results.folder,
        description=replay.description,
        dataset=str(results.cells[0].facts["dataset"]) if results.cells else "",
        dataset_key=content_key(sorted(keys.values())),
        examples=sum(map(len, examples.values())),
        resolved=config.to_yaml(replay.spec()),
        cells=tuple(str(cell.facts["key"]) for cell in results.cells),
        metrics=results.metrics,
        smaller_is_better=tuple(results.cells[0].facts.get("smaller_is_better", ())) if results.cells else (),
    )
    worth = _worth(routing_reports(results))
    with replay.tracker.open(record) as tracked:
        for cell in results.cells:
            own = worth.get((_title(cell), str(cell.facts["arm"])), {})
            tracked.cell(_record(cell, results.folder, keys[str(cell.facts["examples"])], own))
        tracked.files(files)


def _worth(reports: tuple[RoutingReport, ...]) -> dict[tuple[str, str], dict[str, float]]:
    """Returns the figures of the router report, by group title and arm name."""
    found = {}
    for report in reports:
        mixings = {one.arm.name: one.figures for one in report.mixings}
        for row in report.rows:
            figures: dict[str, float | None] = {"gain": row.gain.mean, "gain_low": row.gain.low}
            figures |= {"gain_high": row.gain.high, "gain_p": report.corrected.get(row.arm.name)}
            figures |= {"regret": row.regret.mean, "of_possible": row.normalised.mean}
            figures |= {"of_possible_low": row.normalised.low, "of_possible_high": row.normalised.high}
            figures |= mixings.get(row.arm.name, {})
            figures |= {"right": row.right.mean if row.right else None}
            figures |= {f"to_{name}": share for name, share in row.shares.items()}
            known = {f"routing/{name}": value for name, value in figures.items() if value is not None}
            found[report.group.title, row.arm.name] = known
    return found


def _title(cell: CellResult) -> str:
    """Returns the title of the cell's group in the router report."""
    settings = cell.facts["settings"]
    data = [f"{path.removeprefix('dataset.')}={value}" for path, value in settings.items() if path != "model"]
    words = [*([str(settings["model"])] if "model" in settings else []), " ".join([str(cell.facts["dataset"]), *data])]
    return ", ".join(words)


def _record(cell: CellResult, folder: Path, dataset_key: str, worth: Mapping[str, float]) -> CellRecord:
    facts = cell.facts
    return CellRecord(
        key=str(facts["key"]),
        name=cell.name,
        status="complete",
        folder=folder / str(facts["key"]),
        params={"pipeline": facts["pipeline"], "dataset": facts["dataset"], "seed": facts["seed"], **facts["settings"]},
        metrics={**metric_values(cell.summary), **worth},
        table=tuple(_row(cell, name) for name in cell.rows),
        tags={"pipeline": str(facts["pipeline"])},
        dataset=str(facts["dataset"]),
        dataset_key=dataset_key,
        examples=len(cell.examples),
        models={"main": str(facts["settings"].get("model", "stored"))},
    )


def _row(cell: CellResult, name: str) -> dict[str, Any]:
    row, facts = cell.rows[name], cell.examples[name]
    answer = row.answer
    return {
        "id": name,
        "question": facts["question"],
        "answer": answer.text if answer else "",
        "references": " | ".join(facts["references"]),
        "route": str(answer.trace[0].facts.get("route", "")) if answer and answer.trace else "",
        **row.scores,
        "prompt_tokens": answer.usage.prompt_tokens if answer else None,
        "cluster": facts["cluster"],
    }
