"""Sign-flip permutation test by cluster, and the bound of its confidence interval that is nearest to 0.

A flip changes the sign of all differences of a cluster together. A mean supposed is rejected by the same test on the
differences less that mean. Flipping the clusters S is as extreme exactly where the mean over S is beyond the mean
supposed, so the means that are not rejected lie between two quantiles of the means over random sets of clusters
(Hartigan's typical values, 1969). Only the end next to 0 is needed here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["end_next_to_zero", "flip_test"]

BLOCK = 2_000_000
"""Random draws held in memory at once."""
CONVERTED = 250_000
"""Draws held as floats at once, few enough for a processor's cache."""
CACHED = 300
"""Flips of up to this many clusters are drawn once."""
ROUNDING = 1e-9
"""Equal totals summed in another order differ by less than this share of what was summed: they are as extreme."""


def flip_test(scores: Floats, flips: int, seed: int) -> Floats:
    """Returns the two-sided p-value of the sum over the last axis, which must have two clusters or more.

    Exact if all flips are at most `flips`, else (1 + flips as extreme) / (1 + `flips`).
    """
    import numpy as np

    total = scores.sum(-1)
    limit = np.abs(total) - ROUNDING * np.abs(scores).sum(-1)
    extreme, count = np.zeros(total.shape), 0
    for sets in _sets(scores.shape[-1], flips, seed):
        beyond = np.abs(2 * (scores @ sets.T) - total[..., None]) >= limit[..., None]
        extreme = extreme + beyond.sum(-1)
        count += len(sets)
    found: Floats = extreme / count if _exact(scores.shape[-1], flips) else (1 + extreme) / (1 + count)
    return found


def end_next_to_zero(scores: Floats, weights: Floats, flips: int, seed: int, alpha: float) -> float:
    """Returns the interval bound nearest to 0, by inverting the test, for scores whose p-value is at most `alpha`."""
    import numpy as np

    sign = 1.0 if scores.sum() > 0 else -1.0
    exact = _exact(len(scores), flips)
    means = []
    for sets in _sets(len(scores), flips, seed):
        for chosen in (sets,) if exact else (sets, 1 - sets):
            over, under = sign * (chosen @ scores), chosen @ weights
            means.append(np.divide(over, under, out=np.full(len(over), -np.inf), where=under > 0))
    found = np.concatenate(means)
    # p is twice the share of sets at or below the mean supposed, or (1 + their number) / (1 + flips).
    most = alpha * len(found) / 2 if exact else alpha * (1 + flips) - 1
    place = max(0, math.floor(most + ROUNDING))
    return sign * float(np.partition(found, place)[place])


def _exact(clusters: int, flips: int) -> bool:
    return clusters < 63 and 2**clusters <= flips


def _sets(clusters: int, flips: int, seed: int) -> Iterator[Floats]:
    """Yields the clusters to flip, one row of zeros and ones per random flip, in blocks that keep memory bounded.

    A block is overwritten by the next one.
    """
    if clusters <= CACHED:
        yield _few(clusters, flips, seed)
        return
    import numpy as np

    random = np.random.default_rng([seed, 1])
    most, few = max(1, BLOCK // clusters), max(1, CONVERTED // clusters)
    held = np.empty((few, clusters))  # one for all blocks: fresh memory takes longer than the flips themselves
    for start in range(0, flips, most):
        drawn = random.integers(0, 2, (min(most, flips - start), clusters), np.int8)
        for first in range(0, len(drawn), few):
            part = drawn[first : first + few]
            held[: len(part)] = part
            yield held[: len(part)]


@lru_cache(maxsize=8)
def _few(clusters: int, flips: int, seed: int) -> Floats:
    import numpy as np

    if _exact(clusters, flips):
        return (np.arange(2**clusters)[:, None] >> np.arange(clusters) & 1).astype(np.float64)
    return np.random.default_rng([seed, 1]).integers(0, 2, (flips, clusters), np.int8).astype(np.float64)
