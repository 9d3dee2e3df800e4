"""Reading of JSON Lines files with line numbers; all problems of a file are reported in one error."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ragvlc.core.errors import DatasetError
from ragvlc.core.json_text import parse_json
from ragvlc.core.surrogates import joined_within
from ragvlc.documents.bounded import file_lines

__all__ = ["Problems", "Row", "row_of", "rows_in", "rows_of"]

_SHOWN = 20


@dataclass(slots=True)
class Problems:
    """The problems of one file, collected so that a user can fix all of them in one pass.

    Attributes:
        path: of the file, or the name of another source.
        unit: what is counted: `line`, or `row` of a table.
        sentences: one a problem.
    """

    path: Path | str
    unit: str = "line"
    sentences: list[str] = field(default_factory=list)

    def add(self, sentence: str, line: int | None = None) -> None:
        """Records one problem."""
        self.sentences.append(f"{self.unit} {line}: {sentence}" if line else sentence)

    def raise_any(self) -> None:
        """Raises `DatasetError` with the first twenty problems, if there are any."""
        if not self.sentences:
            return
        if len(self.sentences) == 1:
            raise DatasetError(f"{self.path}: {self.sentences[0]}")
        shown = self.sentences[:_SHOWN]
        if len(self.sentences) > _SHOWN:
            shown.append(f"... and {len(self.sentences) - _SHOWN} more.")
        raise DatasetError("\n  ".join([f"{self.path}: {len(self.sentences)} problems", *shown]))


@dataclass(slots=True)
class Row:
    """One object of a JSON Lines file, read field by field; invalid values are reported and replaced by empty ones.

    Fields may be read again and again: each problem is noted once.
    """

    values: Mapping[str, Any]
    line: int
    problems: Problems
    _told: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether all values read from this row so far were valid."""
        return not self._told

    def complain(self, sentence: str) -> None:
        """Records a problem with this row, once."""
        if sentence not in self._told:
            self._told.append(sentence)
            self.problems.add(sentence, self.line)

    def remade(self, values: Mapping[str, Any]) -> Row:
        """Returns a row with other values that takes over the problems of this one, so that each is noted once."""
        return Row(values, self.line, self.problems, self._told)

    def text(self, name: str, *, default: str | None = None) -> str:
        """Returns a field's text, which must not be blank. An absent or empty field gives `default` if set."""
        value = self.values.get(name)
        if default is not None and value in (None, ""):
            return default
        if isinstance(value, str) and value.strip():
            return value
        self.complain(f"'{name}' must be a text that is not blank, not {_shown(value)}.")
        return ""

    def texts(self, name: str) -> tuple[str, ...]:
        """Returns a field's list of texts, none of which may be blank; an absent field gives no texts."""
        value = self.values.get(name)
        if value is None:
            return ()
        if isinstance(value, list) and all(isinstance(item, str) and item.strip() for item in value):
            return tuple(value)
        self.complain(f"'{name}' must be a list of texts that are not blank, not {_shown(value)}.")
        return ()

    def string(self, name: str) -> str:
        """Returns a field's text, which may be blank but not absent."""
        value = self.values.get(name)
        if isinstance(value, str):
            return value
        self.complain(f"'{name}' must be a text, not {_shown(value)}.")
        return ""

    def integer(self, name: str, *, least: int | None = None, most: int | None = None) -> int:
        """Returns a field's whole number, which must be within the limits; an invalid one gives 0."""
        value = self.values.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is int and (least is None or value >= least) and (most is None or value <= most):
            return value
        limits = f" from {least}" if least is not None else ""
        limits += f" to {most}" if most is not None else ""
        self.complain(f"'{name}' must be a whole number{limits}, not {_shown(value)}.")
        return 0

    def one_of(self, name: str, known: Sequence[str]) -> str:
        """Returns a field's text, which must be one of the known ones; an invalid one gives the first of them."""
        value = self.values.get(name)
        if isinstance(value, str) and value in known:
            return value
        self.complain(f"'{name}' must be {', '.join(known[:-1])} or {known[-1]}, not {_shown(value)}.")
        return known[0]

    def strings(self, name: str) -> tuple[str, ...]:
        """Returns a field's list of texts, which may be blank but not absent; a text alone is a list of one."""
        value = self.values.get(name)
        if isinstance(value, str):
            return (value,)
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        self.complain(f"'{name}' must be a list of texts, not {_shown(value)}.")
        return ()

    def flag(self, name: str) -> bool:
        """Returns a field's boolean; an absent field is false."""
        value = self.values.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        self.complain(f"'{name}' must be true or false, not {_shown(value)}.")
        return False

    def mapping(self, name: str) -> Mapping[str, Any]:
        """Returns a field's object; an absent field gives an empty object."""
        value = self.values.get(name)
        if value is None or isinstance(value, dict):
            return value or {}
        self.complain(f"'{name}' must be an object, not {_shown(value)}.")
        return {}

    def mappings(self, name: str) -> tuple[Mapping[str, Any], ...]:
        """Returns a field's list of objects; an absent field gives no objects."""
        value = self.values.get(name)
        if value is None:
            return ()
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            return tuple(value)
        self.complain(f"'{name}' must be a list of objects, not {_shown(value)}.")
        return ()


def rows_of(path: Path, problems: Problems) -> Iterator[Row]:
    """Yields a row for every line of a JSON Lines file, plain or gzipped, that holds an object; skips blank lines.

    Lines end at line feeds only: texts may contain other line separators of Unicode.
    """
    yield from rows_in(file_lines(path), problems)


def rows_in(lines: Iterable[bytes], problems: Problems) -> Iterator[Row]:
    """Yields a row for every line, or every element of a list, that holds a JSON object; skips blank lines."""
    try:
        for number, line in enumerate(lines, start=1):
            if line.strip() and (row := row_of(line, number, problems)) is not None:
                yield row
    except OSError as error:
        problems.add(f"cannot be read: {error}")


def row_of(line: bytes, number: int, problems: Problems) -> Row | None:
    """Returns the row of one line that holds a JSON object; None, and a problem noted, if it holds none."""
    values = _object(line, number, problems)
    return None if values is None else Row(values, number, problems)


def _object(line: bytes, number: int, problems: Problems) -> Mapping[str, Any] | None:
    try:
        values = parse_json(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        if b"\\ud" in line.lower():  # an escaped half of a character may come without its other half
            values = joined_within(values)
    except UnicodeDecodeError as error:
        problems.add(f"is not UTF-8: {error}.", number)
    except ValueError as error:
        torn = "" if line.endswith(b"\n") else " The file ends within this line: it was not written to its end."
        problems.add(f"is not JSON: {error}.{torn}", number)
    else:
        if isinstance(values, dict):
            return values
        problems.add(f"must hold a JSON object, not {_shown(values)}.", number)
    return None


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return "nothing" if value is None else text if len(text) <= 60 else text[:57] + "..."
