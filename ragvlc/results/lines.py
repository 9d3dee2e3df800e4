"""Lines of `predictions.jsonl`: each proves itself by a hash, so that a damaged one is noticed and costs no other.

    {"hash":"1c291ca3","version":3,"cell":"3119aa4cac3ac084","id":"q1","example_key":…}

The hash is CRC-32 of the bytes after it, from `"version"` to the last brace: it finds damage, not forgery. `cell` is
the folder's name, so that a row of another cell is foreign here. A row with `"revision": n` replaces the rows of its id
with smaller ones (a question that was asked or scored again); without it, the first intact row of an id counts. Rows
of versions 1 and 2 have no hash, and the last of an id counts.
"""

from __future__ import annotations

import json
import re
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from zlib import crc32

import msgspec

from ragvlc.core.answer import Prediction
from ragvlc.core.errors import StoreError
from ragvlc.core.json_text import parse_json
from ragvlc.core.limits import LINE_BYTES
from ragvlc.core.surrogates import joined
from ragvlc.results._decoding import decoded
from ragvlc.results.row_form import RowForm, row_values
from ragvlc.results.rows import HASHED_VERSION, from_row, to_row

__all__ = [
    "DanglingLinkError",
    "NoFileError",
    "RowFindings",
    "RowLine",
    "check_links",
    "read_lines",
    "row_of",
    "sealed",
]

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_START, _HASH, _BODY = b'{"hash":"', slice(9, 17), 19
_STARTS = re.compile(rb'\{"hash":"[0-9a-f]{8}","version":')
_BOM = b"\xef\xbb\xbf"
_CRLF, _MARK = "line breaks CR LF", "a byte order mark"
_SEVERAL, _STRAY, _SPACES = "several rows in one line", "a byte beside a row", "spaces beside a row"
_SHOWN = 5
"""Lines that a warning names."""


class NoFileError(StoreError):
    """Something else is in the place of a file of rows."""


class DanglingLinkError(StoreError):
    """A symbolic link in the place of rows or of their folder leads nowhere. `what` says so without a remedy."""

    def __init__(self, link: Path) -> None:
        self.what = f"{link.name} is a symbolic link to {link.readlink()}, which is not there"
        super().__init__(
            f"{link.parent}: {self.what}. Bring it back, such as by mounting its disk; or delete the link, and ragvlc "
            "run asks its questions again."
        )


def check_links(*places: Path) -> None:
    """Raises `DanglingLinkError` if a file or folder that is not there is a symbolic link."""
    for link in places:
        if link.is_symlink() and not link.exists():
            raise DanglingLinkError(link)


class RowLine(msgspec.Struct, frozen=True, gc=False):
    """A line of a file of rows, or a part of one where a lost line break joined several.

    Attributes:
        number: of the line, from 1.
        start: place of its first byte in the file.
        data: its bytes without the line break.
        values: those of its row that this version knows; None if it is damaged or foreign.
        revision: of the row; larger ones replace smaller ones. -1 for rows of versions that had none.
        fault: what is wrong, if there is no row.
        oddities: what is unusual about an intact row's line, such as `line breaks CR LF`.
    """

    number: int
    start: int
    data: bytes
    values: RowForm | None = None
    revision: int = -1
    fault: str = ""
    oddities: tuple[str, ...] = ()


