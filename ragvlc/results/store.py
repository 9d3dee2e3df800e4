"""Stores the results of a sweep on disk: rows are only appended, and summaries are replaced as a whole.

runs/<sweep>/sweep.yaml                  the sweep as it was last run, resolved
runs/<sweep>/cells.json                  its cells in order: key, name, pipeline, settings
runs/<sweep>/<key>/resolved.yaml         the cell's pipeline and data set
runs/<sweep>/<key>/predictions.jsonl     a line for each question, and for each time it was asked or scored again
runs/<sweep>/<key>/summary.json          written last, from the rows
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from weakref import WeakSet

from filelock import FileLock, Timeout

from ragvlc.core.answer import Prediction
from ragvlc.core.errors import DerivedError, StoreError
from ragvlc.results._writing import explained, replacing, write_line
from ragvlc.results.derived import make_folder, read_cells, read_examples, read_summary, remove_derived, write_derived
from ragvlc.results.lines import RowFindings, RowLine, check_links, read_lines, row_of, sealed
from ragvlc.results.network import network_mount
from ragvlc.results.row_form import RowForm

__all__ = ["CellStore", "SweepStore", "is_results"]

log = logging.getLogger("ragvlc")

_SYNCED_ROWS, _SYNCED_SECONDS = 100, 5.0
_OWN = ("sweep.yaml", "cells.json", "examples-*", "*/*")
"""Files that only the process with the lock writes."""
_PLAIN_NAME = re.compile(r"[\w.-]{1,128}", re.ASCII)


class CellStore:
    """The results folder of one cell.

    Args:
        folder: named by the cell's key.
        said: warnings that were logged already; shared by the cells of a sweep's store.
    """

    def __init__(self, folder: Path, said: set[str] | None = None) -> None:
        self.folder = folder
        self._rows = folder / "predictions.jsonl"
        self._name = str(self._rows)
        self._said = set() if said is None else said
        self._lock = threading.Lock()
        self._unsynced = 0
        self._synced = time.monotonic()
        self._timer: threading.Timer | None = None
        self._found: RowFindings | None = None  # by the last `load`
        self._appendable = False

    @property
    def has_rows(self) -> bool:
        """Whether any row was ever written."""
        return self._rows.exists()

    def load(self) -> dict[str, Prediction]:
        """Returns the row of each example id that counts: see `results.lines`.

        A damaged or foreign line costs its own row only, so that its example is pending again. What was found beside
        the rows is logged, in a sentence each. Raises `StoreError`.
        """
        rows = {}
        for line in self._counting():
            with suppress(ValueError):
                row = row_of(line.data)
                rows[row.example_id] = row
        return rows

    def each(self) -> Iterator[tuple[RowLine, RowForm]]:
        """Yields each intact line and the values of its row; a later row replaces an earlier of its id."""
        for line in self._counting():
            if line.values is not None:
                yield line, line.values

    def _counting(self) -> Iterator[RowLine]:
        """Yields the lines whose rows count, and logs what was found beside them."""
        found = RowFindings()
        for line in read_lines(self._rows, self.folder.name):
            if found.add(line):
                yield line
        for sentence in found.sentences(self._rows):
            if sentence not in self._said:
                self._said.add(sentence)
                log.warning("%s", sentence)
        self._found = found

    def row(self, start: int, size: int) -> Prediction | None:
        """Returns the row of the line at this place of the file; None if no row is there. Raises `StoreError`."""
        try:
            with open(self._name, "rb") as file:  # noqa: PTH123
                file.seek(start)
                return row_of(file.read(size))
        except OSError as error:
            raise StoreError(f"{self._rows}: cannot be read: {error}") from error
        except ValueError:
            return None

    def repair(self) -> RowFindings:
        """Writes the file anew without damaged, foreign and repeated lines; returns what was found.

        Damaged lines are copied to `predictions.jsonl.damaged` first. A file in order is left as it is. The sweep must
        be locked. Raises `StoreError`.
        """
        found = RowFindings()
        with self._lock, explained(self._rows):
            for line in read_lines(self._rows, self.folder.name):
                found.add(line)
            if found.damaged or found.repeated or found.oddities or self._torn():
                self._copy_damaged(found.damaged)
                again = RowFindings()
                with replacing(self._rows) as file:
                    for line in read_lines(self._rows, self.folder.name):
                        if again.add(line):
                            file.write(line.data + b"\n")
            self._found, self._appendable = None, False
        return found

    def forget(self) -> None:
        """Drops what is known of the rows, whose ids take memory; the next row appended finds it again."""
        with self._lock:
            self._found, self._appendable = None, False

    def _prepare(self) -> None:
        """Prepares the file for new rows: finds those that they replace, and copies damaged lines."""
        if self._found is None:
            for _ in self.each():
                pass
        if self._found is not None:
            self._copy_damaged(self._found.damaged)
        if self._torn():
            with self._rows.open("ab") as file:
                file.write(b"\n")
        self._appendable = True

    def _torn(self) -> bool:
        """Whether the last line has no end, so that a row after it would belong to it."""
        try:
            with self._rows.open("rb") as file:
                if file.seek(0, os.SEEK_END) == 0:
                    return False
                file.seek(-1, os.SEEK_END)
                return file.read(1) != b"\n"
        except FileNotFoundError:
            return False

    def _copy_damaged(self, damaged: Sequence[RowLine]) -> None:
        """Adds damaged lines to `predictions.jsonl.damaged`, where they are not there yet."""
        if not damaged:
            return
        copies = self._rows.with_name(f"{self._rows.name}.damaged")
        before = copies.read_bytes() if copies.exists() else b""
        known = set(before.split(b"\n"))
        new = [line.data + b"\n" for line in damaged if line.data not in known]
        if new:
            with replacing(copies) as file:
                file.write(b"".join([before, *new]))

    def append(self, prediction: Prediction) -> None:
        """Appends a row, whole or not at all; it is on the disk at most 5 seconds or 100 rows later.

        It replaces the row of its question that the file has, as last loaded or appended here.

        Raises:
            StoreError: the disk is full, or the folder cannot be written.
            TypeError, ValueError: a value is not JSON.
        """
        with self._lock, explained(self._rows):
            if not self._appendable:
                self._prepare()
        line, revision = self._line(prediction)
        with self._lock, explained(self._rows), open(self._name, "ab", buffering=0) as file:  # noqa: PTH123
            write_line(file, line)
            if self._found is not None:
                self._found.revisions[prediction.example_id] = revision
            self._unsynced += 1
            if self._unsynced >= _SYNCED_ROWS or time.monotonic() - self._synced >= _SYNCED_SECONDS:
                self._sync(file)
            elif self._unsynced == 1:
                self._timer = threading.Timer(_SYNCED_SECONDS, self._sync_later)
                self._timer.daemon = True
                self._timer.start()

    def _line(self, prediction: Prediction) -> tuple[bytes, int]:
        revision = 1 + (self._found.revisions.get(prediction.example_id, -1) if self._found else -1)
        return sealed(prediction, self.folder.name, revision), revision

    def sync(self) -> None:
        """Waits until the rows written so far are on the disk. Raises `StoreError`."""
        with self._lock, explained(self._rows):
            if self._unsynced:
                with open(self._name, "ab", buffering=0) as file:  # noqa: PTH123
                    self._sync(file)

    def _sync(self, file: IO[bytes]) -> None:
        os.fsync(file.fileno())
        self._unsynced, self._synced = 0, time.monotonic()
        if self._timer is not None:
            self._timer.cancel()

    def _sync_later(self) -> None:
        try:
            self.sync()
        except StoreError as error:  # the folder is gone, or its disk: the next row says so to the run
            log.warning("%s", error)

    def summary(self) -> dict[str, Any] | None:
        """Returns the summary; None if there is none, or if it is damaged: it can be made anew from the rows."""
        try:
            return self.checked_summary()
        except DerivedError:
            return None

    def checked_summary(self) -> dict[str, Any] | None:
        """Returns the summary; None if there is none. Raises `DerivedError` for a damaged one."""
        return read_summary(self.folder / "summary.json")

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Writes the summary, after the rows that it sums up are on the disk. Raises `StoreError`."""
        self.sync()
        with explained(self.folder):
            write_derived(self.folder / "summary.json", json.dumps(summary, indent=1, ensure_ascii=False).encode())

    def reopen(self, resolved: str) -> None:
        """Prepares the folder for new rows: removes the summary, and writes the settings.

        Damaged lines stay where they are, and are copied to `predictions.jsonl.damaged`. Raises `StoreError`.
        """
        with self._lock, explained(self.folder):
            make_folder(self.folder)
            remove_derived(self.folder / "summary.json")
            write_derived(self.folder / "resolved.yaml", resolved.encode())
            self._prepare()


