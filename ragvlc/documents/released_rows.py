"""Rows of released data files: JSON Lines, a JSON list or object, CSV and TSV, gzipped or in a zip archive; Parquet.

A JSON list or object is read element by element, so that a file of gigabytes needs memory for one record only.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ragvlc.core.errors import DatasetError, missing_extra
from ragvlc.core.json_text import parse_json
from ragvlc.core.limits import LINE_BYTES
from ragvlc.documents.bounded import file_lines, file_pieces, member_lines, member_pieces
from ragvlc.documents.json_lines import Problems, Row, row_of, rows_in

__all__ = ["KEY", "LocatedFile"]

KEY = "(key)"
"""Name of the field under which a row of a JSON object has its key."""

Form = Literal["jsonl", "json", "csv", "tsv", "parquet", "text"]
_FORMS: dict[str, Form] = {"jsonl": "jsonl", "json": "json", "csv": "csv", "tsv": "tsv", "parquet": "parquet"}
_OUTSIDE = re.compile(rb'["{}\[\],]')
_INSIDE = re.compile(rb'["\\]')


@dataclass(frozen=True, slots=True)
class LocatedFile:
    """A released file on this machine: a file, or a member of a zip archive.

    Attributes:
        path: of the file or the archive.
        member: name in the archive; empty for a file of its own.
    """

    path: Path
    member: str = ""

    @property
    def name(self) -> str:
        """The path, with the member's name where it is in an archive."""
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    @property
    def form(self) -> Form:
        """What the name says that it holds; text if it says nothing known."""
        suffixes = (self.member or self.path.name).lower().removesuffix(".gz").rpartition(".")
        return _FORMS.get(suffixes[2], "text")

    def lines(self) -> Iterator[bytes]:
        """Yields the file's lines, each with its line feed. Raises `OSError` or `DatasetError`."""
        return member_lines(self.path, self.member) if self.member else file_lines(self.path)

    def pieces(self) -> Iterator[bytes]:
        """Yields the file's content in pieces. Raises `OSError` or `DatasetError`."""
        return member_pieces(self.path, self.member) if self.member else file_pieces(self.path)

    def text(self) -> str:
        """Returns the whole file as text. Raises `DatasetError`, also for bytes that are not UTF-8."""
        try:
            return b"".join(self.pieces()).decode("utf-8-sig")
        except OSError as error:
            raise DatasetError(f"{self.name}: cannot be read: {error}") from error
        except UnicodeDecodeError as error:
            raise DatasetError(f"{self.name}: is not UTF-8: {error}.") from error

    def rows(self, form: Form | Literal[""] = "", problems: Problems | None = None) -> Iterator[Row]:
        """Yields the file's records in order, and then raises `DatasetError` with every problem noted on the way.

        Whoever reads the rows notes problems with `row.complain`, in `problems` where given; those noted after the last
        row are not raised here. A row of a JSON object has its key under `KEY`; its `line` is that of JSON Lines and of
        tables, and the number of the record in other JSON.
        """
        form = form or self.form
        problems = problems if problems is not None else Problems(self.name)
        problems.unit = "record" if form == "json" else "line"
        count = 0
        for row in self._rows(form, problems):
            count += 1
            yield row
        if not count and not problems.sentences:
            problems.add("holds no records.")
        problems.raise_any()

    def _rows(self, form: Form, problems: Problems) -> Iterator[Row]:
        if form == "json" and self._is_json_lines():
            problems.unit, form = "line", "jsonl"  # several repositories call JSON Lines `.json`
        if form == "json":
            return _json_rows(self.pieces(), problems)
        if form == "parquet":
            return _parquet_rows(self.path, problems)
        if form in ("csv", "tsv"):
            return _table_rows(self.lines(), problems, "\t" if form == "tsv" else ",")
        return rows_in(self.lines(), problems)

    def _is_json_lines(self) -> bool:
        """Returns whether the first line is an object that another line follows, or that is no object of records."""
        lines = self.lines()
        try:
            first = next((line for line in lines if line.strip()), b"")
            if not first.lstrip(b"\xef\xbb\xbf \t").startswith(b"{"):
                return False
            found = parse_json(first.decode("utf-8-sig"))
            alone = not any(line.strip() for line in lines)
            return not alone or not all(isinstance(value, dict) for value in found.values())
        except (ValueError, OSError, DatasetError):  # another form, or a problem that reading it names
            return False