@dataclass(slots=True)
class RowFindings:
    """Which rows of a file count, and what was found beside them.

    Attributes:
        revisions: of the rows that count, by example id.
        damaged: lines that are no rows of this cell.
        repeated: numbers of intact lines whose question had a row already.
        oddities: numbers of lines with each.
    """

    revisions: dict[str, int] = field(default_factory=dict)
    damaged: list[RowLine] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)
    oddities: Counter[str] = field(default_factory=Counter)

    def add(self, line: RowLine) -> bool:
        """Adds the next line of the file; returns whether its row counts, until a later row replaces it."""
        if line.oddities:
            self.oddities.update(line.oddities)
        if line.values is None:
            self.damaged.append(line)
            return False
        name = line.values.id
        earlier = self.revisions.get(name)
        if earlier is not None and line.revision <= earlier and (earlier, line.revision) != (-1, -1):
            self.repeated.append(line.number)
            return False
        self.revisions[name] = line.revision
        return True

    def sentences(self, path: Path) -> list[str]:
        """Returns a sentence on each kind of finding: where, what, and what to do; none if everything is in order."""
        repair = f"ragvlc verify {path.parent.parent} --repair"
        found = []
        if self.damaged:
            named = _named([f"{line.number} ({line.fault})" for line in self.damaged])
            found.append(
                f"{path}: damaged or foreign lines: {named}. The next run asks their questions again where no other "
                f"row answers them; all other rows stay. To take the lines out: {repair}"
            )
        if self.repeated:
            lines = "line" if len(self.repeated) == 1 else "lines"
            found.append(
                f"{path}: rows of questions that have a row already: {len(self.repeated)}, all intact, on {lines} "
                f"{_named([str(number) for number in self.repeated])}. The first row counts. To take the others out: "
                f"{repair}"
            )
        if self.oddities:
            counts = ", ".join(f"{what} ({count})" for what, count in self.oddities.items())
            found.append(
                f"{path}: {counts}: an editor or a transfer changed this file; the rows themselves are intact and "
                f"count. To write it as it was: {repair}"
            )
        return found


def row_of(data: bytes) -> Prediction:
    """Returns the row of an intact line. Raises `ValueError` if what is behind its form is not that of a row."""
    if _is_sound(data):
        with suppress(ValueError, RecursionError):  # fields of other versions
            return decoded(data)
    try:
        return from_row(parse_json(_text(data)))
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(repr(error)) from error


def sealed(prediction: Prediction, cell: str, revision: int = 0) -> bytes:
    """Returns the line of a row, with its hash and line break.

    Args:
        prediction: the row.
        cell: name of the cell's folder.
        revision: larger than that of the row that it replaces; 0 if there is none.

    Raises:
        TypeError, ValueError: a value is not JSON, or of another type than a row has, so that it could not be read.
    """
    row = to_row(prediction)
    whole = {"version": row.pop("version"), "cell": cell, **({"revision": revision} if revision else {}), **row}
    body = _encoded(whole)[1:]
    line = b'%b%08x",%b' % (_START, crc32(body), body)
    row_values(line)
    return line + b"\n"


def _encoded(row: dict[str, Any]) -> bytes:
    """Returns a row as JSON. Raises `TypeError` or `ValueError` if a value is not JSON."""
    try:
        data = msgspec.json.encode(row)
    except (TypeError, ValueError, OverflowError):  # subclasses of numbers, halves of characters
        data = b""
    # NaN and infinity become null in msgspec, without a word; the standard library refuses them.
    if data and data.count(b"null") <= sum(score is None for score in row.get("scores", {}).values()):
        return data
    return joined(_JSON.encode(row)).encode()


