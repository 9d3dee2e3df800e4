"""Derived files of a results folder made anew: from its rows, its `sweep.yaml` and its data set. Nothing is asked."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ragvlc import config
from ragvlc.analysis.results import Results
from ragvlc.core.data import Document
from ragvlc.core.errors import DerivedError, RagvlcError, StoreError
from ragvlc.results.derived import read_examples, read_summary, remove_derived, what_is_wrong
from ragvlc.results.store import CellStore, SweepStore
from ragvlc.results.summary import questions_key
from ragvlc.sweep.plan import Cell, plan
from ragvlc.sweep.planned import load_questions, planned_cells, question_facts
from ragvlc.sweep.scoring import QuestionSet, current_rows
from ragvlc.sweep.spec import Sweep
from ragvlc.sweep.tracking import cell_summary, is_complete

__all__ = ["StoredSweep", "load_results", "stored_documents", "write_cells_anew", "write_summary_anew"]

log = logging.getLogger("ragvlc")


@dataclass(frozen=True)
class StoredSweep:
    """A results folder's sweep as planned now.

    Attributes:
        folder: of the results.
        sweep: that of its `sweep.yaml`.
        planned: its cells, with the keys that they have now.
    """

    folder: Path
    sweep: Sweep
    planned: tuple[Cell, ...]

    @classmethod
    def of(cls, folder: Path) -> StoredSweep:
        """Returns the setup of a results folder.

        Raises:
            StoreError: its `sweep.yaml` is damaged, or that of a replay.
            ConfigError: the sweep cannot be planned here, such as without a library that it needs.
        """
        file = folder / "sweep.yaml"
        try:
            found = config.read_yaml(file) if file.is_file() else None
        except RagvlcError as error:
            raise StoreError(f"{file}: cannot be read ({error}). Run the experiment again.") from error
        if found is None:
            raise StoreError(f"{file}: is missing. Run the experiment again: ragvlc run EXPERIMENT")
        if "answers" in found:
            raise StoreError(f"{folder}: holds a replay. Make it anew: ragvlc replay {file}")
        sweep = Sweep.load(file)
        return cls(folder, sweep, tuple(plan(sweep)))

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The planned cells with the keys of their stored rows.

        A key holds the model's files: where these are elsewhere or have changed, the cell's rows are in the folder
        whose `resolved.yaml` has the same settings.
        """
        if all((self.folder / cell.key).is_dir() for cell in self.planned):
            return self.planned
        taken = {cell.key for cell in self.planned}
        stored = {
            _settings(resolved): path.parent.name
            for path in sorted(self.folder.glob("*/resolved.yaml"), key=lambda one: one.stat().st_mtime)
            if path.parent.name not in taken and (resolved := _resolved(path))
        }
        return tuple(
            cell if (self.folder / cell.key).is_dir() else replace(cell, key=stored.get(_settings_of(cell), cell.key))
            for cell in self.planned
        )

    @cached_property
    def asked(self) -> Mapping[str, QuestionSet]:
        """The questions as they are now, by data set key. Raises `DatasetError`."""
        return load_questions(self.sweep, self.planned)


def load_results(folder: Path, *, only: Collection[str] = ()) -> Results:
    """Returns a folder's results; derived files that cannot be read are made anew first, with a line for each.

    With `only`, the rows of other cells than these need not be read; see `SweepResults.load`.

    Raises `StoreError` where one cannot be made anew, or where another process is running the sweep.
    """
    try:
        results = Results.load(folder, only=only)
    except DerivedError as error:
        try:
            setup = StoredSweep.of(folder)
            with SweepStore(folder) as store:
                write_cells_anew(setup, store)
            results = Results.load(folder, only=only)
        except RagvlcError as problem:
            raise StoreError(f"{error} It was not made anew now: {problem}") from problem
        log.warning("%s", _made_anew(error))
    keys = [str(cell.facts["key"]) for cell in results.cells]
    damaged = {key: found for key in keys if (found := _summary_problem(folder, key))}
    if damaged:
        _summaries_anew(folder, damaged)
    return results


def write_cells_anew(setup: StoredSweep, store: SweepStore) -> None:
    """Writes `cells.json`, and the files of questions that cannot be read.

    Questions in a file that can be read stay as they are, even if the data set has changed since. Raises `StoreError`,
    and `DatasetError` where questions are lost and their data set cannot be read.
    """
    facts: dict[str, dict[str, Any]] = {}
    recorded = _recorded(store)
    for key in dict.fromkeys(cell.dataset.key for cell in setup.cells):
        name = f"examples-{key[:16]}.jsonl"
        stored = _stored(store.folder / name, recorded.get(name))
        try:
            own = setup.asked[key]
        except RagvlcError as error:
            if stored is None:
                raise
            log.warning("%s: what the data set left out is not known (%s)", store.folder, error)
            facts[key] = {"examples": name, "data_key": questions_key(stored), "skipped": {}}
            continue
        if stored is None or (name not in recorded and _cut(stored, own)):
            name, stored = store.write_examples(key, own.facts), list(own.facts)
        facts[key] = {**question_facts(setup.cells, key, name, own), "data_key": questions_key(stored)}
    store.write_cells(config.to_yaml(setup.sweep.spec()), planned_cells(setup.sweep, setup.cells, facts))


