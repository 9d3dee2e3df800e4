"""Cells of tables: nested values by dotted names, and the texts of a cell that holds one, a list or an object."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ragvlc.documents.json_lines import Row
from ragvlc.documents.tables.columns import compact, field_of
from ragvlc.documents.tables.lists import NotAList, parsed

__all__ = ["Cells", "flat_texts", "is_blank", "is_nothing", "names_in", "number_text", "reach", "says_nan", "says_none"]

_NAN = frozenset({"nan", "<na>", "nat", "#n/a", "#nv", "#n/v"})
_NONE = frozenset({"none", "null", "n/a", "na", "-", "?"})
_SHOWN = 60


def reach(values: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 - JSON
    """Returns the value at a dotted path, or None; a list of objects on the path gives a list of values."""
    if path in values:
        return values[path]
    found: Any = values
    for step in path.split("."):
        if isinstance(found, Mapping):
            found = found.get(step)
        elif isinstance(found, (list, tuple)):
            found = [item.get(step) if isinstance(item, Mapping) else None for item in found]
        else:
            return None
    return found


def flat_texts(value: object) -> list[str]:
    """Returns the texts and numbers in a cell as one flat list of texts, without the blank ones.

    Of an object, those are its `text`, as in SQuAD's answers; other objects have none.
    """
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in flat_texts(item)]
    if isinstance(value, Mapping):
        return flat_texts(value.get("text"))
    if is_blank(value):
        return []
    return [str(value)]


def names_in(values: Mapping[str, Any], prefix: str = "") -> Iterable[str]:
    """Yields the dotted names of all fields of an object and of the objects inside it, including those in lists."""
    for name, value in values.items():
        yield prefix + name
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, Mapping):
            yield from names_in(inner, f"{prefix}{name}.")


def is_blank(value: object) -> bool:
    """Returns whether a cell is empty: None, not a number, or a text without characters."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and not value.strip()) or value in ([], {})


def says_nan(value: object) -> bool:
    """Returns whether a cell's text says that there is no value, as pandas and spreadsheets write it."""
    return isinstance(value, str) and value.strip().casefold() in _NAN


def says_none(value: object) -> bool:
    """Returns whether a cell's text says that there is nothing; as an answer, it may be right."""
    return isinstance(value, str) and value.strip().casefold() in _NONE


def is_nothing(value: object) -> bool:
    """Returns whether a cell is empty or says so."""
    return is_blank(value) or says_nan(value)


def number_text(value: object) -> str:
    """Returns a value as text; a whole number that became a float on its way, as a whole number."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


@dataclass
class Cells:
    """Reads cells as lists of texts, and counts what a user should know.

    Attributes:
        separator: between the texts of one cell; empty: none.
        lists: cells that held several texts, by column.
        bars: cells with a vertical bar, which separates nothing, by column.
        bracketed: cells that begin with a bracket and are one text, by column.
        empty: items of lists that were empty, by column.
        whole: numbers with a decimal point that were read as whole ones, by column.
        rules: cells of promptfoo that say how to check a reply, and hold no answer, by column.
    """

    separator: str = ""
    lists: Counter[str] = field(default_factory=Counter)
    bars: Counter[str] = field(default_factory=Counter)
    bracketed: Counter[str] = field(default_factory=Counter)
    empty: Counter[str] = field(default_factory=Counter)
    whole: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)

    def items(self, row: Row, name: str, value: object, held: str) -> list[Any]:
        """Returns the texts of a cell; objects only where it holds evidence with places.

        Args:
            row: to which a cell that cannot be read in full is reported.
            name: of the column.
            value: of the cell.
            held: what the column holds.
        """
        if isinstance(value, str):
            try:
                found = parsed(value)
            except NotAList as error:
                row.complain(
                    f"'{name}' looks like a list, but {error}: {_brief(value)}. Write it as JSON, such as "
                    '["one", "two"].'
                )
                return []
            if isinstance(found, str):
                return self._split(name, value)
            self.lists[name] += 1
            value = found
        return self._flat(row, name, value, held)

    def _split(self, name: str, value: str) -> list[str]:
        if self.separator:
            parts = [part.strip() for part in value.split(self.separator)]
            return [part for part in parts if part]
        text = value.strip()
        self.bars[name] += "|" in text
        self.bracketed[name] += bool(re.fullmatch(r"\[[^\[\]]*[,;|][^\[\]]*\]", text))
        return [text]

    def _flat(self, row: Row, name: str, value: object, held: str) -> list[Any]:
        if isinstance(value, (list, tuple, set)):
            return [one for item in value for one in self._flat(row, name, item, held)]
        if isinstance(value, Mapping):
            return self._picked(row, name, value, held)
        if is_blank(value):
            self.empty[name] += 1
            return []
        if isinstance(value, float) and value.is_integer():
            self.whole[name] += 1
        return [number_text(value) if not isinstance(value, str) else value.strip()]

    def _picked(self, row: Row, name: str, value: Mapping[str, Any], held: str) -> list[Any]:
        """Returns the texts of an object: of SQuAD's form, a name and its other names, or named like the column."""
        if held == "evidence" and "start" in value:
            return [dict(value)]
        keys = [key for key in value if field_of(str(key)) == held and not is_blank(value[key])]
        if "text" in value:
            keys = ["text"]
        elif "value" in value and held == "answers":
            keys = [key for key in ("value", "aliases") if key in value]
        elif held == "evidence" and not keys:
            keys = [key for key in value if compact(str(key)) in ("content", "pagecontent")]
        elif held == "documents" and not keys:
            keys = [key for key in value if compact(str(key)) in ("docuri", "docid", "source", "id", "name")][:1]
        if not keys and len(value) == 1:
            keys = list(value)
        if not keys:
            row.complain(f"'{name}' is an object, and none of its names is known: {', '.join(map(str, value))}.")
        found = [one for key in keys for one in self._flat(row, name, value[key], held)]
        return list(dict.fromkeys(found)) if all(isinstance(one, str) for one in found) else found


def _brief(value: str) -> str:
    text = " ".join(value.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
