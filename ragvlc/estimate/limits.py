"""Check of a sweep's estimated cost against its budget, with the number of questions that would fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ragvlc.core.budget import Budget
from ragvlc.documents.dataset import loaded
from ragvlc.estimate.estimate import Workings, workings
from ragvlc.estimate.figures import Estimate, known
from ragvlc.estimate.races import first_share
from ragvlc.sweep.spec import Sweep

__all__ = ["over_budget"]

_UNKNOWN = {
    "money": "has no price. Add `price: {prompt: ..., completion: ...}` (money per million tokens) to it in the "
    "pipeline, or take the limit away.",
    "seconds": "has no stored answers to go by. Run a few questions first (--limit 5 --over-budget), or take the limit "
    "away.",
}


def over_budget(sweep: Sweep, runs: str | Path = "runs") -> list[str]:
    """Returns a sentence for each limit that the pending questions exceed, then advice; empty if they fit.

    Estimates only where the sweep has a budget with limits.

    Args:
        sweep: with its `budget`.
        runs: folder of all results; what is stored there is not asked again.
    """
    budget: Budget | None = sweep.budget
    if budget is None or not budget.limits:
        return []
    work = workings(sweep, runs)
    found = work.estimate
    total = found.total
    unknown = [name for name in budget.limits if not known(total[name])]
    if unknown:
        return [_cannot_tell(sweep, name, found) for name in unknown]
    exceeded = {name: limit for name, limit in budget.limits.items() if total[name] > limit}
    if not exceeded:
        return []
    if sweep.strategy.stops:  # it is spent block by block, on the cells that are still in question
        return _first_block(sweep, work, exceeded)
    problems = [f"{sweep.name}: {_exceeded(name, limit, found)}" for name, limit in exceeded.items()]
    return [*problems, f"{sweep.name}: {_advice(work, budget)} Start anyway with --over-budget."]


def _first_block(sweep: Sweep, work: Workings, exceeded: Mapping[str, float]) -> list[str]:
    """Returns a sentence for each limit that even the first block of a race or search exceeds."""
    total = work.estimate.total
    share = first_share(sweep, [one.cell for one in work.sampled], work.asked)
    return [
        f"{sweep.name}: budget.{name} allows {_plain(name, limit)}, and the first block of strategy "
        f"{sweep.strategy.kind} alone, {share:.0%} of the grid, is estimated at {_plain(name, share * total[name])}. "
        "Raise the limit, set a smaller block, or start anyway with --over-budget."
        for name, limit in exceeded.items()
        if share * total[name] > limit
    ]


def _exceeded(name: str, limit: float, found: Estimate) -> str:
    total = found.total
    most = {"money": "money_most", "completion_tokens": "completion_tokens_most"}.get(name)
    upper = f", at most {_plain(name, total[most])}" if most and total[most] > total[name] else ""
    return (
        f"budget.{name} allows {_plain(name, limit)}, and what is left to do is estimated at "
        f"{_plain(name, total[name])}{upper}."
    )


def _cannot_tell(sweep: Sweep, name: str, found: Estimate) -> str:
    culprits = [title for title, figures in found.models.items() if not known(figures.get(name, 0.0))]
    return f"{sweep.name}: budget.{name} cannot be kept: {', '.join(culprits)} {_UNKNOWN[name]}"


def _advice(work: Workings, budget: Budget) -> str:
    most = max(len(asked.examples) for asked in work.asked.values())
    fitting = _exactly(work, budget, most) if work.exact else _about(work, budget, most)
    if fitting == 0:
        return "Not even one question fits."
    about = "" if work.exact else "About "
    return f"{about}--limit {fitting} (of {most} questions) would fit."


def _exactly(work: Workings, budget: Budget, most: int) -> int:
    """Returns the largest number of questions that fits the budget, by bisection over exact counts."""
    datasets = {one.cell.dataset.key: one.cell.dataset for one in work.sampled}

    def fits(limit: int) -> bool:
        limited = {key: dataset.model_copy(update={"limit": limit}) for key, dataset in datasets.items()}
        ids = {key: {example.id for example in examples} for key, examples in loaded(limited).items()}
        return _within(work.among(ids), budget)

    low, high = 0, most
    while low < high - 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _about(work: Workings, budget: Budget, most: int) -> int:
    """Returns the number of questions that fits the budget if every question costs the same."""
    total = work.estimate.total
    share = min(limit / total[name] for name, limit in budget.limits.items() if total[name] > limit)
    return int(share * most)


def _within(total: Mapping[str, float], budget: Budget) -> bool:
    return all(total.get(name, 0.0) <= limit for name, limit in budget.limits.items())


def _plain(name: str, value: float) -> str:
    return f"{value:,.2f}" if name == "money" else f"{value:,.0f}"
