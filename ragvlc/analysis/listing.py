"""A long list for a terminal, written line by line: a table of the library lays out every cell, 0.5 ms a row."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from ragvlc.core.texts import visible

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

__all__ = ["TextColumns"]

GAP = "  "
LEAST = 4
"""Least width of a column that is wrapped."""


@dataclass(frozen=True, slots=True)
class TextColumns:
    """Rows of texts under heads; the widest columns are wrapped to the width of the terminal.

    Attributes:
        heads: of the columns.
        rows: a text for each column.
    """

    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        for line in self.lines(options.max_width):
            yield Segment(f"{line}\n")

    def lines(self, width: int) -> Iterator[str]:
        """Yields the lines of the list for a terminal of this width."""
        rows = [tuple(" ".join(visible(text).split()) for text in row) for row in self.rows]
        columns = zip(self.heads, *rows, strict=True)
        widths = _fitted([max(map(_cells, column)) for column in columns], width - len(GAP) * (len(self.heads) - 1))
        yield from _row(self.heads, widths)
        yield "─" * (sum(widths) + len(GAP) * (len(widths) - 1))
        for row in rows:
            yield from _row(row, widths)


def _fitted(widths: list[int], room: int) -> list[int]:
    """Returns widths that fit together; the widest columns become narrower."""
    while sum(widths) > room and max(widths) > LEAST:
        widest = max(widths)
        places = [place for place, one in enumerate(widths) if one == widest]
        following = max((one for one in widths if one < widest), default=LEAST)
        over = -(-(sum(widths) - room) // len(places))
        narrower = max(LEAST, following, widest - over)
        widths = [narrower if place in places else one for place, one in enumerate(widths)]
    return widths


def _row(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """Yields a row as one line, or as several if some text is too long for its column."""
    if all(_cells(text) <= width for text, width in zip(row, widths, strict=True)):
        yield _joined(row, widths)
        return
    parts = [_wrapped(text, width) for text, width in zip(row, widths, strict=True)]
    for texts in zip_longest(*parts, fillvalue=""):
        yield _joined(texts, widths)


def _joined(texts: Sequence[str], widths: Sequence[int]) -> str:
    return GAP.join(text + " " * (width - _cells(text)) for text, width in zip(texts, widths, strict=True)).rstrip()


def _wrapped(text: str, width: int) -> list[str]:
    """Returns a text in lines of so many cells of the terminal; some characters take two."""
    if text.isascii():
        return textwrap.wrap(text, width)
    from rich.cells import chop_cells

    return [line.strip() for line in chop_cells(text, width)]


def _cells(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
