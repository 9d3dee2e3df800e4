"""The account of how a table of questions was read: what each column holds, and what was empty, doubled or guessed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ragvlc.documents.json_lines import Row
from ragvlc.documents.tables.cells import Cells, is_nothing, says_none
from ragvlc.documents.tables.columns import TAGS, Assigned
from ragvlc.documents.tables.files import RawTable

__all__ = ["Account", "columns_read"]

_CELL = 60
_LINES = 5
_CELLS = {
    "lists": "{count} read as lists.",
    "bars": "{count} with '|', each one text. Set `separator: \"|\"` if it separates.",
    "bracketed": "{count} in brackets without quotes, each one text and no list.",
    "empty": "{count} with empty items in a list, left out.",
    "rules": "{count} with a rule of promptfoo that is no answer (a rubric, code), left out.",
    "whole": "{count} with a number that had a decimal point, read as a whole number.",
}


@dataclass
class Account:
    """Counts made while the rows of a table are read.

    Attributes:
        unit: what the number of a row counts.
        cells: counts of cells by how they were read.
        nan: cells that say NaN, by column.
        without: rows that lack a question, an answer or a document.
        asked: questions with the documents they name.
        settled: sentences about whole columns.
    """

    unit: str
    cells: Cells
    nan: Counter[str] = field(default_factory=Counter)
    without: dict[str, list[int]] = field(default_factory=dict)
    asked: Counter[tuple[str, tuple[str, ...]]] = field(default_factory=Counter)
    settled: list[str] = field(default_factory=list)

    def lacks(self, what: str, line: int) -> None:
        """Counts a row that lacks something."""
        self.without.setdefault(what, []).append(line)

    def notes(self, rows: Sequence[Row], loosely: Mapping[str, str], *, answered: bool) -> Iterator[str]:
        """Yields a sentence for everything that was empty, doubled or read in another way than it is written."""
        for kind, sentence in _CELLS.items():
            for name, count in (+getattr(self.cells, kind)).items():
                yield f"'{name}': {sentence.format(count=_several(count, 'cell'))}"
        for name, count in (+self.nan).items():
            yield f"'{name}': {_several(count, 'cell')} of NaN or None, read as empty."
        yield from self.settled
        none = [row.line for row in rows if any(map(says_none, row.values.get("answers", ())))]
        if none:
            yield f"answers that say none: {self._lines(none)}. They are answers; leave the cell empty if they are not."
        if lines := self.without.get("question"):
            yield f"rows without a question, left out: {self._lines(lines)}."
        if rows and not answered:
            yield "no question has an answer to compare with: scores of answers do not apply."
        elif lines := self.without.get("answers"):
            yield f"questions without an answer to compare with: {self._lines(lines)}. Scores leave them out."
        if lines := self.without.get("documents"):
            yield f"questions that name no document, asked over all: {self._lines(lines)}."
        if loosely:
            pairs = ", ".join(f"'{given}' is {found}" for given, found in list(loosely.items())[:_LINES])
            more = f" and {len(loosely) - _LINES} more" if len(loosely) > _LINES else ""
            yield f"documents named by title or without their ending: {pairs}{more}."
        if twice := sum(count - 1 for count in self.asked.values()):
            yield f"questions asked again over the same documents: {twice}. Each counts."

    def _lines(self, lines: Sequence[int]) -> str:
        more = f" and {len(lines) - _LINES} more" if len(lines) > _LINES else ""
        plural = "" if len(lines) == 1 else "s"
        return f"{len(lines)} ({self.unit}{plural} {', '.join(map(str, lines[:_LINES]))}{more})"


def columns_read(table: RawTable, found: Assigned) -> Iterator[str]:
    """Yields a sentence for each column: what it holds, with an example."""
    meanings = {name: "a tag" if held == TAGS else held for held, names in found.columns.items() for name in names}
    for name in table.names:
        if name in found.unused:
            yield f"column '{name}': not used ({found.unused[name]})."
            continue
        example = next((values[name] for _, values in table.rows if not is_nothing(values.get(name))), None)
        yield f"column '{name}': {meanings[name]}, {'empty' if example is None else f'such as {_shown(example)}'}."
    yield from found.notes


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    return json.dumps(text if len(text) <= _CELL else f"{text[: _CELL - 3]}...", ensure_ascii=False)


def _several(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
