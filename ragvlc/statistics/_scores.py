"""Score intervals for means of bounded scores, computed from an effective number of questions.

A score interval holds the means that the data do not reject, each tested with the variance that it would imply: near
an end of the scale, or where most differences are 0, it is neither too short nor beyond the scale. For a mean from 0 to
1 it is Wilson's (1927). For a difference from -1 to 1 it is Tango's for paired proportions (1998), with the mean of all
that lies above 0 and of all below it in place of the two shares of discordant pairs.

Where all scores are alike nothing is known of their variance, but K clusters all of one kind exclude that others are
more than u = 1 - (alpha / 2)^(1/K) of all (Clopper and Pearson 1934): the interval reaches from the common score that
far towards each end of the scale.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ragvlc.statistics._spread import Spread, effective_number, normal_quantile, spread_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragvlc.statistics._clusters import Sums

    Floats = NDArray[np.float64]

__all__ = ["mean_bounds", "share_bounds", "signed_bounds", "unseen"]

STEPS = 36
"""Halvings of an interval of at most 2, which leave 3e-11."""


def mean_bounds(sums: Sums, level: float) -> tuple[Floats, Floats]:
    """Returns the interval of a mean over two clusters or more: Wilson's, or Tango's if any score is negative."""
    import numpy as np

    return share_bounds(sums, level) if np.all(sums.least >= 0) else signed_bounds(sums, level)


def share_bounds(sums: Sums, level: float) -> tuple[Floats, Floats]:
    """Returns Wilson's interval of the mean of scores between 0 and the largest score (at least 1)."""
    import numpy as np

    mean, scale = np.clip(sums.mean / sums.largest, 0.0, 1.0), sums.largest
    spread = spread_of(sums)
    number = effective_number(_scaled(spread, scale), mean * (1 - mean), np.minimum(mean, 1 - mean), level)
    z = normal_quantile(level)
    shrink = 1 + z * z / number
    middle = (mean + z * z / (2 * number)) / shrink
    half = z * np.sqrt(mean * (1 - mean) / number + (z / (2 * number)) ** 2) / shrink
    share = unseen(sums.clusters, level)
    low = np.where(spread.alike, mean - share * mean, np.maximum(middle - half, 0.0))
    high = np.where(spread.alike, mean + share * (1 - mean), np.minimum(middle + half, 1.0))
    return scale * low, scale * high


def signed_bounds(sums: Sums, level: float) -> tuple[Floats, Floats]:
    """Returns Tango's interval of a mean difference, on a scale from minus to plus the largest (at least 1)."""
    import numpy as np

    total, scale = sums.weight.sum(-1), sums.largest
    above = np.clip(sums.above / total / scale, 0.0, 1.0)
    mean = np.clip(sums.mean / scale, -1.0, 1.0)
    below = np.clip(above - mean, 0.0, 1.0)
    rarer = np.minimum(sums.moved / total, np.minimum(1 - above, 1 - below))
    spread = spread_of(sums)
    number = effective_number(_scaled(spread, scale), np.maximum(above + below - mean * mean, 0.0), rarer, level)
    low, high = _tango(above, below, number, normal_quantile(level))
    share = unseen(sums.clusters, level)
    low = np.where(spread.alike, mean - share * (1 + mean), low)
    high = np.where(spread.alike, mean + share * (1 - mean), high)
    return scale * low, scale * high


def unseen(clusters: int, level: float) -> float:
    """Returns the upper bound of the share of differing clusters, if none of `clusters` sampled clusters differs."""
    return float(1 - ((1 - level) / 2) ** (1 / clusters))


def _scaled(spread: Spread, scale: Floats) -> Spread:
    return replace(spread, floor=spread.floor / scale**2, excess=spread.excess / scale**2)


def _tango(above: Floats, below: Floats, number: Floats, z: float) -> tuple[Floats, Floats]:
    """Returns the smallest and the largest difference that the score test does not reject, found by bisection."""
    import numpy as np

    mean = above - below
    side = np.array([1.0, -1.0]).reshape(2, *(1,) * mean.ndim)
    inside, outside = np.stack([mean, mean]), np.broadcast_to(-side, (2, *mean.shape))
    reach, limit = side * mean, z * z / number
    for _ in range(STEPS):
        supposed = (inside + outside) / 2
        # The share below that is likeliest given the difference supposed: the root of a quadratic.
        linear = (2 - mean) * supposed - above - below
        own = supposed * (1 - supposed)
        share = (np.sqrt(np.maximum(linear * linear + 8 * below * own, 0.0)) - linear) / 4
        rejected = (reach - side * supposed) ** 2 > limit * np.maximum(2 * share + own, 0.0)
        inside, outside = np.where(rejected, inside, supposed), np.where(rejected, supposed, outside)
    ends = (inside + outside) / 2
    return ends[0], ends[1]
