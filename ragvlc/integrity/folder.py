"""Checks of a results folder as a whole: setup, data, models, `cells.json`, questions, leftovers, MLflow's file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ragvlc import config
from ragvlc.core.errors import DerivedError, RagvlcError, StoreError
from ragvlc.core.texts import several
from ragvlc.integrity.findings import CheckFinding, State
from ragvlc.pipeline import Pipeline
from ragvlc.results.derived import move_aside, what_is_wrong, write_derived
from ragvlc.results.store import SweepStore
from ragvlc.results.summary import questions_key
from ragvlc.sweep.derived import StoredSweep, write_cells_anew
from ragvlc.sweep.plan import Cell, cell_key
from ragvlc.sweep.planned import identities, planned_cells, resolved_cell
from ragvlc.sweep.scoring import QuestionSet
from ragvlc.trackers.mlflow import MlflowTracker, damaged_database, set_aside

__all__ = ["FolderCheck"]

_QUESTION_FACTS = frozenset({"data_key", "skipped", "losses", "notes"})
_SHOWN = 3
_HASH = 12


class FolderCheck:
    """Checks a results folder without its rows.

    Args:
        folder: of the results.
        setup: the sweep as planned now; None if it cannot be planned.
    """

    def __init__(self, folder: Path, setup: StoredSweep | None) -> None:
        self._folder = folder
        self._store = SweepStore(folder)
        self._setup = setup
        self.asked: Mapping[str, QuestionSet] = {}
        self.stored: dict[str, list[dict[str, Any]]] = {}
        self.cells: list[dict[str, Any]] = []

    def data(self) -> Iterator[CheckFinding]:
        """Loads the questions, and yields how the data set differs from what the run recorded."""
        if self._setup is None:
            return
        try:
            self.asked = self._setup.asked
        except RagvlcError as error:
            yield self._finding("data", "open", f"cannot be read: {error}", "bring the data set back")
            return
        for key, own in self.asked.items():
            stored = self.stored.get(_file_of(key))
            if stored is None:
                continue
            for found, remedy in _differences(stored, own):
                yield self._finding("data", "open", found, remedy)

    def examples(self) -> Iterator[CheckFinding]:
        """Reads the stored questions, and yields what is wrong with their files."""
        names = dict.fromkeys(str(facts["examples"]) for facts in self.cells)
        if self._setup is not None:
            names |= dict.fromkeys(_file_of(cell.dataset.key) for cell in self._setup.cells)
        recorded = {str(facts["examples"]): facts["data_key"] for facts in self.cells if "data_key" in facts}
        for name in names:
            try:
                stored = self._store.examples(name)
                if questions_key(stored) == recorded.get(name, questions_key(stored)):
                    self.stored[name] = stored
                else:
                    yield self._anew("examples", f"{name}: questions are missing or changed")
            except DerivedError as error:
                yield self._anew("examples", what_is_wrong(error).removeprefix(f"{self._folder}/"))
            except StoreError as error:
                yield self._finding("examples", "open", str(error), "allow reading")
        for path in sorted(self._folder.glob("examples-*.jsonl")):
            if names and path.name not in names:
                yield self._finding("examples", "note", f"{path.name}: of no cell", "stays")

    def example_facts(self) -> Iterator[CheckFinding]:
        """Yields stored questions that differ from the data set although their hash is the same."""
        for key, own in self.asked.items():
            now = {one["id"]: json.loads(json.dumps(one)) for one in own.facts}
            wrong = [
                str(one["id"])
                for one in self.stored.get(_file_of(key), ())
                if (other := now.get(one["id"]))
                and (other["key"], other["gold_key"]) == (one["key"], one["gold_key"])
                and any(one[name] != other[name] for name in one.keys() & other.keys())
            ]
            if wrong:
                found = f"not those of the data set: {several(len(wrong), 'stored question')} ({_first(wrong)})"
                yield self._anew("examples", found, all_files=True)

    def read_cells(self) -> Iterator[CheckFinding]:
        """Reads `cells.json`, and yields what is wrong with it."""
        try:
            self.cells = self._store.cells()
        except DerivedError as error:
            yield self._anew("cells", what_is_wrong(error).removeprefix(f"{self._folder}/"))
            if self._setup is not None:
                facts = {cell.dataset.key: {"examples": _file_of(cell.dataset.key)} for cell in self._setup.cells}
                self.cells = planned_cells(self._setup.sweep, self._setup.cells, facts)

    def cell_facts(self) -> Iterator[CheckFinding]:
        """Yields how `cells.json` and the cells' `resolved.yaml` differ from the setup."""
        if self._setup is None:
            return
        facts = {cell.dataset.key: {"examples": _file_of(cell.dataset.key)} for cell in self._setup.cells}
        planned = {one["key"]: one for one in planned_cells(self._setup.sweep, self._setup.cells, facts)}
        stored = {str(one["key"]): one for one in self.cells}
        wrong = [f"no {planned[key]['name']}" for key in planned if key not in stored]
        wrong += [f"{stored[key]['name']}, which is not planned" for key in stored if key not in planned]
        for key in planned.keys() & stored.keys():
            now, then = json.loads(json.dumps(planned[key], default=str)), stored[key]
            names = sorted(name for name in now.keys() & then.keys() - _QUESTION_FACTS if now[name] != then[name])
            wrong += [f"{now['name']}: {_first(names)}"] if names else []
        if wrong:
            yield self._anew("cells", f"cells.json is not that of sweep.yaml: {_first(wrong)}")
        for cell, own in zip(self._setup.cells, self._setup.planned, strict=True):
            yield from self._resolved(cell, own.key)

    def _resolved(self, cell: Cell, key: str) -> Iterator[CheckFinding]:
        """Yields a `resolved.yaml` that is damaged, or of another cell than that with this key."""
        path = self._folder / cell.key / "resolved.yaml"
        if not path.parent.is_dir():
            return
        try:
            found = config.read_yaml(path) if path.is_file() else {}
            pipeline, seed = Pipeline.model_validate(found["pipeline"]), found["seed"]
            same = cell_key(pipeline, cell.dataset, seed, found.get("latency", cell.latency)) == key
            what = "" if same and isinstance(found["dataset"], Mapping) else "resolved.yaml has other settings"
        except (RagvlcError, LookupError, ValueError, TypeError):
            what = "resolved.yaml cannot be read"
        if what:

            def anew() -> None:
                write_derived(path, config.to_yaml(resolved_cell(cell)).encode())

            yield self._finding("cells", "repair", what, "made anew", anew, cell.name)

    def models(self) -> Iterator[CheckFinding]:
        """Yields cells whose models are not those that the run recorded."""
        if self._setup is None:
            return
        for cell, planned in zip(self._setup.cells, self._setup.planned, strict=True):
            if cell.key == planned.key:
                continue
            try:
                recorded = dict(config.read_yaml(self._folder / cell.key / "resolved.yaml").get("identity") or {})
            except RagvlcError:
                recorded = {}
            now = identities(planned)
            differing = [
                f"{path}.{name}: {_short(then.get(name))} is now {_short(now.get(path, {}).get(name))}"
                for path, then in recorded.items()
                for name in then
                if then.get(name) != now.get(path, {}).get(name)
            ]
            what = "; ".join(differing[:_SHOWN]) or "which is not recorded: a model, or the version of a kind"
            found = f"key {cell.key} is now {planned.key}: {what}"
            remedy = "bring that model back; or ragvlc run asks this cell anew, and its rows stay"
            yield self._finding("models", "open", found, remedy, cell=cell.name)

    def leftovers(self, *, busy: bool) -> Iterator[CheckFinding]:
        """Yields files of interrupted writers, copies of damaged lines, and cells that are no longer asked."""
        parts = sorted([*self._folder.glob("*.part"), *self._folder.glob("*/*.part")])
        if parts and not busy:
            names = _first([one.name for one in parts])
            found = f"{several(len(parts), 'unfinished file')} of interrupted writers ({names})"
            yield self._finding("leftovers", "repair", found, "deleted", lambda: _delete(parts))
        lock = self._folder / ".lock"
        if lock.exists() and not lock.is_file():
            yield self._finding("leftovers", "repair", ".lock is no file", "moved aside", lambda: move_aside(lock))
        for path in sorted([*self._folder.glob("*.damaged*"), *self._folder.glob("*/*.damaged*")]):
            found = f"{path.relative_to(self._folder)}, {path.stat().st_size:,} bytes"
            yield self._finding("leftovers", "note", found, "stays; delete it when you do not need it")
        known = {str(facts["key"]) for facts in self.cells}
        others = [path.parent.name for path in sorted(self._folder.glob("*/predictions.jsonl"))]
        if known and (others := [name for name in others if name not in known]):
            found = f"no longer planned: the rows of {several(len(others), 'cell')} ({_first(others)})"
            yield self._finding("leftovers", "note", found, "they stay, and are found again if the cell is")

    def tracker(self, *, busy: bool) -> Iterator[CheckFinding]:
        """Yields whether MLflow's SQLite file beside the results is half made or damaged. Contacts no server."""
        if self._setup is None or not isinstance(self._setup.sweep.tracker, MlflowTracker) or busy:
            return
        uri = self._setup.sweep.tracker.store(self._folder.absolute().parent)
        problem = damaged_database(uri)
        if problem:
            remedy = "set aside as *.broken; then ragvlc track sends the results again"
            yield self._finding("tracker", "repair", problem, remedy, lambda: set_aside(uri))

    def _anew(self, check: str, found: str, *, all_files: bool = False) -> CheckFinding:
        setup = self._setup
        if setup is None:
            return self._finding(check, "open", found, "cannot be made anew without sweep.yaml: see setup")
        names = [_file_of(cell.dataset.key) for cell in setup.cells] if all_files else []

        def anew() -> None:
            for name in names:
                (self._folder / name).unlink(missing_ok=True)
            write_cells_anew(setup, self._store)

        return self._finding(check, "repair", found, "made anew; nothing is asked", anew)

    def _finding(
        self,
        check: str,
        state: State,
        found: str,
        remedy: str,
        repair: Callable[[], object] | None = None,
        cell: str = "",
    ) -> CheckFinding:
        def act() -> None:
            if repair is not None:
                repair()

        return CheckFinding(self._folder.resolve().name, cell, check, state, found, remedy, act if repair else None)


