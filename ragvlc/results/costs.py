"""Cost of single questions, as if their cell ran alone, for ratios and intervals."""

from __future__ import annotations

from array import array
from operator import add
from typing import TYPE_CHECKING

from ragvlc.results.columns import known
from ragvlc.results.summary import charged_prefixes

if TYPE_CHECKING:
    from ragvlc.core.decision import Cost
    from ragvlc.results.loading import CellResult

__all__ = ["question_costs"]


def question_costs(cell: CellResult, cost: Cost) -> dict[str, float | None]:
    """Returns the cost of each question, by id; None where it failed or where the cost is not known.

    Tokens are those read and written. Seconds are those of search, reranking and models; a prefix that all questions
    over some documents found in the cache is charged to one of them, as in `summary`. Indexing is not included.
    """
    values = cell.memo.get(cost)
    if values is None:
        values = cell.memo[cost] = _costs(cell, cost)
    return dict(zip(cell.columns.ids, known(values), strict=True))


def _costs(cell: CellResult, cost: Cost) -> array[float]:
    """Returns the cost of each question, in the order of the columns; NaN where it is not known."""
    columns, numbers = cell.columns, cell.columns.numbers  # NaN without an answer
    if cost == "money":
        return numbers["money"]
    if cost == "first_token":
        return numbers["first_token_seconds"]
    if cost == "tokens":
        return array("d", map(add, numbers["prompt_tokens"], numbers["completion_tokens"]))
    parts = (numbers[name] for name in ("engine_seconds", "search_seconds", "rerank_seconds"))
    found = array("d", [engine + (search + rerank) for engine, search, rerank in zip(*parts, strict=True)])
    groups = [str(cell.examples[name].get("group", name)) for name in columns.ids]
    for place in charged_prefixes(columns, groups):
        found[place] += numbers["saved_seconds"][place]
    return found
