"""Tables as Markdown, with the best in bold; every text is escaped, so that none is a link, a tag or a new column."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ragvlc.core.texts import visible

if TYPE_CHECKING:
    from ragvlc.analysis.tables import Entry, Table

__all__ = ["markdown_table"]

_SIGNS = re.compile(r"([\\`*_{}\[\]<>()#+!|~$&])")


def markdown_table(table: Table) -> str:
    """Returns a table with its title and note."""
    heads = ["", *(_escaped(head) for head in table.heads)]
    rows = [[_escaped(name), *map(_figure, entries)] for name, entries in table.rows]
    lines = [heads, [":--", *("--:" for _ in table.heads)], *rows]
    grid = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    note = f"\n\n{_escaped(table.note)}" if table.note else ""
    return f"### {_escaped(table.title)}\n\n{grid}{note}\n"


def _figure(entry: Entry) -> str:
    figure = _escaped(entry.text)
    figure = f"**{figure}**" if entry.best else figure
    return f"{figure} {_escaped(entry.interval)}" if entry.interval else figure


def _escaped(text: str) -> str:
    return _SIGNS.sub(r"\\\1", " ".join(visible(text).split()))
