"""Cost of single questions, as if their cell ran alone, for ratios and intervals."""

from __future__ import annotations

from itertools import compress
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
    columns = cell.columns
    found: dict[str, float | None] = dict.fromkeys(columns.ids)
    answered = list(compress(columns.ids, columns.marks["answered"]))
    if cost == "money":
        values = columns.of("money")
    elif cost == "first_token":
        values = columns.of("first_token_seconds")
    elif cost == "tokens":
        both = zip(columns.of("prompt_tokens"), columns.of("completion_tokens"), strict=True)
        values = [read + written for read, written in both]
    else:
        groups = [str(cell.examples[name].get("group", name)) for name in columns.ids]
        saved = columns.numbers["saved_seconds"]
        charged = {columns.ids[place]: saved[place] for place in charged_prefixes(columns, groups)}
        whole = zip(answered, columns.whole_seconds(), strict=True)
        values = [seconds + charged.get(name, 0.0) for name, seconds in whole]
    return found | dict(zip(answered, known(values), strict=True))
