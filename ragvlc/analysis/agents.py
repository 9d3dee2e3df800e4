"""What agents did, as a table beside scores and costs: how many there were, what they wrote, what attention read."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from ragvlc.analysis.attention import telemetry
from ragvlc.analysis.tables import Entry, Table, title

if TYPE_CHECKING:
    from ragvlc.sweep.results import CellResult, Results

__all__ = ["agents"]

HEADS = ("agents", "paths", "calls", "new tokens\na call", "pairs\n(millions)")
NOTE = (
    "Means of a question. Agents: pieces of the documents that workers read. Pairs: of tokens that attention compares "
    "while prompts are read, n(n+1)/2 for a prompt of n tokens, caches aside; - where the trace does not tell calls "
    "apart."
)


def agents(results: Results) -> Table | None:
    """Returns the table over all cells, or None where no cell has agents."""
    rows = [(title(cell), _entries(cell)) for cell in results.cells]
    if not any(entries[0].value for _, entries in rows):
        return None
    return Table("Agents", HEADS, tuple(rows), NOTE)


def _entries(cell: CellResult) -> tuple[Entry, ...]:
    found = [telemetry(row.answer) for row in cell.rows.values() if row.answer]
    if not found:
        return tuple(Entry() for _ in HEADS)
    with_agents = any(one.agents for one in found)
    pairs = [one.pairs for one in found if one.pairs is not None]
    return (
        Entry(fmean(one.agents for one in found), digits=1) if with_agents else Entry(),
        Entry(fmean(one.paths for one in found), digits=1) if with_agents else Entry(),
        Entry(fmean(one.calls for one in found), digits=1),
        Entry(fmean(one.tokens_per_call for one in found), digits=1),
        Entry(fmean(pairs) / 1e6, digits=2) if len(pairs) == len(found) else Entry(),
    )