def _differences(stored: Sequence[Mapping[str, Any]], own: QuestionSet) -> Iterator[tuple[str, str]]:
    then, now = ({str(one["id"]): one for one in facts} for facts in (stored, own.facts))
    both = then.keys() & now.keys()
    changed = [name for name in then if name in both and then[name]["key"] != now[name]["key"]]
    gold = [name for name in then if name in both and then[name]["gold_key"] != now[name]["gold_key"]]
    if changed:
        whose = "its" if len(changed) == 1 else "their"
        words = f"changed since the run: {several(len(changed), 'question')}, or {whose} documents ({_first(changed)})"
        yield words, "bring the data back; or ragvlc run asks them again"
    if gold:
        yield (
            f"changed since the run: the references of {several(len(gold), 'question')} ({_first(gold)})",
            "bring the data back; or ragvlc score scores the answers again",
        )
    if gone := [name for name in then if name not in now]:
        words = f"no longer in the data set: {several(len(gone), 'question')} ({_first(gone)})"
        yield words, "bring the data back; or ragvlc run leaves them out"
    if new := [name for name in now if name not in then]:
        yield f"new in the data set: {several(len(new), 'question')} ({_first(new)})", "ragvlc run asks them"


def _file_of(dataset_key: str) -> str:
    return f"examples-{dataset_key[:16]}.jsonl"


def _delete(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _short(value: object) -> str:
    text = "absent" if value is None else str(value)
    return f"{text[:_HASH]}…" if len(text) > _HASH else text
