"""Sequential intervals: bounds of a mean over questions that hold at whatever cluster one stops.

Every mean on a grid is tested by betting against it in both directions (a hedged capital); those that no capital of
1 / (1 - level) has ruled out by the last cluster are the interval (Waudby-Smith and Ramdas 2024). For `grid`, clusters
are drawn without replacement, in proportion to `draws`, and the clusters left bound the mean too, so that the width is
0 when none is left. A cluster counts with its sum over its chance of being drawn, so that chances need not be equal. An
interval for a fixed number of questions would be too short here: a cell stops because its scores looked bad.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragvlc.statistics.races import LEAST_VARIANCE, LEVEL, PRIOR_SD, TINY, Target, bet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["sequential_bounds"]

STEPS = 400


def sequential_bounds(
    sums: Floats,
    sizes: Floats,
    all_sizes: Floats,
    *,
    least: float,
    most: float,
    target: Target = "grid",
    draws: Floats | None = None,
) -> tuple[float, float]:
    """Returns 95 % bounds of a mean over questions, given the clusters asked so far in the order of the race.

    Args:
        sums: of the values in each cluster asked.
        sizes: questions in each cluster asked.
        all_sizes: questions in each cluster of the grid, asked or not.
        least: smallest value that a question can have.
        most: largest value.
        target: what the mean is over: all questions of the grid, or the population that they were drawn from.
        draws: in proportion to which the clusters of the grid were drawn, in the same order; None if equally.

    Raises:
        ValueError: a value is out of its range.
    """
    import numpy as np

    sums, sizes, all_sizes = (np.asarray(one, dtype=float) for one in (sums, sizes, all_sizes))
    chances = np.ones(len(all_sizes)) if draws is None else np.asarray(draws, dtype=float)
    if (chances <= 0).any():
        message = "a cluster has no chance of being drawn."
        raise ValueError(message)
    span, largest = most - least, float((all_sizes / chances).max(initial=TINY))
    if ((sums < least * sizes - TINY) | (sums > most * sizes + TINY)).any():
        message = f"a value is outside the range from {least:g} to {most:g}."
        raise ValueError(message)
    unit = (sums - least * sizes) / span / largest
    weight, total = sizes / largest, float(all_sizes.sum()) / largest
    means = np.linspace(0, 1, STEPS + 1)
    inside = _inside(unit, weight, chances, total / float(chances.sum()), means, target)
    # An interval shorter than a step of the grid may lie between two of its means.
    left_over = means[inside] if inside.any() else np.array([float(unit.sum() / max(weight.sum(), TINY))])
    low, high = max(0.0, float(left_over[0]) - 1 / STEPS), min(1.0, float(left_over[-1]) + 1 / STEPS)
    if target == "grid":
        known, left = float(unit.sum()), total - float(weight.sum())
        least_possible, most_possible = known / total, (known + max(left, 0.0)) / total
        low = min(max(low, least_possible), most_possible)
        high = max(min(high, most_possible), least_possible)
    return least + span * low, least + span * high


def _inside(unit: Floats, weight: Floats, chances: Floats, share: float, means: Floats, target: Target) -> Floats:
    """Returns which means no capital has ruled out at any cluster."""
    import numpy as np

    up, down, known = np.zeros_like(means), np.zeros_like(means), np.zeros_like(means)
    total, square = np.zeros_like(means), np.zeros_like(means)
    inside = np.ones_like(means, dtype=bool)
    limit = np.log(2 / LEVEL)  # half of the capital bets in each direction
    floor, left = LEAST_VARIANCE * share**2, float(chances.sum())
    for seen, (own, size, chance) in enumerate(zip(unit, weight, chances, strict=False)):
        value = (own - means * size) / chance
        null = -known / max(left, TINY) if target == "grid" else np.zeros_like(means)
        expected = total / (seen + 1)
        variance = np.maximum((square + (PRIOR_SD * share) ** 2) / (seen + 1) - expected**2 * (seen > 0), floor)
        gap = expected - null
        up += np.log1p(np.maximum(bet(gap, variance, null + means) * (value - null), -1 + TINY))
        down += np.log1p(np.maximum(bet(-gap, variance, 1 - means - null) * (null - value), -1 + TINY))
        total, square = total + value, square + value * value
        known, left = known + value * chance, left - chance
        inside &= np.logaddexp(up, down) < limit
    return inside
