"""The sweep that is tortured, its undisturbed run, and the comparison of a disturbed one with it."""

from __future__ import annotations

import json
import os
import shutil
import time
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ragvlc.memo.disk import STAGES, Cache
from ragvlc.results.lines import RowLine, read_lines
from tests.sweep.sweep_things import questions, standing, write_set
from tests.torture.children import Ended, start
from tests.torture.tap import Tap

__all__ = ["NAME", "Bench", "Verdict", "intact_lines"]

NAME = "tortured"
_KEYED = ("pipeline",)
_VOLATILE = ("seconds", "timing", "bytes", "reused", "memory", "tried")


@dataclass
class Verdict:
    """What a trial found.

    Attributes:
        tried: number of faults that struck; the others came too late.
        lost: rows, cache entries or tracked cells that are missing at the end, or were there before and are gone.
        duplicated: questions with two equal rows, or cells that are tracked twice.
        wrong: everything that differs from the undisturbed run, and every exit that is not one clear sentence.
        notes: a line for each finding.
    """

    tried: int = 1
    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def survived(self) -> bool:
        """Whether nothing was lost, duplicated or wrong."""
        return not (self.lost or self.duplicated or self.wrong)

    def add(self, what: str, note: str, count: int = 1) -> None:
        """Counts a finding as `lost`, `duplicated` or `wrong`."""
        if count:
            setattr(self, what, getattr(self, what) + count)
            self.notes.append(f"{what}: {note}")

    def include(self, other: Verdict) -> None:
        """Adds what another verdict found."""
        for what in ("lost", "duplicated", "wrong"):
            setattr(self, what, getattr(self, what) + getattr(other, what))
        self.notes += other.notes

    def expect(self, ended: Ended, codes: Sequence[int], what: str) -> None:
        """Counts a child as wrong that hangs, shows a traceback, or ends with another status than those given."""
        last = ended.said.strip().splitlines()[-1:] or ["(nothing)"]
        if ended.hung:
            self.add("wrong", f"{what} hangs")
        elif ended.traceback:
            self.add("wrong", f"{what} shows a traceback:\n{ended.said.strip()}")
        elif ended.code not in codes:
            self.add("wrong", f"{what} ends with status {ended.code}: {last[0]}")
        elif ended.code == 2 and "error: " not in ended.said:
            self.add("wrong", f"{what} ends with status 2 and without a sentence")


@dataclass(frozen=True)
class Undisturbed:
    """A command that nothing disturbed.

    Attributes:
        folder: with `runs` and `store`.
        ended: how it ended.
        operations: names and places of its file operations.
        seconds: that it took.
        standing: all that two runs must agree on, by cell.
    """

    folder: Path
    ended: Ended
    operations: list[tuple[str, str]]
    seconds: float
    standing: Mapping[str, Any]


