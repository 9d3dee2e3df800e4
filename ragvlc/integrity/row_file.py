"""A cell's file of rows, read without a word, and written anew without damaged lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ragvlc.core.answer import Prediction
from ragvlc.memo.disk import write_whole
from ragvlc.results.rows import from_row
from ragvlc.results.store import CellStore

__all__ = ["RowFile", "read_row_file", "rewrite_row_file"]


@dataclass
class RowFile:
    """The rows of a file that count, and what was found beside them."""

    rows: dict[str, Prediction] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)
    oddities: Counter[str] = field(default_factory=Counter)
    unhashed: int = 0


def read_row_file(store: CellStore) -> RowFile:
    """Returns the rows of a cell's file, and what is wrong with other lines. Writes nothing."""
    found = RowFile()
    for number, line, row in _lines(store.folder / "predictions.jsonl"):
        if row is None:
            fault = "no row" if line.endswith(b"\n") else "cut off"
            found.damaged.append(f"{number} ({fault})")
        else:
            found.rows[row.example_id] = row
    return found


def rewrite_row_file(store: CellStore) -> None:
    """Writes a cell's file of rows anew without damaged lines, which are added to `predictions.jsonl.damaged`."""
    path = store.folder / "predictions.jsonl"
    lines = list(_lines(path))
    copies = path.with_name(f"{path.name}.damaged")
    before = copies.read_bytes() if copies.exists() else b""
    new = [line.rstrip(b"\n") + b"\n" for _, line, row in lines if row is None and line not in before]
    write_whole(copies, before + b"".join(new))
    write_whole(path, b"".join(line for _, line, row in lines if row is not None))


def _lines(path: Path) -> Iterator[tuple[int, bytes, Prediction | None]]:
    if path.exists():
        for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
            try:
                row = from_row(json.loads(line)) if line.endswith(b"\n") else None
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
                row = None
            yield number, line, row
