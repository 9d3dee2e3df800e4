"""The attempts of a set on disk: each is a line, appended whole, so that a killed run loses only what was in flight."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from ragvlc.core.answer import Usage
from ragvlc.core.answer_json import fields_json, made
from ragvlc.core.errors import DatasetError, StoreError
from ragvlc.core.json_text import parse_json
from ragvlc.core.surrogates import joined
from ragvlc.questions.item import GeneratedQuestion, from_json, to_json
from ragvlc.questions.shapes import ATTEMPT

__all__ = ["Attempt", "AttemptLog"]

log = logging.getLogger("ragvlc")


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one attempt to write a question.

    Attributes:
        kind: of the question.
        number: of the attempt among those of its kind.
        item: the question with its findings; None if none was written, or its quotes were not found.
        reason: why there is no question, as it is counted.
        facts: about the missing question, such as the quote that was not found.
        bills: usage by role.
        seconds: of the models at work.
        transient: another run may succeed; such an attempt is not stored.
    """

    kind: str
    number: int
    item: GeneratedQuestion | None = None
    reason: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    bills: Mapping[str, Usage] = field(default_factory=dict)
    seconds: float = 0.0
    transient: bool = False

    @property
    def fault(self) -> str:
        """Why nothing is left of the attempt; empty if there is a question that no filter dropped."""
        if self.item is None:
            return self.reason
        return self.item.dropped.reason if self.item.dropped else ""


class AttemptLog:
    """The file of a set's attempts, locked while it is open.

    Args:
        path: the file.
        key: of what the attempts depend on; attempts of another key are left out, and stay in the file.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._key = key
        self._lock = FileLock(f"{path}.lock", timeout=0)
        self._writing = threading.Lock()
        self.others = 0

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            self._mend()
        except Timeout as error:
            raise StoreError(
                f"{self._path}: another process is writing this set. Wait for it, or choose another --out."
            ) from error
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be written: {error.strerror or error}") from error
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def load(self) -> dict[tuple[str, int], Attempt]:
        """Returns the stored attempts by kind and number; damaged lines are named, and their attempts made again."""
        found: dict[tuple[str, int], Attempt] = {}
        damaged = []
        self.others = 0
        for number, line in enumerate(self._lines(), 1):
            try:
                row = parse_json(line)
                if row["key"] != self._key:
                    self.others += 1
                    continue
                attempt = _attempt(row)
            except (ValueError, LookupError, TypeError, AttributeError, DatasetError):
                damaged.append(number)
                continue
            found[attempt.kind, attempt.number] = attempt
        if damaged:
            log.warning("%s: damaged lines, made again: %s", self._path, ", ".join(map(str, damaged[:5])))
        return found

    def append(self, attempt: Attempt) -> None:
        """Appends an attempt, whole or not at all. Raises `StoreError`."""
        line = joined(json.dumps(_row(attempt, self._key), ensure_ascii=False)).encode() + b"\n"
        try:
            with self._writing, open(self._path, "ab", buffering=0) as file:  # noqa: PTH123
                start = file.seek(0, os.SEEK_END)
                if file.write(line) != len(line):
                    file.truncate(start)
                    raise OSError("the disk took a part of a line")  # noqa: TRY301
                os.fsync(file.fileno())
        except OSError as error:
            raise StoreError(
                f"{self._path}: cannot be written: {error.strerror or error}. Attempts written before are safe; run "
                "the same command again."
            ) from error

    def _lines(self) -> list[bytes]:
        try:
            return self._path.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []

    def _mend(self) -> None:
        """Removes an incomplete last line."""
        if not self._path.exists():
            return
        with self._path.open("rb+") as file:
            data = file.read()
            end = data.rfind(b"\n") + 1
            if end < len(data):
                file.truncate(end)


def _row(attempt: Attempt, key: str) -> dict[str, Any]:
    return {
        "key": key,
        "kind": attempt.kind,
        "number": attempt.number,
        **({"question": to_json(attempt.item)} if attempt.item else {"reason": attempt.reason, **attempt.facts}),
        "bills": {role: fields_json(usage) for role, usage in sorted(attempt.bills.items())},
        "seconds": attempt.seconds,
    }


def _attempt(row: Mapping[str, Any]) -> Attempt:
    ATTEMPT.validate_python(row)
    own = {"key", "kind", "number", "question", "reason", "bills", "seconds"}
    return Attempt(
        kind=row["kind"],
        number=row["number"],
        item=from_json(row["question"]) if "question" in row else None,
        reason=row.get("reason", ""),
        facts={name: value for name, value in row.items() if name not in own},
        bills={role: made(Usage, usage) for role, usage in row["bills"].items()},
        seconds=row["seconds"],
    )
