"""Stores the results of a sweep on disk: rows are only appended, and summaries are replaced as a whole.

runs/<sweep>/sweep.yaml                  the sweep as it was last run, resolved
runs/<sweep>/cells.json                  its cells in order: key, name, pipeline, settings
runs/<sweep>/<key>/resolved.yaml         the cell's pipeline and data set
runs/<sweep>/<key>/predictions.jsonl     one line for each question, the last of an id counts
runs/<sweep>/<key>/summary.json          written last: its presence means complete
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from filelock import FileLock, Timeout

from ragvlc.core.answer import Prediction
from ragvlc.core.errors import StoreError
from ragvlc.core.surrogates import joined, joined_within
from ragvlc.memo.disk import write_whole
from ragvlc.results._writing import explained, write_line
from ragvlc.results.rows import from_row, to_row

__all__ = ["CellStore", "SweepStore"]

log = logging.getLogger("ragvlc")

_ROW = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_SHOWN = 5
"""Damaged lines that a warning names."""
_SYNCED_ROWS, _SYNCED_SECONDS = 100, 5.0
_OWN = ("sweep.yaml", "cells.json", "examples-*", "*/*")
"""Files that only the process with the lock writes."""
_PLAIN_NAME = re.compile(r"[\w.-]{1,128}", re.ASCII)


class CellStore:
    """The results folder of one cell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rows = folder / "predictions.jsonl"
        self._name = str(self._rows)
        self._lock = threading.Lock()
        self._unsynced = 0
        self._synced = time.monotonic()
        self._timer: threading.Timer | None = None
        self._damaged: bytes | None = None  # lines found damaged by the last `load`

    @property
    def has_rows(self) -> bool:
        """Whether any row was ever written."""
        return self._rows.exists()

    def load(self) -> dict[str, Prediction]:
        """Returns the last row of each example id; a damaged line is skipped, so that its example is pending again."""
        rows: dict[str, Prediction] = {}
        damaged: dict[int, bytes] = {}
        for number, line, prediction in self._lines():
            if prediction is None:
                damaged[number] = line
            else:
                rows[prediction.example_id] = prediction
        if damaged:
            more = f" and {len(damaged) - _SHOWN} more" if len(damaged) > _SHOWN else ""
            log.warning(
                "%s: damaged or foreign lines: %s%s. The next run asks their questions again; all other rows stay.",
                self._rows,
                ", ".join(map(str, list(damaged)[:_SHOWN])),
                more,
            )
        self._damaged = b"".join(damaged.values())
        return rows

    def _lines(self) -> Iterator[tuple[int, bytes, Prediction | None]]:
        """Yields the number, the bytes and the row of each whole line; None for a damaged one."""
        try:
            with self._rows.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if not line.endswith(b"\n"):
                        break
                    if line.strip():
                        yield number, line, _row(line)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise StoreError(f"{self._rows}: cannot be read: {error}") from error

    def mend(self) -> None:
        """Removes an incomplete last line, so that rows can be appended."""
        if not self._rows.exists():
            return
        with self._rows.open("rb+") as file:
            size = file.seek(0, os.SEEK_END)
            end = size
            while end:
                start = max(0, end - 65536)
                file.seek(start)
                newline = file.read(end - start).rfind(b"\n")
                if newline >= 0:
                    end = start + newline + 1
                    break
                end = start
            if end < size:
                log.warning("%s: an incomplete last line is dropped; its question is asked again", self._rows)
                file.truncate(end)

    def append(self, prediction: Prediction) -> None:
        """Appends a row, whole or not at all; it is on the disk at most 5 seconds or 100 rows later.

        Raises:
            StoreError: the disk is full, or the folder cannot be written.
        """
        line = joined(_ROW.encode(to_row(prediction))).encode() + b"\n"
        with self._lock, explained(self._rows), open(self._name, "ab", buffering=0) as file:  # noqa: PTH123
            write_line(file, line)
            self._unsynced += 1
            if self._unsynced >= _SYNCED_ROWS or time.monotonic() - self._synced >= _SYNCED_SECONDS:
                self._sync(file)
            elif self._unsynced == 1:
                self._timer = threading.Timer(_SYNCED_SECONDS, self._sync_later)
                self._timer.daemon = True
                self._timer.start()

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
            found = _read_json(self.folder / "summary.json")
        except StoreError as error:
            log.warning("%s", error)
            return None
        return found if isinstance(found, dict) else None

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Writes the summary, after the rows that it sums up are on the disk. Raises `StoreError`."""
        self.sync()
        with explained(self.folder):
            write_whole(self.folder / "summary.json", json.dumps(summary, indent=1, ensure_ascii=False).encode())

    def reopen(self, resolved: str) -> None:
        """Prepares the folder for new rows: removes the summary and any incomplete line, and writes the settings.

        Damaged lines stay where they are, and are copied to `predictions.jsonl.damaged`. Raises `StoreError`.
        """
        with explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "summary.json").unlink(missing_ok=True)
            write_whole(self.folder / "resolved.yaml", resolved.encode())
            if self._damaged is None:
                self.load()
            if self._damaged:
                write_whole(f"{self._rows}.damaged", self._damaged)
            self.mend()


class SweepStore:
    """The results folder of one sweep, locked for one process at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
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
            raise StoreError(f"{self.folder}: cannot be written: {error}") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lock.release()

    def cell(self, key: str) -> CellStore:
        """Returns the store of the cell with this key."""
        return CellStore(self.folder / self._inside(key))

    def write_examples(self, key: str, examples: Sequence[Mapping[str, Any]]) -> str:
        """Writes the questions of one data set and returns the file's name."""
        name = f"examples-{key[:16]}.jsonl"
        lines = [json.dumps(dict(example), ensure_ascii=True) + "\n" for example in examples]
        with explained(self.folder):
            write_whole(self.folder / name, "".join(lines).encode())
        return name

    def examples(self, name: str) -> list[dict[str, Any]]:
        """Returns the questions written by `write_examples`."""
        try:
            lines = (self.folder / self._inside(name)).read_text(encoding="utf-8").splitlines()
            return [joined_within(json.loads(line)) for line in lines]
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{self.folder / name}: cannot be read: {error}. Make it anew (nothing is asked): ragvlc run EXPERIMENT"
            ) from error

    def _inside(self, name: object) -> str:
        """Returns a name that cells.json gives. Raises `StoreError` if it would lead out of the folder."""
        if isinstance(name, str) and _PLAIN_NAME.fullmatch(name) and not name.startswith("."):
            return name
        raise StoreError(
            f"{self.folder / 'cells.json'}: {name!r} is no name of a file in this folder: cells.json was changed by "
            "hand. Run the experiment again."
        )

    def write_cells(self, resolved: str, cells: Sequence[Mapping[str, Any]]) -> None:
        """Writes the resolved sweep and its cells."""
        with explained(self.folder):
            write_whole(self.folder / "sweep.yaml", resolved.encode())
            write_whole(self.folder / "cells.json", json.dumps(list(cells), indent=1, ensure_ascii=False).encode())

    def cells(self) -> list[dict[str, Any]]:
        """Returns the stored facts of each cell. Raises `StoreError` if the folder is not a results folder."""
        found = _read_json(self.folder / "cells.json")
        if not isinstance(found, list):
            raise StoreError(f"{self.folder}: no results here (cells.json is missing). Run: ragvlc run EXPERIMENT")
        return found


def _row(line: bytes) -> Prediction | None:
    """Returns the row of a line, or None if it is damaged."""
    try:
        return from_row(json.loads(_text(line)))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _text(line: bytes) -> str:
    """Returns a row's text; rows of version 1 may have halves of characters, which are no UTF-8."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return joined(line.decode("utf-8", "surrogatepass"))


def _read_json(path: Path) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise StoreError(f"{path}: not JSON ({error}): ragvlc run EXPERIMENT makes it anew and asks nothing") from error
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error}") from error
