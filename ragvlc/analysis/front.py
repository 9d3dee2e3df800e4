"""The cost-quality front with its uncertainty: cells that no cheaper cell beats, and cells that are dominated.

A cell is on the front where no cheaper cell has as good a mean. It is dominated with confidence where a cell of the
front scores higher, by a settled difference (Holm over all such comparisons), and costs less: the 95 % interval of the
ratio of their costs is below 1, or no question costs more. Controls take no part, nor do cells that a race has ruled
out: their means are of other questions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from ragvlc.analysis.counts import raced_note
from ragvlc.analysis.tables import Entry, Table, left, title
from ragvlc.results.costs import question_costs
from ragvlc.statistics.corrections import SETTLED, holm
from ragvlc.statistics.decisions import cost_ratio
from ragvlc.statistics.differences import flips_for, paired_difference
from ragvlc.statistics.intervals import Interval
from ragvlc.statistics.ratios import ratio_interval

if TYPE_CHECKING:
    from ragvlc.core.decision import Cost
    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["COST_WORDS", "FrontCell", "front", "front_tables", "mean_cost"]

COST_WORDS = {
    "tokens": ("tokens", 0, 1.0),
    "money": ("money for 1,000", 2, 1000.0),
    "seconds": ("seconds", 2, 1.0),
    "first_token": ("seconds to the first token", 3, 1.0),
}
"""Column title, digits and factor of each cost of a question."""
NOTE = (
    "Cheapest first. On the front: no cheaper cell has as good a mean. Dominated: a cell of the front scores better, "
    "which is settled, and costs less with 95 % confidence, or no more on any question. Not settled: neither can be "
    "said. Brackets: 95 % intervals."
)
RACED = (
    "Cells that were ruled out have no place: their figures are of the questions asked until then. Costs of cells "
    "without all questions have no brackets, for their number depended on the scores."
)
ON_FRONT = "on the front"
UNSETTLED = "not settled"


@dataclass(frozen=True, slots=True)
class FrontCell:
    """A cell's cost and its place relative to the cost-quality front.

    Attributes:
        cell: that is placed.
        cost: of a question, mean.
        on_front: whether no cheaper cell has as good a mean score.
        dominated_by: name of a cell that scores higher and costs less with confidence; empty if there is none.
    """

    cell: CellResult
    cost: Interval
    on_front: bool
    dominated_by: str

    @property
    def words(self) -> str:
        """The place in words."""
        if self.cell.raced is not None and self.cell.raced.ruled_out:
            return self.cell.raced.mark
        if self.on_front:
            return ON_FRONT
        return f"dominated by {self.dominated_by}" if self.dominated_by else UNSETTLED


def front(cells: Sequence[CellResult], metric: str, cost: Cost) -> list[FrontCell]:
    """Returns the cells of one data set that have a score and a cost, cheapest first; without controls.

    Empty where no cell costs anything, since nothing can be cheaper.
    """
    return list(_front(tuple(cells), metric, cost))


@lru_cache(maxsize=16)
def _front(cells: tuple[CellResult, ...], metric: str, cost: Cost) -> Sequence[FrontCell]:
    spent = {cell.name: question_costs(cell, cost) for cell in cells if not cell.control}
    found = {
        cell.name: (cell, interval)
        for cell in cells
        if cell.name in spent and cell.merit(metric) is not None
        if (interval := mean_cost(cell, cost)).mean is not None
    }
    if not any(interval.mean for _, interval in found.values()):
        return []
    ordered = sorted(found.values(), key=lambda pair: (pair[1].mean or 0.0, -(pair[0].merit(metric) or 0.0)))
    kept: list[CellResult] = []
    for cell, _ in ordered:
        if not left(cell):
            continue
        if not kept or (cell.merit(metric) or 0.0) > (kept[-1].merit(metric) or 0.0):
            kept.append(cell)
    others = [cell for cell, _ in ordered if cell not in kept and left(cell)]
    dominated = _dominated(others, kept, spent, metric)
    return [FrontCell(cell, own, cell in kept, dominated.get(cell.name, "")) for cell, own in ordered]


def front_tables(results: SweepResults, cost: Cost, metric: str | None = None) -> list[Table]:
    """Returns the table of the cost-quality front of each data set with two cells or more to compare.

    Args:
        results: of a sweep.
        cost: of a question.
        metric: of quality; the first by default.
    """
    metric = results.metric(metric)
    found = []
    datasets = results.by_dataset()
    words, digits, times = COST_WORDS[cost]
    for name, cells in datasets.items():
        placed = front(cells, metric, cost)
        if len(placed) < 2:
            continue
        rows = []
        for one in placed:
            figures = one.cell.summary["metrics"][metric]
            bounds = (figures["low"], figures["high"])
            looks = bool(figures.get("sequential"))
            score = Entry(figures["mean"], *bounds, 2, score=True, best=one.on_front, sequential=looks)
            rows.append((title(one.cell), (score, scaled(one.cost, times, digits), Entry(word=one.words))))
        of = f", {name}" if len(datasets) > 1 else ""
        raced = any(cell.raced is not None for cell in cells)
        note = f"{NOTE} {RACED} {raced_note(cells)}".rstrip() if raced else NOTE
        found.append(Table(f"Cost and quality{of}", (metric, words, "place"), tuple(rows), note))
    return found


def scaled(interval: Interval, times: float, digits: int) -> Entry:
    """Returns the entry of a cost with its interval, with more digits where it is small."""
    mean, low, high = (None if one is None else one * times for one in (interval.mean, interval.low, interval.high))
    while digits < 6 and mean and abs(mean) < 10.0 ** (1 - digits):
        digits += 1
    return Entry(mean, low, high, digits)


def mean_cost(cell: CellResult, cost: Cost) -> Interval:
    """Returns the mean cost of a question with its interval, over the questions whose cost is known.

    Costs of nothing have no interval: nothing says how large one would be. Those of cells without all questions have
    none, as the number of questions depended on the scores.
    """
    found = cell.memo.get(("mean", cost))
    if found is None:
        found = cell.memo["mean", cost] = _mean_cost(cell, question_costs(cell, cost))
    return found


def _mean_cost(cell: CellResult, costs: Mapping[str, float | None]) -> Interval:
    clusters = cell.clusters
    known = {name: cost for name, cost in costs.items() if cost is not None}
    if known and not any(known.values()):
        return Interval(0.0, None, None, len(known), len({clusters[name] for name in known}))
    found = ratio_interval(list(known.values()), [1.0] * len(known), [clusters[name] for name in known])
    return found if cell.raced is None else replace(found, low=None, high=None)


def _dominated(
    others: Sequence[CellResult],
    kept: Sequence[CellResult],
    spent: Mapping[str, Mapping[str, float | None]],
    metric: str,
) -> dict[str, str]:
    """Returns, by name of a dominated cell, the name of the cheapest cell of the front that dominates it."""
    pairs = []
    for cell in others:
        for rival in kept:
            if cell.raced is not None or rival.raced is not None:  # tests of a fixed number of questions do not hold
                continue
            ratio = cost_ratio(spent[rival.name], spent[cell.name], cell.clusters)
            if (ratio.high is not None and ratio.high < 1) or _no_dearer(spent[rival.name], spent[cell.name]):
                pairs.append((cell, rival))
    found = [
        paired_difference(rival.scores(metric), cell.scores(metric), cell.clusters, flips=flips_for(len(pairs)))
        for cell, rival in pairs
    ]
    settled: dict[str, str] = {}
    for (cell, rival), one, p in zip(pairs, found, holm([one.p for one in found]), strict=True):
        sign = -1 if metric in cell.facts.get("smaller_is_better", ()) else 1
        if p is not None and p < SETTLED and sign * (one.mean or 0.0) > 0 and not one.few:
            settled.setdefault(cell.name, rival.name)
    return settled


def _no_dearer(theirs: Mapping[str, float | None], own: Mapping[str, float | None]) -> bool:
    """Returns whether no question costs more than in another cell; False if no question has both costs."""
    both = False
    for name, cost in own.items():
        other = theirs.get(name)
        if cost is not None and other is not None:
            if other > cost:
                return False
            both = True
    return both