class Bench:
    """A work folder with one sweep and its undisturbed results.

    Args:
        folder: for everything; must not exist.
        fields: of the sweep that differ.
    """

    def __init__(self, folder: Path, fields: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        self.spec = _spec(write_set(folder / "data", questions())) | dict(fields or {})
        self.experiment = self.variant("plain")
        self._bases = 0
        self._undisturbed: dict[tuple[str, ...], Undisturbed] = {}

    def variant(self, name: str, **fields: Any) -> Path:
        """Returns an experiment with the same cells and other fields, such as `metrics`."""
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(self.spec | fields, sort_keys=False), encoding="utf-8")
        return file

    def undisturbed(self, *words: str, figures: bool = False) -> Undisturbed:
        """Returns what a command does without a fault: on nothing for `run`, on finished results for others."""
        if words in self._undisturbed:
            return self._undisturbed[words]
        base = self.base(finished=words[0] != "run")
        tap, counted = Tap(base), self.folder / "operations.json"

        def prepare() -> None:
            leave = os._exit
            tap.open_up()

            def write_down(code: int) -> None:
                counted.write_text(json.dumps(tap.seen), encoding="utf-8")
                leave(code)

            os._exit = write_down  # type: ignore[assignment]

        began = time.monotonic()
        ended = start(words, base, prepare, figures=figures).wait()
        seconds = time.monotonic() - began
        if ended.code:
            raise RuntimeError(f"without a fault {' '.join(words)} ended with {ended.code}: {ended.said}")
        operations = [(name, place) for name, place in json.loads(counted.read_text(encoding="utf-8"))]
        found = Undisturbed(base, ended, operations, seconds, standing(base / "runs" / NAME))
        self._undisturbed[words] = found
        return found

    @property
    def ready(self) -> bool:
        """Whether the undisturbed run was made."""
        return bool(self._undisturbed)

    @property
    def run(self) -> Undisturbed:
        """The undisturbed run."""
        return self.undisturbed(*self.words("run"))

    def words(self, verb: str, *more: str, experiment: Path | None = None) -> list[str]:
        """Returns the words of a command on the sweep."""
        given = str(experiment or self.experiment) if verb in ("run", "score", "track") else f"runs/{NAME}"
        return [verb, given, "--runs", "runs", *more]

    def clear(self) -> None:
        """Removes the folders of trials."""
        needed = {one.folder for one in self._undisturbed.values()}
        for base in set(self.folder.glob("base*")) - needed:
            shutil.rmtree(base)

    def base(self, *, finished: bool = False) -> Path:
        """Returns a new folder for a trial, empty or with the results and the cache of the undisturbed run."""
        whole = self.run.folder if finished else None
        self._bases += 1
        base = self.folder / f"base{self._bases:04d}"
        if whole is not None:
            shutil.copytree(whole, base, ignore=shutil.ignore_patterns("logs", ".lock"))
        else:
            base.mkdir()
        return base

    def resume(self, base: Path, verdict: Verdict, *more: str, after: Ended | None = None) -> Ended:
        """Runs the sweep without a fault; any end but a complete sweep is wrong.

        If the run before ended with status 0, `after` it nothing may be missing already.
        """
        if after is not None and after.code == 0:
            self.compare(base, verdict)
            damaged = sum(bool(line.fault) for lines in _lines(base).values() for line in lines)
            verdict.add("wrong", "a run that ends with status 0 leaves damaged lines", damaged)
        ended = start(self.words("run", *more), base).wait()
        verdict.expect(ended, [0], "the run that resumes")
        return ended

    def compare(
        self,
        base: Path,
        verdict: Verdict,
        *,
        before: Mapping[str, list[bytes]] | None = None,
        wanted: Undisturbed | None = None,
    ) -> None:
        """Adds to the verdict how the results in a folder differ from the undisturbed ones.

        Args:
            base: of the trial.
            verdict: to add to.
            before: whole lines of each cell that were there before the fault, and must still be.
            wanted: the undisturbed command to compare with; the run by default.
        """
        wanted = wanted or self.run
        folder, right = base / "runs" / NAME, wanted.folder / "runs" / NAME
        _compare_lines(base, before or {}, verdict)
        try:
            found = standing(folder)
        except Exception as error:  # noqa: BLE001 - whatever makes results unreadable is a finding
            verdict.add("wrong", f"results cannot be read: {type(error).__name__}: {error}")
            return
        for cell, whole in wanted.standing.items():
            rows = found.get(cell, {}).get("rows", {})
            missing = whole["rows"].keys() - rows.keys()
            verdict.add("lost", f"{cell}: no rows of {sorted(missing)}", len(missing))
            other = [name for name, row in rows.items() if row != whole["rows"].get(name)]
            verdict.add("wrong", f"{cell}: other rows of {other}", len(other))
            if not found.get(cell, {}).get("complete"):
                verdict.add("wrong", f"{cell}: not complete")
        for file in sorted(right.rglob("*")):
            _compare_file(file, folder / file.relative_to(right), verdict)
        litter = [file.name for file in folder.rglob("*.part*") if not file.name.startswith("report.html")]
        verdict.add("wrong", f"parts of files are left: {litter}", len(litter))

    def compare_cache(
        self, base: Path, verdict: Verdict, *, complete: bool = True, ignored: Sequence[Path] = ()
    ) -> None:
        """Adds cache entries that are missing, damaged or of another value than in the undisturbed run.

        An entry that the disk refuses costs a warning and may be missing: then it is not `complete`. Files that are
        known to be damaged are `ignored`.
        """
        wanted, found = _entries(self.run.folder / "store"), _entries(base / "store")
        missing = wanted.keys() - found.keys() if complete else set()
        verdict.add("lost", f"cache entries are missing: {sorted(missing)[:3]}", len(missing))
        names = wanted.keys() & found.keys() - {str(file.relative_to(base / "store")) for file in ignored}
        other = [name for name in names if wanted[name] != found[name]]
        verdict.add("wrong", f"cache entries differ: {other[:3]}", len(other))
        cache = Cache(base / "store")
        damaged = [
            one for stage in STAGES for one in cache.damaged(stage) if one.suffix != ".part" and one not in ignored
        ]
        verdict.add("wrong", f"cache entries are damaged: {damaged[:3]}", len(damaged))


