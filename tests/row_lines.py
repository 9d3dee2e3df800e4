"""Rows of results as tests change them: written again with a hash of their own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32


def read_rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def write_rows(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes rows; those that had a hash get one that is right."""
    file.write_bytes(b"".join(map(_line, rows)))


def _line(row: Mapping[str, Any]) -> bytes:
    body = json.dumps({k: v for k, v in row.items() if k != "hash"}, ensure_ascii=False).replace(": ", ":", 1).encode()
    return b'{"hash":"%08x",%b\n' % (crc32(body[1:]), body[1:]) if "hash" in row else body + b"\n"


def of_version_2(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of version 3 in the form of version 2: no hash, and every field of the answer is there."""
    old = {name: value for name, value in row.items() if name not in {"hash", "cell", "revision"}}
    if "answer" in row:
        empty = {
            "route": "",
            "finish": "stop",
            "reused": False,
            "ranking": [],
            "context": [],
            "usage": {},
            "timing": {},
        }
        old["answer"] = {**empty, "trace": [], **row["answer"]}
    return {**old, "version": 2}
