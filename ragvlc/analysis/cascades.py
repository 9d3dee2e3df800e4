"""Choice of a cascade's confidence threshold, and the whole curve of quality against cost.

Works on stored answers of both routes, the first one's with deciles of its token log-probabilities (`logprobs: true`).
Every quantile is tried, and every threshold that changes a decision. The gain of the chosen pair is estimated on other
documents than those it was chosen on.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ragvlc.analysis.learning import Pairs
from ragvlc.core.errors import ConfigError
from ragvlc.reading.confidence import at_quantile, deciles_of
from ragvlc.statistics.cross_fitting import gain_over_best
from ragvlc.statistics.differences import Difference

__all__ = [
    "QUANTILES",
    "CascadeEstimate",
    "CascadePair",
    "ThresholdPoint",
    "area",
    "cascade_pairs",
    "chosen",
    "curve",
    "estimated",
]

QUANTILES = tuple(part / 10 for part in range(11))


@dataclass(frozen=True, slots=True)
class CascadePair:
    """A question with quality and cost of both routes' answers, and the confidence of the first answer.

    Attributes:
        group: unit of resampling: the document.
        deciles: of the first answer's token log-probabilities; empty for an answer without tokens.
        quality: of the first answer, and of the second.
        cost: of the first answer, and of the second.
    """

    group: str
    deciles: tuple[float, ...]
    quality: tuple[float, float]
    cost: tuple[float, float]

    def score(self, quantile: float) -> float:
        """Returns the confidence of the first answer; minus infinity for an answer without tokens."""
        return at_quantile(self.deciles, quantile) if self.deciles else float("-inf")


@dataclass(frozen=True, slots=True)
class ThresholdPoint:
    """The share of replaced answers, the mean quality and the mean cost at one confidence threshold.

    Attributes:
        quantile: of the log-probabilities.
        threshold: first answers below it are replaced.
        share: of questions with a replaced answer.
        quality: mean.
        cost: mean; replaced first answers are charged too.
    """

    quantile: float
    threshold: float
    share: float
    quality: float
    cost: float


@dataclass(frozen=True, slots=True)
class CascadeEstimate:
    """The estimated gain of a cascade whose threshold was chosen on other documents.

    Attributes:
        n: questions.
        groups: documents.
        share: of questions that went to the second route.
        quality: mean.
        cost: mean.
        fixed: mean quality of the first route alone, and of the second.
        fixed_cost: mean cost of each.
        oracle: mean of the better answer of each question.
        by_chance: mean quality of replacing the same share at random.
        gain: against the fixed route that is better on other documents, with an interval over documents.
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


def cascade_pairs(pairs: Pairs) -> list[CascadePair]:
    """Returns each question's stored first answer paired with its stored second answer.

    Raises `ConfigError` for answers without log-probabilities.
    """
    first, second = pairs.routes
    found: list[CascadePair] = []
    for pair in pairs.pairs:
        deciles = deciles_of(pair.answers[first])
        if deciles is None:
            raise ConfigError(
                f"answers of '{first}' have no log-probabilities (question '{pair.id}'). Run its route with "
                "`logprobs: true`."
            )
        quality = (pair.quality[first], pair.quality[second])
        found.append(CascadePair(pair.group, deciles, quality, (pair.cost[first], pair.cost[second])))
    return found


def curve(rows: Sequence[CascadePair], quantile: float) -> list[ThresholdPoint]:
    """Returns one point for each threshold that changes a decision, sorted by increasing share of second answers.

    Args:
        rows: questions; at least one.
        quantile: of the log-probabilities, from 0 to 1.
    """
    ordered = sorted(rows, key=lambda row: row.score(quantile))
    scores = [row.score(quantile) for row in ordered]
    n = len(ordered)
    quality = sum(row.quality[0] for row in ordered)
    cost = sum(row.cost[0] for row in ordered)
    points: list[ThresholdPoint] = []
    replaced = 0
    for threshold in _thresholds(scores):
        while replaced < n and scores[replaced] < threshold:
            row = ordered[replaced]
            quality += row.quality[1] - row.quality[0]
            cost += row.cost[1]
            replaced += 1
        points.append(ThresholdPoint(quantile, threshold, replaced / n, quality / n, cost / n))
    return points


def area(points: Sequence[ThresholdPoint]) -> float:
    """Returns the mean quality along the curve minus that of random replacement; 0 for uninformative confidence.

    Between two points the curve is linear; a curve that ends early has no area beyond.
    """
    first, last = points[0], points[-1]
    width = last.share - first.share
    if width <= 0:
        return 0.0
    under = sum((right.share - left.share) * (left.quality + right.quality) / 2 for left, right in pairwise(points))
    return under / width - (first.quality + last.quality) / 2


def chosen(
    rows: Sequence[CascadePair],
    *,
    weight: float = 0.0,
    budget: float | None = None,
    quantiles: Sequence[float] = QUANTILES,
) -> ThresholdPoint:
    """Returns the point with the highest quality minus `weight` times cost; ties go to the fewest second answers.

    Args:
        rows: questions of a development split.
        weight: quality that one unit of cost must bring.
        budget: mean cost that must not be exceeded; if every point exceeds it, the cheapest one is returned.
        quantiles: to choose from.
    """
    points = [point for quantile in quantiles for point in curve(rows, quantile)]
    within = [point for point in points if budget is None or point.cost <= budget]
    if not within:
        return min(points, key=lambda point: (point.cost, -point.quality))
    return max(within, key=lambda point: (round(point.quality - weight * point.cost, 12), -point.share))


def estimated(
    rows: Sequence[CascadePair], *, weight: float = 0.0, budget: float | None = None, seed: int = 0
) -> CascadeEstimate:
    """Returns a cross-fitted estimate: each half of the documents uses a threshold chosen on the other half.

    Raises:
        ConfigError: if there are fewer than two documents.
    """
    groups = sorted({row.group for row in rows})
    if len(groups) < 2:
        raise ConfigError(f"needs questions over at least 2 documents, to choose on some and test on others; {groups}.")
    random.Random(seed).shuffle(groups)  # noqa: S311 - a repeatable split
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
    rows: Sequence[CascadePair], values: Sequence[float], costs: Sequence[float], replaced: Sequence[bool]
) -> CascadeEstimate:
    n, share = len(rows), sum(replaced) / len(rows)
    means = (sum(row.quality[0] for row in rows) / n, sum(row.quality[1] for row in rows) / n)
    ways = {str(place): [row.quality[place] for row in rows] for place in range(2)}
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
        gain=gain_over_best(values, ways, [row.group for row in rows]),
    )


def _thresholds(scores: Sequence[float]) -> list[float]:
    """Returns the thresholds to try, ascending: midpoints between neighbouring confidence scores, and both ends."""
    known = sorted({score for score in scores if score > float("-inf")})
    if not known:
        return [0.0]
    between = [(low + high) / 2 for low, high in pairwise(known)]
    return [known[0], *between, *([0.0] if known[-1] < 0 else [])]