def _spec(data: Path) -> dict[str, Any]:
    """Returns a sweep of six cells: full context, retrieval with cached and random orders, and sampled answers."""
    replies = {f"Thing {n} is (\\w+)[^?]*thing {n}\\?": "\\1" for n in range(12)}
    main = {"kind": "scripted", "replies": replies, "default": "unknown", "seconds_per_call": 0.005}
    sampled = {"kind": "scripted", "temperature": 1, "default": "{seed}", "seconds_per_call": 0.005}
    rag = {"kind": "retrieve", "chunker": {"kind": "tokens", "size": 10}, "selector": {"kind": "top_k", "k": 2}}
    return {
        "name": NAME,
        "dataset": {"kind": "jsonl", "path": str(data)},
        "pipelines": {
            "full": {"generators": {"main": main}, "routes": {"full": "full_context"}},
            "rag": {"generators": {"main": main}, "routes": {"rag": rag}},
            "sampled": {"generators": {"main": sampled}, "routes": {"full": "full_context"}},
        },
        "axes": {"routes.rag.order": ["document", "random"]},
        "repeats": 2,
        "metrics": ["contains", "token_f1"],
        "concurrency": 3,
        "tracker": "none",
    }


def intact_lines(base: Path) -> dict[str, list[bytes]]:
    """Returns the intact lines of each cell, by its key."""
    return {cell: [line.data for line in lines if not line.fault] for cell, lines in _lines(base).items()}


def _lines(base: Path) -> dict[str, list[RowLine]]:
    files = sorted((base / "runs" / NAME).glob("*/predictions.jsonl"))
    return {file.parent.name: list(read_lines(file, file.parent.name)) for file in files if file.is_file()}


def _compare_lines(base: Path, before: Mapping[str, list[bytes]], verdict: Verdict) -> None:
    """Adds lines that are gone, and questions that were answered twice; scored again is not twice."""
    after = _lines(base)
    for cell, lines in before.items():
        gone = Counter(lines) - Counter(line.data for line in after.get(cell, []))
        verdict.add("lost", f"{cell}: stored lines are gone", gone.total())
    for cell, found in after.items():
        rows = [json.loads(one.data) for one in found if not one.fault]
        final = [row for row in rows if not row.get("failure")]
        seen = Counter((row["id"], json.dumps(row.get("scored_by"), sort_keys=True)) for row in final)
        twice = [name for (name, _), count in seen.items() if count > 1]
        verdict.add("duplicated", f"{cell}: answered twice: {twice}", len(twice))


def _compare_file(wanted: Path, found: Path, verdict: Verdict) -> None:
    """Compares one file that does not hold rows."""
    if not wanted.is_file() or wanted.name in (".lock", "predictions.jsonl") or wanted.suffix in (".html", ".png"):
        return
    try:
        whole, text = wanted.read_bytes(), found.read_bytes()
        if wanted.name == "resolved.yaml":  # what the cell's key covers; the rest is for readers
            whole, text = (str([yaml.safe_load(one)[name] for name in _KEYED]).encode() for one in (whole, text))
        same = _steady(json.loads(whole)) == _steady(json.loads(text)) if wanted.suffix == ".json" else whole == text
    except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError) as error:
        verdict.add("wrong", f"{found.name}: {error}")
        return
    if not same:
        verdict.add("wrong", f"{found.parent.name}/{found.name} differs")


def _entries(store: Path) -> dict[str, Any]:
    """Returns the values of all cache entries by their place."""
    found: dict[str, Any] = {}
    for file in store.rglob("*"):
        if file.is_file() and file.suffix != ".part":
            name = str(file.relative_to(store))
            try:
                found[name] = _steady(json.loads(file.read_bytes()[65:])) if name.endswith("json") else _arrays(file)
            except ValueError:
                found[name] = "damaged"
    return found


def _arrays(file: Path) -> dict[str, Any]:
    import numpy as np

    try:
        with np.load(file) as stored:
            return {name: stored[name].tolist() for name in stored.files if not any(one in name for one in _VOLATILE)}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return {}


def _steady(value: Any) -> Any:
    """Returns a JSON value without what differs between two undisturbed runs: times and sizes."""
    if isinstance(value, dict):
        return {name: _steady(one) for name, one in value.items() if not any(word in name for word in _VOLATILE)}
    return [_steady(one) for one in value] if isinstance(value, list) else value
