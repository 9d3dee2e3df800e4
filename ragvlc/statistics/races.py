"""Races: which cells are shown to be worse than another, tested anew after every cluster, at any stopping time.

For each cell one test supermartingale (an e-process) under the null "this cell is the best", or "is within the margin
of the best". At each cluster it bets against the one opponent that has promised the largest growth so far, chosen from
past clusters only. Under the null every paired difference has a mean of at most 0, so the bet loses on average whoever
the opponent is: the capital exceeds 1 / level with probability of at most `level`, at any time (Ville 1939). The best
cell is dropped only if its own process does that. So the level needs no division by the number of opponents, which one
test for each pair would (.05 / (cells - 1) each): the same guarantee, and fewer questions.

For `grid`, the verdict that all questions would give, clusters are drawn without replacement, each time in proportion
to size (`size_order`), and count with their mean of differences, which is between -1 and 1 whatever the size. What the
drawn ones have gained must be lost again in the rest, so the mean of the next difference is at most -sum / questions
left (Waudby-Smith and Ramdas 2020, 2024; for draws in proportion to size see Shekhar, Xu, Lipton, Liang and Ramdas,
"Risk-limiting financial audits via weighted sampling without replacement", 2023). A cell is dropped too where the rest
is too small to change the order: nothing is open at the end.

For `population`, clusters are independent draws in any order, and the mean is at most 0. A cluster counts with its sum
of differences divided by the largest cluster's size; the size of the next one is not used: it would not be a fair draw.

Both ways what is tested is the mean over questions, as in tables. Bets are those of aGRAPA: the gap to the null mean
over variance plus squared gap, never so large that one cluster could take everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Whole = NDArray[np.int64]

__all__ = ["FEWEST_CLUSTERS", "LEVEL", "RaceProcesses", "Target", "bet", "size_order"]

Target = Literal["grid", "population"]
LEVEL = 0.05
FEWEST_CLUSTERS = 20
"""Fewer are not raced: the bound of a single cluster is so wide that nearly all would be asked anyway."""
TOP = 0.95
"""Largest share of the capital that one cluster may take."""
PRIOR_SD = 0.25
"""Standard deviation that one cluster is supposed to show before any was seen, as a share of the metric's range."""
LEAST_VARIANCE = 1e-3
TINY = 1e-9


def bet(gap: Floats, variance: Floats, room: Floats) -> Floats:
    """Returns aGRAPA's bet on differences above the null mean, at most `TOP` of what the smallest one could take.

    Args:
        gap: expected difference minus the null mean.
        variance: of the differences.
        room: null mean minus the smallest possible difference.
    """
    import numpy as np

    found: Floats = np.clip(gap / (variance + gap * gap), 0.0, TOP / np.maximum(room, TINY))
    return found


def size_order(uniform: Floats | Sequence[float], sizes: Floats | Sequence[int]) -> Floats:
    """Returns keys whose ascending order is that of draws without replacement, each in proportion to size.

    They are exponential arrival times with the sizes as rates; empty clusters are last.

    Args:
        uniform: independent draws from 0 to 1.
        sizes: of the clusters.
    """
    import numpy as np

    arrivals: Floats = -np.log1p(-np.asarray(uniform, dtype=float)) / np.maximum(sizes, TINY)
    return arrivals


