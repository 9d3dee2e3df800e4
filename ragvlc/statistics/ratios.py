"""Ratios of two sums over questions, and slopes, with intervals that treat questions about one document as a cluster.

A ratio of costs, all above 0, has the interval of its logarithm, linearised. Any other ratio has Fieller's interval
(1954): the ratios r for which numerators less r times denominators may well have a mean of 0. The variances are CR2,
enlarged by what few questions and clusters add to the variance of a mean (`_spread`). A slope's interval leaves out one
cluster at a time (the jackknife, CR3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragvlc.statistics._clusters import by_cluster, members_of
from ragvlc.statistics._scores import unseen
from ragvlc.statistics._spread import normal_quantile, spread_of, student_quantile, variance
from ragvlc.statistics.intervals import Interval, check_level

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["ratio_interval", "slope_interval"]

NOTHING = 1e-9
"""A sum of denominators up to this is none."""


def ratio_interval(
    numerators: Sequence[float], denominators: Sequence[float], clusters: Sequence[str], *, level: float = 0.95
) -> Interval:
    """Returns the ratio of the sum of the numerators to the sum of the denominators, with its interval.

    No mean where the denominators add up to nothing. No bounds where they may add up to nothing elsewhere, which is
    never said of denominators that are all above 0 like their numerators.

    Raises:
        ValueError: lengths differ, a value is not finite, or the level is out of range.
    """
    import numpy as np

    check_level(level)
    if not len(numerators) == len(denominators) == len(clusters):
        message = "numerators, denominators and clusters differ in length; give one of each for every question."
        raise ValueError(message)
    if sum(denominators) <= NOTHING:
        return Interval(None, None, None, 0, 0)
    over, under = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    ratio = float(over.sum() / under.sum())
    rest = by_cluster(list(over - ratio * under), clusters)
    n = len(over)
    if rest.clusters < 2:
        return Interval(ratio, None, None, n, rest.clusters)
    if np.abs(over - ratio * under).max() <= NOTHING * max(np.abs(over).max(), NOTHING):
        # Every question has the same ratio: only clusters of another kind, not seen, could change it.
        half = unseen(rest.clusters, level) * float(np.abs(over).max() or 1.0) / float(under.mean())
        return Interval(ratio, ratio - half, ratio + half, n, rest.clusters)
    if min(over.min(), under.min()) > 0:
        error = math.sqrt(float(variance(spread_of(rest), level))) / float(over.mean())
        times = math.exp(normal_quantile(level) * error)
        return Interval(ratio, ratio / times, ratio * times, n, rest.clusters)
    low, high = _fieller(over, under, clusters, ratio, level)
    return Interval(ratio, low, high, n, rest.clusters)


def slope_interval(x: Sequence[float], y: Sequence[float], clusters: Sequence[str], *, level: float = 0.95) -> Interval:
    """Returns the slope of the least-squares line of y over x, with its interval.

    No mean where x is the same everywhere, and no bounds with fewer than three clusters or where x is the same in all
    clusters but one.

    Raises:
        ValueError: lengths differ, or the level is out of range.
    """
    import numpy as np

    check_level(level)
    if not len(x) == len(y) == len(clusters):
        message = "x, y and clusters differ in length; give one of each for every question."
        raise ValueError(message)
    members = members_of(clusters)
    count = len(set(members))
    over, up = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    moments = np.stack(
        [np.bincount(members, weights=what) for what in (np.ones_like(over), over, up, over * over, over * up)]
    )
    total = moments.sum(axis=1)
    slope = float(_slope(total[:, None])[0])
    if not np.isfinite(slope):
        return Interval(None, None, None, 0, 0)
    without = _slope(total[:, None] - moments)
    if count < 3 or not np.isfinite(without).all():
        return Interval(slope, None, None, len(over), count)
    error = np.sqrt((count - 1) / count * ((without - slope) ** 2).sum())
    half = float(student_quantile(level, np.asarray(count - 1.0)) * error)
    return Interval(slope, slope - half, slope + half, len(over), count)


def _slope(sums: Floats) -> Floats:
    """Returns the least-squares slope, from n and the sums of x, y, xx and xy; NaN where all x are equal."""
    import numpy as np

    n, x, y, xx, xy = sums
    spread = n * xx - x * x
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(spread > NOTHING * n * xx, (n * xy - x * y) / spread, np.nan)
    return found


def _fieller(
    over: Floats, under: Floats, clusters: Sequence[str], ratio: float, level: float
) -> tuple[float, float] | tuple[None, None]:
    import numpy as np

    members = members_of(clusters)
    counts = np.bincount(members).astype(np.float64)
    n = counts.sum()
    sums = np.stack([np.bincount(members, weights=what) for what in (over, under)])
    means = sums.sum(axis=1) / n
    residuals = sums - counts * means[:, None]
    covariance = (residuals / (1 - counts / n)) @ residuals.T / n**2
    spread = spread_of(by_cluster(list(over - ratio * under), clusters))
    line = np.array([1.0, -ratio])
    found = float(line @ covariance @ line)
    if not found:  # residuals cancel within each cluster
        covariance, found = covariance + np.diag([float(spread.floor), 0.0]), float(spread.floor)
    enlarged = covariance * float(variance(spread, level)) / found * normal_quantile(level) ** 2
    square, cross, top = np.outer(means, means)[[1, 0, 0], [1, 1, 0]] - enlarged[[1, 0, 0], [1, 1, 0]]
    root = cross * cross - square * top
    if square <= 0 or root < 0:
        return None, None
    ends = (cross - np.sqrt(root)) / square, (cross + np.sqrt(root)) / square
    return min(float(ends[0]), ratio), max(float(ends[1]), ratio)
