"""Cost of single questions, as if their cell ran alone, for ratios and intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragvlc.core.prices import money, prices_of
from ragvlc.results.summary import charged_prefixes

if TYPE_CHECKING:
    from ragvlc.core.answer import Answer
    from ragvlc.core.decision import Cost
    from ragvlc.results.loading import CellResult

__all__ = ["question_costs"]

SEARCHING = ("search", "rerank")


def question_costs(cell: CellResult, cost: Cost) -> dict[str, float | None]:
    """Returns the cost of each question, by id; None where it failed or where the cost is not known.

    Tokens are those read and written. Seconds are those of search, reranking and models; a prefix that all questions
    over some documents found in the cache is charged to one of them, as in `summary`. Indexing is not included.
    """
    found: dict[str, float | None] = dict.fromkeys(cell.rows)
    answers = {name: row.answer for name, row in cell.rows.items() if row.answer is not None}
    if cost == "money":
        prices = prices_of(cell.facts.get("prices"))
        return found | {name: money(answer, prices) for name, answer in answers.items()}
    if cost == "first_token":
        return found | {name: answer.timing.first_token_seconds for name, answer in answers.items()}
    if cost == "tokens":
        usages = {name: answer.usage for name, answer in answers.items()}
        return found | {name: float(one.prompt_tokens + one.completion_tokens) for name, one in usages.items()}
    groups = [(str(cell.examples[name].get("group", name)), answer) for name, answer in answers.items()]
    charged = {id(answer) for answer in charged_prefixes(groups)}
    return found | {name: _seconds(answer, charged=id(answer) in charged) for name, answer in answers.items()}


def _seconds(answer: Answer, *, charged: bool) -> float:
    phases = answer.timing.phases
    found = answer.timing.engine_seconds + sum(phases.get(name, 0.0) for name in SEARCHING)
    return found + (phases.get("saved", 0.0) if charged else 0.0)