def _json_rows(pieces: Iterable[bytes], problems: Problems) -> Iterator[Row]:
    try:
        for number, (key, element) in enumerate(_elements(pieces), start=1):
            if (row := row_of(element, number, problems)) is not None:
                yield Row({**row.values, KEY: key}, number, problems) if key is not None else row
    except OSError as error:
        problems.add(f"cannot be read: {error}")
    except ValueError as error:
        problems.add(f"is not JSON: {error}.")


@dataclass(slots=True)
class _Splitter:
    """Divides the outermost JSON list or object into its elements while its text arrives in pieces.

    Attributes:
        kept: of the current element, what earlier pieces had of it.
        opened: the bracket of the outermost value; empty before it.
        depth: number of open brackets.
        in_text: whether the piece continues a string.
        skip: whether the piece continues an escape, whose next character says nothing.
    """

    kept: bytearray = field(default_factory=bytearray)
    opened: bytes = b""
    depth: int = 0
    in_text: bool = False
    skip: bool = False

    def elements(self, piece: bytes) -> Iterator[bytes]:
        """Yields the elements that end in `piece`."""
        place, start, self.skip = int(self.skip), 0, False
        while found := (_INSIDE if self.in_text else _OUTSIDE).search(piece, place):
            mark, place = found[0], found.end()
            if mark == b"\\":
                self.skip = place == len(piece)
                place += 1
            elif mark == b'"':
                self.in_text = not self.in_text
            elif mark in b"{[":
                self.depth += 1
                if self.depth == 1:
                    self.opened, start = mark, place
            elif self.depth == 1:  # a comma between two elements, or the end
                self._keep(piece[start : place - 1])
                start = place
                if self.kept.strip():
                    yield bytes(self.kept)
                self.kept.clear()
                self.depth -= mark in b"}]"
            elif mark in b"}]":
                self.depth -= 1
        if self.depth:
            self._keep(piece[start:])

    def _keep(self, more: bytes) -> None:
        self.kept += more
        if len(self.kept) > LINE_BYTES.value:
            raise ValueError(f"a record has over {LINE_BYTES.value:,} bytes. {LINE_BYTES.advice()}")


def _elements(pieces: Iterable[bytes]) -> Iterator[tuple[str | None, bytes]]:
    """Yields the key (None in a list) and the JSON text of each element of the outermost list or object."""
    splitter = _Splitter()
    for piece in pieces:
        for text in splitter.elements(piece):
            yield _element(text, keyed=splitter.opened == b"{")
    if not splitter.opened:
        raise ValueError("it is neither a list nor an object")
    if splitter.depth or splitter.in_text:
        raise ValueError("it ends within a record: it was not written to its end")


def _element(text: bytes, *, keyed: bool) -> tuple[str | None, bytes]:
    if not keyed:
        return None, text.strip()
    quoted = re.match(rb'\s*("(?:[^"\\]|\\.)*")\s*:', text, re.DOTALL)
    if quoted is None:
        raise ValueError(f"an object has a value without a name: {text.strip()[:40]!r}")
    return str(parse_json(quoted[1])), text[quoted.end() :].strip()


def _parquet_rows(path: Path, problems: Problems) -> Iterator[Row]:
    """Yields a row for each record of a Parquet file. Needs the extra `huggingface`."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        missing_extra("pyarrow", "huggingface", error)
    problems.unit = "record"
    try:
        with parquet.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=64):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(values, number, problems)
    except (ArrowException, OSError) as error:
        problems.add(f"cannot be read as Parquet: {error}")


def _table_rows(lines: Iterable[bytes], problems: Problems, separator: str) -> Iterator[Row]:
    """Yields a row for each line of a table with a header; cells are texts."""
    try:
        texts = (line.decode("utf-8-sig" if number == 0 else "utf-8") for number, line in enumerate(lines))
        reader = csv.reader(texts, delimiter=separator, quoting=csv.QUOTE_NONE if separator == "\t" else 0)
        csv.field_size_limit(max(csv.field_size_limit(), LINE_BYTES.value))
        header = next(reader, [])
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                problems.add(f"has {len(cells)} cells, the header {len(header)}.", reader.line_num)
                continue
            yield Row(dict(zip(header, cells, strict=True)), reader.line_num, problems)
    except OSError as error:
        problems.add(f"cannot be read: {error}")
    except (UnicodeDecodeError, csv.Error) as error:
        problems.add(f"is no UTF-8 table: {error}.")
