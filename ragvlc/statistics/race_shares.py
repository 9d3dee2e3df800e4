"""What share of a grid a race would ask, by simulated races over clusters of the sizes given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragvlc.statistics.races import PRIOR_SD, RaceProcesses, Target, size_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["asked_shares"]

BEST = 0.7
"""Mean score of the best cell; the others are lower by the difference."""


def asked_shares(
    sizes: Sequence[int],
    cells: int,
    difference: float,
    *,
    block: int,
    target: Target = "grid",
    margin: float = 0.0,
    races: int = 100,
) -> Floats:
    """Returns the share of all answers that each simulated race asks for.

    Cluster means are beta distributed, with a standard deviation of their differences of .25. With a margin, the cell
    that may be named as good as any is one of the others.

    Args:
        sizes: questions of each cluster.
        cells: that race.
        difference: by which all cells but one are lower; below .7.
        block: clusters between two looks.
        target: of the race.
        margin: of the race.
        races: simulated.
    """
    import numpy as np

    random = np.random.default_rng(0)
    means = np.full(cells, BEST - difference)
    means[0] = BEST
    spread = means * (1 - means) / (PRIOR_SD**2 / 2) - 1
    largest = max(sizes)
    weights = np.array([random.permutation(np.asarray(sizes, dtype=float)) / largest for _ in range(races)])
    if target == "grid" and len(set(sizes)) > 1:  # the race draws in proportion to size
        order = np.argsort(size_order(random.random(weights.shape), weights), axis=1)
        weights = np.take_along_axis(weights, order, 1)
    drawn = random.beta(means * spread, (1 - means) * spread, (races, len(sizes), cells)) * weights[:, :, None]
    race = RaceProcesses(cells, len(sizes), weights.sum(1), target=target, margin=margin)
    asked, over = np.zeros(races), np.zeros(races, dtype=bool)
    for start in range(0, len(sizes), block):
        places = range(start, min(len(sizes), start + block))
        asked += np.where(over, 0.0, weights[:, places.start : places.stop].sum(1) * race.alive.sum(1))
        for place in places:
            race.add(drawn[:, place], weights[:, place])
        race.look()
        over |= race.alive.sum(1) == 1
        if margin:
            over |= race.alive[:, -1] & race.equivalent(np.full(races, cells - 1))
        if over.all():
            break
    found: Floats = asked / weights.sum(1) / cells
    return found
