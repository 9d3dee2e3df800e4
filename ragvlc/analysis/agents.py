"""Table of a route's agents: their number, tokens read and written, and information lost between them."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from ragvlc.analysis.tables import Entry, Table, title
from ragvlc.results.columns import known

if TYPE_CHECKING:
    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["agents"]

HEADS = ("agents", "paths", "calls", "prompt tokens\na call", "new tokens\na call", "pairs\n(millions)")
NOTE = (
    "Means of a question. Agents: pieces of the documents that workers read. Pairs: of tokens that attention compares "
    "while prompts are read, n(n+1)/2 for a prompt of n tokens, without caching; - where the trace does not separate "
    "calls."
)
ON_THE_WAY = {
    "information_loss": "Information loss: by how much the best note scored above the answer.",
    "best_path": "Best path: the score if an oracle had chosen among the answers of all paths.",
    "quote_survival": "Quote survival: the share of quotes that occur in the documents.",
}
"""Metrics of intermediate texts, by the kind that their labels start with, and their explanations."""


def agents(results: SweepResults) -> Table | None:
    """Returns the table of agents over all cells, with metrics of intermediate texts; None if no cell has agents."""
    found = [(cell, _figures(cell)) for cell in results.cells]
    if not any(figures[0].value for _, figures in found):
        return None
    labels = {label: kind for label in results.metrics for kind in ON_THE_WAY if f"{label}_".startswith(f"{kind}_")}
    rows = tuple(
        (title(cell), (*figures, *(Entry(cell.mean(label), digits=2, score=True) for label in labels)))
        for cell, figures in found
    )
    note = " ".join([NOTE, *(ON_THE_WAY[kind] for kind in dict.fromkeys(labels.values()))])
    return Table("Agents", (*HEADS, *labels), rows, note)


def _figures(cell: CellResult) -> tuple[Entry, ...]:
    columns = cell.columns
    agents = columns.of("agents")
    if not agents:
        return tuple(Entry() for _ in HEADS)
    pairs = [one for one in known(columns.of("attention_pairs")) if one is not None]
    return (
        Entry(fmean(agents), digits=1) if any(agents) else Entry(),
        Entry(fmean(columns.of("paths")), digits=1) if any(agents) else Entry(),
        Entry(fmean(columns.of("calls")), digits=1),
        Entry(fmean(columns.a_call("prompt_tokens"))),
        Entry(fmean(columns.a_call("completion_tokens")), digits=1),
        Entry(fmean(pairs) / 1e6, digits=2) if len(pairs) == len(agents) else Entry(),
    )
