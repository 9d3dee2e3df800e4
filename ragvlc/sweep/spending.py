"""The budget of a race or search: what this run has spent, and whether the next block still fits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ragvlc.core.answer import Prediction
from ragvlc.core.budget import Budget
from ragvlc.core.jobs import Job
from ragvlc.core.prices import money, prices_of
from ragvlc.sweep.plan import Cell
from ragvlc.sweep.planned import prices

__all__ = ["Spending"]


class Spending:
    """What the questions of this run cost so far, by cell; answers found on disk cost nothing.

    Args:
        budget: limits of the sweep; None sets none.
    """

    def __init__(self, budget: Budget | None) -> None:
        self._limits = budget.limits if budget is not None else {}
        self._spent: dict[str, float] = defaultdict(float)
        self._by_cell: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        self._answers: dict[str, int] = defaultdict(int)

    def add(self, cell: Cell, row: Prediction) -> None:
        """Counts a row that was asked for in this run."""
        self._answers[cell.key] += 1
        for name, value in self._cost(cell, row).items():
            self._spent[name] += value
            self._by_cell[cell.key][name] += value

    def exceeded(self, jobs: Sequence[Job]) -> str:
        """Returns why these jobs would exceed the budget, by the means of their cells so far; empty if they fit."""
        for name, limit in self._limits.items():
            known = sum(self._answers.values())
            overall = self._spent[name] / known if known else 0.0
            expected = 0.0
            for job in jobs:
                asked = self._answers[job.cell]
                expected += self._by_cell[job.cell][name] / asked if asked else overall
            if self._spent[name] + expected > limit:
                return (
                    f"the budget is spent: {self._spent[name]:,.6g} {name} were used in this run, the next block would "
                    f"take about {expected:,.6g}, and budget.{name} is {limit:,.6g}"
                )
        return ""

    def _cost(self, cell: Cell, row: Prediction) -> dict[str, float]:
        answer, scoring = row.answer, row.scoring
        found = {
            "prompt_tokens": float(scoring.prompt_tokens),
            "completion_tokens": float(scoring.completion_tokens),
            "calls": float(scoring.calls),
        }
        if answer is None or answer.reused:
            return found
        found["prompt_tokens"] += answer.usage.prompt_tokens
        found["completion_tokens"] += answer.usage.completion_tokens
        found["calls"] += answer.usage.calls
        return found | {"seconds": answer.timing.engine_seconds, "money": money(answer, prices_of(prices(cell))) or 0.0}