def read_lines(path: Path, cell: str) -> Iterator[RowLine]:
    """Yields every line of a file of rows that is not empty; none if there is no file.

    Args:
        path: of the file.
        cell: name of the cell's folder; rows of others are foreign.

    Raises:
        NoFileError: a folder, a pipe or a device is in its place.
        StoreError: the file cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe would wait for its writer
            raise NoFileError(f"{path}: is no file. To move it aside: ragvlc verify {path.parent.parent} --repair")
        with path.open("rb") as file:
            for number, start, data, fault in _bounded(file):
                if (plain := None if fault else _plain(number, start, data, cell)) is not None:
                    yield plain
                elif fault:
                    yield RowLine(number, start, data, fault=fault)
                elif data.strip(b" \t\r\n"):
                    yield from _read(number, start, data, cell)
    except (FileNotFoundError, NotADirectoryError):
        check_links(path.parent, path)
        return
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error}") from error


def _bounded(file: IO[bytes]) -> Iterator[tuple[int, int, bytes, str]]:
    """Yields number, place and bytes of each line, and what is wrong with one that is too long to be read."""
    limit, number, start = LINE_BYTES.value, 0, 0
    while data := file.readline(limit + 1):
        number, size, fault = number + 1, len(data), ""
        if size > limit and not data.endswith(b"\n"):
            fault = f"too long. {LINE_BYTES.advice()}"
            while rest := file.readline(limit):
                size += len(rest)
                if rest.endswith(b"\n"):
                    break
        yield number, start, data, fault
        start += size


def _plain(number: int, start: int, data: bytes, cell: str) -> RowLine | None:
    """Returns the row of a line as it was written, as nearly all are; None for any other line."""
    line = data[:-1]
    if not (data.endswith(b"}\n") and _is_sound(line)):
        return None
    try:
        row = row_values(line)
    except (ValueError, RecursionError):
        return None
    return RowLine(number, start, line, row, row.revision) if row.cell == cell else None


def _read(number: int, start: int, data: bytes, cell: str) -> Iterator[RowLine]:
    """Yields the row of a line; where a lost line break joined several, those and what is left between them."""
    whole, marked = data.endswith(b"\n"), data.startswith(_BOM)
    oddities = ((_MARK,) if marked else ()) + ((_CRLF,) if data.endswith(b"\r\n") else ())
    start += len(_BOM) * marked
    data = data.removeprefix(_BOM).removesuffix(b"\n").removesuffix(b"\r")
    if _is_sound(data):
        yield _parsed(RowLine(number, start, data, oddities=oddities), cell, hashed=True)
        return
    starts = [match.start() for match in _STARTS.finditer(data)]
    pieces, left = _pieces(data, starts) if starts else ([], data)
    if not pieces:
        line = RowLine(number, start, data, fault=_fault(data, whole=whole), oddities=oddities)
        yield line if data.startswith(_START) else _parsed(line, cell, hashed=False)
        return
    spaces = not left.strip(b" \t\r")
    lost = len(left) > len(pieces) and not spaces  # more than a byte in place of each line break
    for place, piece in pieces:
        beside = (_SEVERAL,) if len(pieces) > 1 else () if lost else (_SPACES if spaces else _STRAY,)
        yield _parsed(RowLine(number, start + place, piece, oddities=(*oddities, *beside)), cell, hashed=True)
        oddities = ()
    if lost:
        yield RowLine(number, start, left, fault=_fault(left, whole=whole) or "bytes beside a row")


def _pieces(data: bytes, starts: list[int]) -> tuple[list[tuple[int, bytes]], bytes]:
    """Returns place and bytes of the intact rows within a line, and the bytes that belong to none of them."""
    pieces, left = [], data[: starts[0]]
    for start, following in zip(starts, [*starts[1:], len(data)], strict=True):
        end = data.rfind(b"}", start, following) + 1
        if end and _is_sound(data[start:end]):
            pieces.append((start, data[start:end]))
            left += data[end:following]
        else:
            left += data[start:following]
    return pieces, left


def _is_sound(data: bytes) -> bool:
    return (
        data.startswith(_START) and data[_HASH.stop : _BODY] == b'",' and b"%08x" % crc32(data[_BODY:]) == data[_HASH]
    )


def _parsed(line: RowLine, cell: str, *, hashed: bool) -> RowLine:
    """Returns a line, whose hash is right or which has none, with its row or its fault."""
    try:
        row = row_values(line.data)
        if row.version >= HASHED_VERSION and not hashed:
            fault = "its hash is damaged"
        elif hashed and row.cell != cell:
            fault = f"a row of another cell, {row.cell}"
        else:
            if not hashed:
                row_of(line.data)  # bytes without a hash may be of any form
            revised = row.revision if hashed else -1
            return RowLine(line.number, line.start, line.data, row, revised, oddities=line.oddities)
    except (UnicodeDecodeError, json.JSONDecodeError):
        fault = "not JSON"
    except (ValueError, RecursionError):
        fault = "no row of results"
    return msgspec.structs.replace(line, fault=line.fault or fault, oddities=())


def _fault(data: bytes, *, whole: bool) -> str:
    """Returns what happened to the bytes of a line, as far as they show it."""
    if b'\0"\0' in data:
        return "UTF-16: an editor changed its encoding"
    if b"\0" in data:
        return "zeros in place of text, as after a power failure"
    if not whole or (data.startswith(b"{") and not data.endswith(b"}")):
        return "torn: it has no end"
    return "changed: its hash is not that of its bytes" if data.startswith(_START) else ""


def _text(data: bytes) -> str:
    """Returns a row's text; rows of version 1 may have halves of characters, which are no UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return joined(data.decode("utf-8", "surrogatepass"))


def _named(values: list[str]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(values[:_SHOWN]) + more
