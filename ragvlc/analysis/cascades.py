"""Which threshold a cascade should have, and what it is worth: the whole curve of cost against quality.

On answers of both routes that stand in a results folder: the first one's with deciles of its token log-probabilities
(`logprobs: true`). Every quantile and every threshold that decides otherwise for any question is tried. What the chosen
pair is worth is told on other documents than those it was chosen on.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ragvlc.analysis.learning import Pairs
from ragvlc.core.errors import ConfigError
from ragvlc.reading.confidence import at_quantile, deciles_of
from ragvlc.statistics import Difference, paired_difference

__all__ = ["QUANTILES", "CascadeEstimate", "Doubt", "Point", "area", "chosen", "curve", "doubts", "estimated"]

QUANTILES = tuple(part / 10 for part in range(11))


@dataclass(frozen=True, slots=True)
class Doubt:
    """A question with both answers.

    Attributes:
        group: what stands or falls together: the document.
        deciles: of the first answer's token log-probabilities; empty for an answer without tokens.
        quality: of the first answer, and of the second.
        cost: of the first answer, and of the second.
    """

    group: str
    deciles: tuple[float, ...]
    quality: tuple[float, float]
    cost: tuple[float, float]

    def score(self, quantile: float) -> float:
        """Returns how sure the first answer was; an answer without tokens is the least sure."""
        return at_quantile(self.deciles, quantile) if self.deciles else float("-inf")


@dataclass(frozen=True, slots=True)
class Point:
    """What one threshold makes of all questions.

    Attributes:
        quantile: of the log-probabilities.
        threshold: first answers below it are replaced.
        share: of questions that are.
        quality: mean.
        cost: mean; a question whose first answer is replaced has paid for it.
    """

    quantile: float
    threshold: float
    share: float
    quality: float
    cost: float


@dataclass(frozen=True, slots=True)
class CascadeEstimate:
    """What a cascade is worth whose threshold was chosen on other documents.

    Attributes:
        n: questions.
        groups: documents.
        share: of questions that went to the second route.
        quality: mean.
        cost: mean.
        fixed: mean quality of the first route alone, and of the second.
        fixed_cost: mean cost of each.
        oracle: mean of the better answer of each question.
        by_chance: mean quality if as many were replaced by chance.
        gain: against the better fixed route as known in hindsight, with an interval over documents.
    """

    n: int
    groups: int
    share: float
    quality: float
    cost: float
    fixed: tuple[float, float]
    fixed_cost: tuple[float, float]
    oracle: float
    by_chance: float
    gain: Difference


def doubts(pairs: Pairs) -> list[Doubt]:
    """Returns the pairs as a cascade sees them. Raises `ConfigError` where answers have no log-probabilities."""
    first, second = pairs.routes
    found: list[Doubt] = []
    for pair in pairs.pairs:
        deciles = deciles_of(pair.answers[first])
        if deciles is None:
            raise ConfigError(
                f"answers of '{first}' have no log-probabilities (question '{pair.id}'). Run its route with "
                "`logprobs: true`."
            )
        quality = (pair.quality[first], pair.quality[second])
        found.append(Doubt(pair.group, deciles, quality, (pair.cost[first], pair.cost[second])))
    return found


def curve(rows: Sequence[Doubt], quantile: float) -> list[Point]:
    """Returns a point for each threshold that decides otherwise, from the fewest second answers to the most.

    Args:
        rows: questions; at least one.
        quantile: of the log-probabilities, from 0 to 1.
    """
    ordered = sorted(rows, key=lambda row: row.score(quantile))
    scores = [row.score(quantile) for row in ordered]
    n = len(ordered)
    quality = sum(row.quality[0] for row in ordered)
    cost = sum(row.cost[0] for row in ordered)
    points: list[Point] = []
    replaced = 0
    for threshold in _thresholds(scores):
        while replaced < n and scores[replaced] < threshold:
            row = ordered[replaced]
            quality += row.quality[1] - row.quality[0]
            cost += row.cost[1]
            replaced += 1
        points.append(Point(quantile, threshold, replaced / n, quality / n, cost / n))
    return points


def area(points: Sequence[Point]) -> float:
    """Returns the mean quality over the curve's shares, less that of replacing by chance: 0 for a score without use.

    Between two points lies what drawing between them gives; a curve that ends early has no part beyond.
    """
    first, last = points[0], points[-1]
    width = last.share - first.share
    if width <= 0:
        return 0.0
    under = sum((right.share - left.share) * (left.quality + right.quality) / 2 for left, right in pairwise(points))
    return under / width - (first.quality + last.quality) / 2


def chosen(
    rows: Sequence[Doubt],
    *,
    weight: float = 0.0,
    budget: float | None = None,
    quantiles: Sequence[float] = QUANTILES,
) -> Point:
    """Returns the point of most quality, less `weight` times its cost; of equals that with the fewest second answers.

    Args:
        rows: questions of a development split.
        weight: quality that one unit of cost must bring.
        budget: mean cost that must not be exceeded; where none stays within, the cheapest point is returned.
        quantiles: to choose from.
    """
    points = [point for quantile in quantiles for point in curve(rows, quantile)]
    within = [point for point in points if budget is None or point.cost <= budget]
    if not within:
        return min(points, key=lambda point: (point.cost, -point.quality))
    return max(within, key=lambda point: (round(point.quality - weight * point.cost, 12), -point.share))


def estimated(
    rows: Sequence[Doubt], *, weight: float = 0.0, budget: float | None = None, seed: int = 0
) -> CascadeEstimate:
    """Returns what a cascade is worth, each half of the documents decided by a threshold chosen on the other.

    Raises:
        ConfigError: if there are fewer than two documents.
    """
    groups = sorted({row.group for row in rows})
    if len(groups) < 2:
        raise ConfigError(f"needs questions over at least 2 documents, to choose on some and test on others; {groups}.")
    random.Random(seed).shuffle(groups)  # noqa: S311 - a repeatable division
    half = set(groups[: len(groups) // 2])
    values: list[float] = []
    costs: list[float] = []
    replaced: list[bool] = []
    halves = [[row for row in rows if (row.group in half) == side] for side in (True, False)]
    points = {side: chosen(halves[int(side)], weight=weight, budget=budget) for side in (True, False)}
    for row in rows:
        point = points[row.group in half]  # chosen on the other half
        second = row.score(point.quantile) < point.threshold
        values.append(row.quality[int(second)])
        costs.append(row.cost[0] + (row.cost[1] if second else 0.0))
        replaced.append(second)
    return _estimate(rows, values, costs, replaced)


def _estimate(
    rows: Sequence[Doubt], values: Sequence[float], costs: Sequence[float], replaced: Sequence[bool]
) -> CascadeEstimate:
    n, share = len(rows), sum(replaced) / len(rows)
    means = (sum(row.quality[0] for row in rows) / n, sum(row.quality[1] for row in rows) / n)
    best = int(means[1] > means[0])
    ids = [str(place) for place in range(n)]
    clusters = {name: row.group for name, row in zip(ids, rows, strict=True)}
    fixed = {name: row.quality[best] for name, row in zip(ids, rows, strict=True)}
    return CascadeEstimate(
        n=n,
        groups=len({row.group for row in rows}),
        share=share,
        quality=sum(values) / n,
        cost=sum(costs) / n,
        fixed=means,
        fixed_cost=(sum(row.cost[0] for row in rows) / n, sum(row.cost[1] for row in rows) / n),
        oracle=sum(max(row.quality) for row in rows) / n,
        by_chance=(1 - share) * means[0] + share * means[1],
        gain=paired_difference(dict(zip(ids, values, strict=True)), fixed, clusters),
    )


def _thresholds(scores: Sequence[float]) -> list[float]:
    """Returns thresholds between neighbouring scores, ascending; never above 0, the log-probability of certainty."""
    known = sorted({score for score in scores if score > float("-inf")})
    if not known:
        return [0.0]
    between = [(low + high) / 2 for low, high in pairwise(known)]
    return [known[0], *between, *([0.0] if known[-1] < 0 else [])]