def write_summary_anew(cell: Cell, store: CellStore, asked: QuestionSet, sweep: Sweep) -> bool:
    """Writes a cell's summary from its rows if these are complete, else deletes it; returns whether it was written.

    What only the summary knows, the usage of trying the models, is taken over from one that can be read.
    """
    tried = {name: value for name, value in (store.summary() or {}).items() if name == "tried"}
    rows = current_rows(store.load(), asked, control=cell.control)
    remove_derived(store.folder / "summary.json")
    scored = all(dict(rows[one.id].scored_by) == asked.scored_by(one) for one in asked.examples if one.id in rows)
    if not (scored and is_complete(store, rows, asked, sweep)):
        return False
    store.write_summary({**cell_summary(cell, "complete", rows, asked), **tried})
    return True


def stored_documents(folder: Path) -> dict[str, list[Document]]:
    """Returns the documents that a sweep was asked over, each once, by the name of the file of their questions.

    Raises:
        StoreError: the questions or their documents have changed since, or it is a replay.
        DatasetError: a data set cannot be read.
    """
    setup, store = StoredSweep.of(folder), SweepStore(folder)
    found: dict[str, list[Document]] = {}
    for key, asked in setup.asked.items():
        name = f"examples-{key[:16]}.jsonl"
        now = {one["id"]: one["key"] for one in asked.facts}
        stored = store.examples(name)
        changed = [str(one["id"]) for one in stored if now.get(one["id"]) != one["key"]]
        if changed:
            raise StoreError(
                f"{folder}: {len(changed)} questions or their documents have changed since the run ({changed[0]}). "
                "Bring the data back, or leave the documents out."
            )
        asked_now = {one["id"] for one in stored}
        every = (document for one in asked.examples if one.id in asked_now for document in one.documents)
        found[name] = list({(one.id, one.text): one for one in every}.values())
    return found


def _summaries_anew(folder: Path, damaged: Mapping[str, DerivedError]) -> None:
    try:
        setup = StoredSweep.of(folder)
        cells = {cell.key: cell for cell in setup.cells}
        with SweepStore(folder) as store:
            for key, error in damaged.items():
                cell = cells.get(key)
                if cell is None or not write_summary_anew(
                    cell, store.cell(key), setup.asked[cell.dataset.key], setup.sweep
                ):
                    log.warning("%s The next run writes it.", what_is_wrong(error))
                else:
                    log.warning("%s", _made_anew(error))
    except RagvlcError as problem:  # the figures are counted from the rows anyway
        for error in damaged.values():
            log.warning("%s It was not made anew now: %s", error, problem)


def _summary_problem(folder: Path, key: str) -> DerivedError | None:
    try:
        read_summary(folder / key / "summary.json")
    except DerivedError as error:
        return error
    return None


def _made_anew(error: DerivedError) -> str:
    return f"{what_is_wrong(error)} It was made anew; nothing was asked."


def _stored(path: Path, recorded: str | None) -> list[dict[str, Any]] | None:
    """Returns the questions in a file; None if it cannot be read, or has other questions than its cells were asked."""
    try:
        stored = read_examples(path)
    except DerivedError:
        return None
    return stored if recorded in (None, questions_key(stored)) else None


def _recorded(store: SweepStore) -> dict[str, str]:
    """Returns the recorded hash of each file's questions; none where `cells.json` is damaged or of an older version."""
    try:
        return {str(facts["examples"]): str(facts["data_key"]) for facts in store.cells() if "data_key" in facts}
    except StoreError:
        return {}


def _cut(stored: Sequence[Mapping[str, Any]], own: QuestionSet) -> bool:
    """Returns whether stored questions are those of the data set without some."""
    keys = {one["id"]: one["key"] for one in stored}
    now = {one["id"]: one["key"] for one in own.facts}
    return len(keys) < len(now) and keys.items() <= now.items()


def _resolved(path: Path) -> dict[str, Any]:
    try:
        return dict(config.read_yaml(path))
    except (RagvlcError, OSError):
        return {}


def _settings(resolved: Mapping[str, Any]) -> str:
    data = {name: value for name, value in (resolved.get("dataset") or {}).items() if name != "limit"}
    found = [resolved.get("pipeline"), data, resolved.get("seed"), resolved.get("latency")]
    return json.dumps(found, sort_keys=True, default=str)


def _settings_of(cell: Cell) -> str:
    return _settings(
        json.loads(
            json.dumps(
                {
                    "pipeline": cell.pipeline.spec(),
                    "dataset": cell.dataset.spec(),
                    "seed": cell.seed,
                    "latency": cell.latency,
                }
            )
        )
    )