class RaceProcesses:
    """Races of the same shape, each with its own cells; a real one is a single race, a simulation has many.

    Args:
        cells: of each race.
        clusters: of each race, in all.
        total: sum of all cluster sizes divided by the largest, by race.
        target: what the verdict is about.
        margin: as a share of the metric's range; cells that are worse by less stay.
        level: largest probability that a cell within the margin of the best is dropped, or, with a margin, that a cell
            is dropped or declared wrongly.

    Attributes:
        alive: cells not dropped, by race.
        seen: number of clusters so far.
    """

    def __init__(
        self,
        cells: int,
        clusters: int,
        total: Floats,
        *,
        target: Target = "grid",
        margin: float = 0.0,
        level: float = LEVEL,
    ) -> None:
        import numpy as np

        races = len(total)
        self.alive: Bools = np.ones((races, cells), dtype=bool)
        self.seen = 0
        self._clusters, self._total, self._target, self._margin = clusters, total, target, margin
        self._level = level / 2 if margin else level
        self._weight: Floats = np.zeros(races)
        self._sum: Floats = np.zeros((races, cells))
        self._drawn: Floats = np.zeros((races, cells))  # what clusters count with
        self._square: Floats = np.zeros((races, cells, cells))
        self._capital: Floats = np.zeros((races, cells))  # logarithms
        self._near: Floats | None = np.zeros((races, cells, cells)) if margin else None
        self._share: Floats = np.ones(races) if target == "grid" else total / clusters
        self._units: Floats = np.zeros(races)
        self._weighed: Floats = np.zeros((races, cells, cells))
        self._heavy: Floats = np.zeros(races)

    def add(self, scores: Floats, weight: Floats) -> None:
        """Adds one cluster to each race.

        Args:
            scores: sums of scores by race and cell, divided by the metric's range and the largest cluster's size.
                Those of dropped cells are ignored, and must be finite.
            weight: size of the cluster divided by the largest, by race.
        """
        import numpy as np

        counted, unit = scores, weight
        if self._target == "grid":
            counted, unit = scores / np.maximum(weight, TINY)[:, None], np.ones_like(weight)
        ahead = self._sum[:, :, None] - self._sum[:, None, :]  # of the opponent (row) over the cell (column)
        new = counted[:, :, None] - counted[:, None, :]
        stakes, growth = self._stakes(ahead, self._margin)
        growth = np.where(self.alive[:, :, None], growth, -1.0)
        np.einsum("...ii->...i", growth)[...] = -1.0  # no cell is its own opponent
        leader = growth.argmax(1)[:, None, :]
        change = self._change(stakes, ahead, new, unit, self._margin)
        chosen = np.take_along_axis(change, leader, 1)[:, 0]
        self._capital += np.where(np.take_along_axis(growth, leader, 1)[:, 0] > 0, chosen, 0.0)
        if self._near is not None:
            stakes, _ = self._stakes(ahead, -self._margin)
            self._near += self._change(stakes, ahead, new, unit, -self._margin)
        self._sum, self._drawn = self._sum + scores, self._drawn + counted
        self._square += new * new
        self._weighed += new * unit[:, None, None]
        self._heavy, self._units = self._heavy + unit * unit, self._units + unit
        self._weight = self._weight + weight
        self.seen += 1

    def _null(self, ahead: Floats, margin: float) -> Floats:
        """Returns the largest mean that the null allows for the next cluster, beyond the margin."""
        import numpy as np

        if self._target == "population":
            return np.zeros_like(ahead)
        left = np.maximum(self._total - self._weight, TINY)[:, None, None]
        found: Floats = -(ahead - (margin * self._weight)[:, None, None]) / left
        return found

    def _stakes(self, ahead: Floats, margin: float) -> tuple[Floats, Floats]:
        """Returns the bets of each pair and the growth of the capital that they promise."""
        import numpy as np

        mean, share = self._null(ahead, margin), self._share[:, None, None]
        beyond = self._drawn[:, :, None] - self._drawn[:, None, :] - (margin * self._units)[:, None, None]
        expected = (beyond - margin * share) / (self.seen + 1)  # with one cluster of no difference before all others
        heavy = self._heavy[:, None, None]
        square = self._square - 2 * margin * self._weighed + margin * margin * heavy if margin else self._square
        variance = (square + (PRIOR_SD * share) ** 2) / (self.seen + 1) - expected * expected * (self.seen > 0)
        variance = np.maximum(variance, LEAST_VARIANCE * share**2)
        gap = expected - mean
        stakes = bet(gap, variance, 1 + margin + mean)
        return stakes, stakes * gap - stakes * stakes * (variance + gap * gap) / 2

    def _change(self, stakes: Floats, ahead: Floats, new: Floats, unit: Floats, margin: float) -> Floats:
        """Returns by how much a cluster changes the logarithm of the capital."""
        import numpy as np

        mean = self._null(ahead, margin)
        won = new - (margin * unit)[:, None, None] - mean
        found: Floats = np.log1p(np.maximum(stakes * won, -1 + TINY))
        return found

    def look(self) -> Bools:
        """Drops the cells that are ruled out by now, and returns them; each race keeps one cell at least."""
        import numpy as np

        lost: Bools = self._capital >= -np.log(self._level)
        if self._target == "grid":
            lost |= self._certain(self._margin)
        lost &= self.alive
        none = ~(self.alive & ~lost).any(1)
        best = np.where(self.alive, self._sum, -np.inf).argmax(1)
        lost[none, best[none]] = False
        self.alive = self.alive & ~lost
        return lost

    def _certain(self, margin: float) -> Bools:
        """Returns the cells that the clusters left are too small to bring within the margin of some other cell."""
        import numpy as np

        top = np.where(self.alive, self._sum, -np.inf).max(1)[:, None]
        left = ((1 + margin) * (self._total - self._weight) + margin * self._weight)[:, None]
        found: Bools = np.greater(top - self._sum - left, TINY * max(1, self._clusters))
        return found

    def equivalent(self, cells: Whole) -> Bools:
        """Returns whether a cell of each race is shown to be worse than no other by the margin or more.

        Its processes against all other cells left must reject at once, which needs no correction; that any cell may be
        named is corrected for.
        """
        import numpy as np

        if self._near is None:
            return np.zeros(len(cells), dtype=np.bool_)
        races, others = np.arange(len(cells)), self.alive.copy()
        others[races, cells] = False
        capital = self._near[races, cells]  # this cell (row) is ahead of minus the margin
        if self._target == "grid":
            ahead = self._sum[races, cells][:, None] - self._sum
            spare = ahead + (self._margin * self._weight)[:, None]
            sure = spare - ((1 - self._margin) * (self._total - self._weight))[:, None] > TINY * self._clusters
            capital = np.where(sure, np.inf, capital)
        limit = np.log(self.alive.shape[1] / self._level)
        found: Bools = np.where(others, capital, np.inf).min(1) >= limit
        return found
