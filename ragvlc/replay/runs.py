"""Answers of an earlier run: every row of the named cells, with its scores, usage and seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ragvlc.analysis.results import Results
from ragvlc.analysis.routing import model_of, only_route
from ragvlc.core.answer import Answer, Prediction, Step
from ragvlc.core.data import Example
from ragvlc.core.errors import ConfigError, nearest
from ragvlc.documents.dataset import Dataset, loaded
from ragvlc.replay.spec import Answers
from ragvlc.replay.stored import Block, Stored
from ragvlc.results.loading import CellResult
from ragvlc.sweep.derived import load_results
from ragvlc.sweep.plan import plan
from ragvlc.sweep.spec import Sweep

__all__ = ["read_runs"]


def read_runs(folder: Path, answers: Answers) -> Stored:
    """Returns the answers of cells with one route each, limited to questions that every route answered.

    A cell is a route under the name that `answers.routes` gives to it or its pipeline; without names, under that of its
    one route. Cells over other data sets, or by models with other settings, are groups of their own. Documents are
    loaded by the data set in the folder's `sweep.yaml`.

    Raises:
        ConfigError: a name is no cell's, or two cells of a group have the same.
        StoreError: no results in this folder.
        DatasetError: its data set cannot be loaded.
    """
    results = load_results(folder)
    # By name, since a key holds the model's files, which may be on another machine.
    planned = {cell.name: cell.dataset for cell in plan(Sweep.load(folder / "sweep.yaml"))}
    named = _named(results, answers)
    dropped: Counter[str] = Counter()
    blocks = []
    for dataset, cells in results.by_dataset().items():
        grouped: dict[str, dict[str, CellResult]] = {}
        for cell in cells:
            if cell.name in named:
                _place(grouped.setdefault(_model(cell), {}), named[cell.name], cell, results)
        grouped = {model: own for model, own in grouped.items() if len(own) > 1}
        if not grouped:
            continue
        source = planned.get(cells[0].name)
        if source is None:
            raise ConfigError(f"{folder}: cells.json and sweep.yaml do not agree. Run the sweep again.")
        examples = _examples(source, planned.values())
        rows = {model: _rows(own, dropped) for model, own in grouped.items()}
        kept = {name for own in rows.values() for one in own.values() for name in one}
        blocks.append(
            Block(
                dataset,
                tuple(_known(examples, kept)),
                rows,
                results.metrics,
                {model: _prices(own) for model, own in grouped.items()},
                tuple(cells[0].facts.get("smaller_is_better", ())),
                cells[0].facts.get("official", {}),
            )
        )
    if not blocks:
        known = [cell.name for cell in results.cells]
        raise ConfigError(f"{folder}: no two cells with different routes can be chosen between. Cells: {known}.")
    return Stored(tuple(blocks), {reason: count for reason, count in dropped.items() if count})


def _examples(source: Dataset, planned: Iterable[Dataset]) -> tuple[Example, ...]:
    """Returns the examples of a data set: its own, and those that it has in a sweep over several lengths."""
    found = {one.id: one for one in source.load()}
    if source.pad_to_tokens:
        found |= {one.id: one for one in loaded({one.key: one for one in planned})[source.key]}
    return tuple(found.values())


def _known(examples: Sequence[Example], kept: set[str]) -> list[Example]:
    return [example for example in examples if example.id in kept]


def _named(results: Results, answers: Answers) -> dict[str, str]:
    """Returns the name of the route that each cell represents, by cell name."""
    found: dict[str, str] = {}
    if not answers.routes:
        for cell in results.cells:
            if not cell.control and not cell.cold and (route := only_route(cell)):
                found[cell.name] = route
        return found
    known = {name for cell in results.cells for name in (cell.name, *cell.facts["pipelines"])}
    wrong = [
        f"answers.routes: no cell or pipeline of {results.name} is called '{name}'. "
        f"Known: {', '.join(sorted(known))}.{nearest(name, known)}"
        for name in answers.routes
        if name not in known
    ]
    if wrong:
        raise ConfigError(wrong)
    for cell in results.cells:
        names = [name for name in (cell.name, *cell.facts["pipelines"]) if name in answers.routes]
        if names and not cell.control:
            found[cell.name] = answers.routes[names[0]]
    return found


def _model(cell: CellResult) -> str:
    """Returns the settings of a cell as text, without data set, routes and router."""
    words = [model_of(cell), *([f"repeat {cell.facts['repeat'] + 1}"] if cell.facts["repeat"] else [])]
    return ", ".join(word for word in words if word)


def _place(own: dict[str, CellResult], route: str, cell: CellResult, results: Results) -> None:
    if route in own:
        raise ConfigError(
            f"{results.name}: cells '{own[route].name}' and '{cell.name}' are both route '{route}'. "
            f"Name the cells to choose between: --set 'answers.routes={{{cell.name}: {route}, CELL: NAME}}'."
        )
    own[route] = cell


def _rows(cells: Mapping[str, CellResult], dropped: Counter[str]) -> dict[str, dict[str, Prediction]]:
    answered = [{name for name, row in cell.rows.items() if row.answer is not None} for cell in cells.values()]
    every = set.intersection(*answered)
    dropped["questions without an answer of every route"] += len(set.union(*answered)) - len(every)
    return {
        route: {name: _bare(row) for name, row in cell.rows.items() if name in every} for route, cell in cells.items()
    }


def _bare(row: Prediction) -> Prediction:
    """Returns the row without the trace step that recorded how its route was chosen."""
    answer = row.answer
    if answer is None:
        return row
    steps: tuple[Step, ...] = tuple(step for step in answer.trace if step.name != "route")
    bare: Answer = replace(answer, trace=steps)
    return replace(row, answer=bare)


def _prices(cells: Mapping[str, CellResult]) -> dict[str, object]:
    found: dict[str, object] = {}
    for cell in cells.values():
        found |= cell.facts.get("prices") or {}
    return found