class SweepStore:
    """The results folder of one sweep, locked for one process at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._said: set[str] = set()
        self._cells: WeakSet[CellStore] = WeakSet()
        self._lock = FileLock(str(folder / ".lock"), timeout=0)

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            for own in _OWN:  # of a process that was killed: the lock is ours
                for part in self.folder.glob(f"{own}.*.part"):
                    part.unlink(missing_ok=True)
        except Timeout as error:
            raise StoreError(
                f"{self.folder}: another process is running this sweep. Wait for it, or write elsewhere with --runs."
            ) from error
        except OSError as error:
            check_links(self.folder)
            raise StoreError(f"{self.folder}: cannot be written: {error}") from error
        if mount := network_mount(self.folder):
            log.warning(
                "%s: lies on a network file system (%s): that its lock holds between machines is not proven. Run one "
                "command at a time on this sweep, or choose a local folder with --runs.",
                self.folder,
                mount,
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            for cell in list(self._cells):  # those whose rows are not on the disk yet are held by their timers
                cell.sync()
        except StoreError as problem:
            log.warning("%s", problem)
        finally:
            self._lock.release()

    def cell(self, key: str) -> CellStore:
        """Returns the store of the cell with this key; its rows are on the disk when this store is left."""
        found = CellStore(self.folder / self._inside(key), self._said)
        self._cells.add(found)
        return found

    def write_examples(self, key: str, examples: Sequence[Mapping[str, Any]]) -> str:
        """Writes the questions of one data set and returns the file's name."""
        name = f"examples-{key[:16]}.jsonl"
        lines = [json.dumps(dict(example), ensure_ascii=True) + "\n" for example in examples]
        with explained(self.folder):
            write_derived(self.folder / name, "".join(lines).encode())
        return name

    def examples(self, name: str) -> list[dict[str, Any]]:
        """Returns the questions written by `write_examples`. Raises `DerivedError`."""
        return read_examples(self.folder / self._inside(name))

    def _inside(self, name: object) -> str:
        """Returns a name that cells.json gives. Raises `StoreError` if it would lead out of the folder."""
        if isinstance(name, str) and _PLAIN_NAME.fullmatch(name) and not name.startswith("."):
            return name
        raise DerivedError(
            f"{self.folder / 'cells.json'}: {name!r} is no name of a file in this folder: cells.json was changed by "
            "hand. Run the experiment again."
        )

    def write_cells(self, resolved: str, cells: Sequence[Mapping[str, Any]]) -> None:
        """Writes the resolved sweep and its cells."""
        with explained(self.folder):
            write_derived(self.folder / "sweep.yaml", resolved.encode())
            write_derived(self.folder / "cells.json", json.dumps(list(cells), indent=1, ensure_ascii=False).encode())

    def cells(self) -> list[dict[str, Any]]:
        """Returns the stored facts of each cell. Raises `StoreError` without any, `DerivedError` for damaged ones."""
        self.check_results()
        found = read_cells(self.folder / "cells.json")
        if found is None:
            raise DerivedError(f"{self.folder}: cells.json is missing. Make it anew: ragvlc run EXPERIMENT")
        return found

    def check_results(self) -> None:
        """Raises `StoreError` if this is not the folder of a sweep's results."""
        if not is_results(self.folder):
            raise StoreError(f"{self.folder}: no results here (cells.json is missing). Run: ragvlc run EXPERIMENT")


def is_results(folder: Path) -> bool:
    """Returns whether a folder holds the results of a sweep, even if its `cells.json` is lost."""
    if (folder / "cells.json").exists():
        return folder.is_dir()
    return (folder / "sweep.yaml").is_file() and any(folder.glob("*/resolved.yaml"))
