"""Verifies stored results, and repairs what can be repaired without asking a model. Writes nothing unless asked to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ragvlc import config
from ragvlc.analysis.export.bundle import Bundle
from ragvlc.core.errors import RagvlcError, StoreError
from ragvlc.core.texts import several
from ragvlc.integrity.cells import CellCheck, ScoreCounts, Scoring, is_deterministic
from ragvlc.integrity.findings import CHECKS, CheckFinding, Verification
from ragvlc.integrity.folder import FolderCheck
from ragvlc.memo.disk import Cache
from ragvlc.pool import EnginePool
from ragvlc.results.derived import move_aside
from ragvlc.results.lines import DanglingLinkError, NoFileError
from ragvlc.results.races import race_notes
from ragvlc.results.store import SweepStore, is_results
from ragvlc.sweep.derived import StoredSweep
from ragvlc.sweep.spec import Sweep

__all__ = ["results_in", "verify"]

_NOT_BUNDLED = "not in the bundle; where the data set is here, it is checked"
_UNPACK = "unpack the bundle again; or, where the sweep has gone on here, delete bundle.json"
_ROUNDS = 3
"""Repairs of one thing may show another: rows before their summary."""


def results_in(path: Path) -> list[tuple[Path, str | None]]:
    """Returns the results folders at a path, each with the key of the one cell to check, or None for all.

    Args:
        path: a results folder, the folder of one of its cells, or a folder of results folders.

    Raises:
        StoreError: there are no results.
    """
    whole = path.resolve()
    if is_results(whole):
        return [(path, None)]
    if is_results(whole.parent) and ((path / "predictions.jsonl").exists() or (path / "resolved.yaml").exists()):
        return [(path.parent if path.name == whole.name else whole.parent, whole.name)]
    found = [(one, None) for one in sorted(path.glob("*")) if is_results(one)] if path.is_dir() else []
    if not found:
        raise StoreError(f"{path}: no results here. Give a folder such as runs/NAME, one of its cells, or runs.")
    return list(found)


def verify(path: str | Path, *, repair: bool = False, cell: str | None = None) -> Verification:
    """Checks a results folder: rows, coverage, data, models, scores, derived files, leftovers, the tracker's file.

    Without `repair` nothing is written. Intact rows are never deleted, no model is asked and no server contacted.

    Args:
        path: `runs/NAME`, or the folder of one of its cells.
        repair: do what can be done without asking a model; not while another process runs the sweep.
        cell: key or name of the only cell to check.

    Raises:
        StoreError: there are no results, or a repair cannot be written.
    """
    [(folder, key), *more] = results_in(Path(path))
    if more:
        raise StoreError(f"{path}: a folder of {len(more) + 1} results folders. Give one of them.")
    cell = cell or key
    if not repair or is_busy(folder):
        return _verified(folder, cell)
    # What the lock itself needs, and what taking it removes, is known only before.
    done = [one for one in FolderCheck(folder, None).leftovers(busy=False) if one.state == "repair"]
    move_aside(folder / ".lock")
    with SweepStore(folder):
        for one in done:
            one.act()
        for _ in range(_ROUNDS):
            found = _verified(folder, cell, ours=True)
            todo = [one for one in found.repairable if one not in done]
            if not todo:
                break
            for one in _once(todo):
                one.act()
            done += todo
    return Verification(found.folder, found.findings, repaired=tuple(done))


def is_busy(folder: Path) -> bool:
    """Returns whether a process holds the lock of a results folder. Writes nothing."""
    lock = folder / ".lock"
    try:
        import fcntl
    except ImportError:  # elsewhere the file cannot be opened while it is locked, and goes with its process
        return lock.exists()
    try:
        opened = os.open(lock, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(opened)
    return False


def _once(findings: Sequence[CheckFinding]) -> Iterator[CheckFinding]:
    """Yields one finding for each repair: the files are written before the rows are summed up."""
    seen: set[tuple[str, str]] = set()
    for one in sorted(findings, key=lambda one: CHECKS.index("summary") if one.check == "summary" else 0):
        if (key := (one.cell, one.check if one.check in ("rows", "summary") else one.found)) not in seen:
            seen.add(key)
            yield one


def _verified(folder: Path, cell: str | None, *, ours: bool = False) -> Verification:
    busy = not ours and is_busy(folder)
    findings = list(_Checks(folder, cell, busy=busy).findings())
    if busy:
        findings = [_waiting(one) for one in findings]
    findings.sort(key=lambda one: CHECKS.index(one.check))
    return Verification(folder, tuple(findings), busy)


def _waiting(one: CheckFinding) -> CheckFinding:
    if one.state != "repair":
        return one
    return CheckFinding(one.run, one.cell, one.check, "note", one.found, "look again when the other process has ended")


class _Checks:
    """All checks of one results folder."""

    def __init__(self, folder: Path, cell: str | None, *, busy: bool) -> None:
        self._folder = folder
        self._only = cell
        self._busy = busy
        self._run = folder.resolve().name
        self._counts = ScoreCounts()
        self._setup: StoredSweep | None = None
        self._bundle: Bundle | None = None
        self._asked = False

    def findings(self) -> Iterator[CheckFinding]:
        """Yields every finding, and a line for each check that found nothing."""
        found = list(self._all())
        yield from found
        spoken = {one.check for one in found if one.state != "note"}
        for check, words in self._intact().items():
            if check not in spoken and words:
                yield CheckFinding(self._run, "", check, "ok", words)

    def _all(self) -> Iterator[CheckFinding]:
        if self._busy:
            found = "another process is running this sweep: rows are still to come"
            yield CheckFinding(self._run, "", "lock", "note", found, "nothing is repaired now")
        self._bundle = Bundle.of(self._folder)
        if self._bundle is not None:
            yield from self._unpacked(self._bundle)
        try:
            self._setup = StoredSweep.of(self._folder)
        except RagvlcError as error:
            yield from self._no_setup(error)
        check = FolderCheck(self._folder, self._setup)
        yield from check.read_cells()
        yield from check.examples()
        for one in check.data():
            missing = self._bundle is not None and not check.asked and one.state == "open"
            yield replace(one, state="note", remedy=_NOT_BUNDLED) if missing else one
        self._asked = bool(check.asked)
        if self._only is None:
            yield from check.example_facts()
            yield from check.cell_facts()
            yield from check.leftovers(busy=self._busy)
            yield from check.tracker(busy=self._busy)
        for one in check.models():
            yield replace(one, state="note") if self._bundle is not None and one.state == "open" else one
        if self._setup and not check.asked:
            found = "not checked without the data set: scores and summaries"
            yield CheckFinding(self._run, "", "scores", "note", found, "the stored ones count")
        if check.asked and self._setup and (judged := _asking(self._setup.sweep)):
            found = f"not recomputed, as they ask a model: {', '.join(judged)}"
            yield CheckFinding(self._run, "", "scores", "note", found, "their stored values count")
        yield from self._cells(check)

    def _no_setup(self, error: RagvlcError) -> Iterator[CheckFinding]:
        replay = _is_replay(self._folder)
        if replay:
            found = "a replay: data, models, scores and summaries are not checked"
            yield CheckFinding(self._run, "", "setup", "note", found, "ragvlc replay makes it anew")
        elif self._bundle is not None:
            found = f"not checked: data, models, scores and summaries: {error}"
            yield CheckFinding(self._run, "", "setup", "note", found, "rows and files are")
        else:
            yield CheckFinding(self._run, "", "setup", "open", str(error), "until then only rows and files are checked")

    def _unpacked(self, bundle: Bundle) -> Iterator[CheckFinding]:
        changed = bundle.changed(self._folder)
        if changed:
            found = f"{several(len(changed), 'file')} missing or other than in the bundle: {', '.join(changed[:3])}"
            yield CheckFinding(self._run, "", "bundle", "open", found, _UNPACK)
        else:
            found = f"{several(len(bundle.files), 'file')} as in the bundle; it left out: {bundle.words}"
            yield CheckFinding(self._run, "", "bundle", "ok", found)

    def _cells(self, check: FolderCheck) -> Iterator[CheckFinding]:
        store = SweepStore(self._folder)
        planned = {cell.key: cell for cell in self._setup.cells} if self._setup else {}
        pairs = zip(self._setup.cells, self._setup.planned, strict=True) if self._setup else ()
        moved = {cell.key for cell, now in pairs if cell.key != now.key}
        notes = race_notes(self._folder)
        chosen = [one for one in check.cells if self._only in (None, one["key"], one["name"])]
        if self._only is not None and not chosen:
            known = ", ".join(str(one["name"]) for one in check.cells)
            raise StoreError(f"{self._folder}: no cell '{self._only}'. Known: {known}.")
        with EnginePool(Cache(checked=False), reuse=False) as pool:  # no model is asked: the cache is hardly needed
            for facts in chosen:
                cell = planned.get(str(facts["key"]))
                asked = check.asked.get(cell.dataset.key) if cell is not None else None
                scoring = Scoring(cell, asked, pool) if cell is not None and asked is not None else None
                try:
                    own = store.cell(str(facts["key"]))
                    one = CellCheck(self._run, str(facts["name"]), own, self._counts, scoring)
                except NoFileError:
                    yield self._no_file(str(facts["name"]), own.folder / "predictions.jsonl")
                    continue
                except DanglingLinkError as error:
                    remedy = "bring back what it leads to; or delete the link, and ragvlc run asks again"
                    yield CheckFinding(self._run, str(facts["name"]), "rows", "open", error.what, remedy)
                    continue
                except StoreError as error:
                    yield CheckFinding(self._run, str(facts["name"]), "rows", "open", str(error), "allow reading")
                    continue
                yield from one.row_findings()
                questions = asked.facts if asked is not None else check.stored.get(str(facts["examples"]))
                if questions is not None and not facts.get("left_out"):
                    note = notes.get(str(facts["examples"]))
                    race = None if note is None else note.of(str(facts["key"]))
                    yield from one.coverage(facts, questions, race)
                if cell is not None and asked is not None and self._setup is not None:
                    yield from one.scores(cell, asked, moved=cell.key in moved)
                    yield from one.summary(cell, asked, self._setup.sweep)

    def _no_file(self, cell: str, path: Path) -> CheckFinding:
        def aside() -> None:
            move_aside(path)

        found = f"{path.name} is no file, but a folder, a pipe or a device"
        return CheckFinding(self._run, cell, "rows", "repair", found, "moved aside; ragvlc run asks again", aside)

    def _intact(self) -> dict[str, str]:
        """Returns a line for each check that was made, in case it found nothing."""
        counts = self._counts
        cells = several(counts.cells, "cell")
        words = {
            "rows": f"{several(counts.rows, 'row')} in {cells}, all intact",
            "coverage": f"every question that was to be asked has a row in {cells}",
            "cells": "cells.json can be read",
            "examples": "the stored questions can be read",
            "leftovers": "no unfinished files of interrupted writers",
        }
        if self._setup is None:
            return words
        words |= {
            "setup": "sweep.yaml can be planned",
            "data": "the questions, documents and references are those of the run",
            "models": "models and settings are those of the run; servers were not asked",
            "scores": f"{several(counts.scores, 'score')} recomputed, all equal",
            "summary": f"agree with the rows in {cells}",
            "cells": "cells.json is that of sweep.yaml",
            "examples": "the stored questions are those of the data set",
        }
        if self._setup.sweep.tracker.kind == "mlflow" and not self._busy:
            words["tracker"] = "the SQLite file is whole, not there, or on a server that was not asked"
        if not self._asked:
            for check in ("data", "scores", "summary"):
                words[check] = ""
            words["examples"] = "the stored questions can be read; not compared with the data set"
        if self._only is not None:
            for check in ("leftovers", "tracker", "examples", "cells"):
                words.pop(check, None)
        return words


def _asking(sweep: Sweep) -> list[str]:
    """Returns the labels of the metrics that ask a model."""
    return [metric.label for metric in sweep.metrics if not is_deterministic(metric)]


def _is_replay(folder: Path) -> bool:
    try:
        return "answers" in config.read_yaml(folder / "sweep.yaml")
    except RagvlcError:
        return False
