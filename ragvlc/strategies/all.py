"""Every question is asked of every cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from ragvlc.core.families import Strategy
from ragvlc.core.grids import Grid, Look

__all__ = ["All"]


class All(Strategy):
    """Asks every question of every cell, so that every interval and test is one of a fixed number of questions.

    Attributes:
        metric: not used.
    """

    stops: ClassVar[bool] = False

    def looks(self, grid: Grid) -> Iterator[Look]:
        """Yields one look that asks everything, and the verdict that nothing is left to ask."""
        ids = [name for cluster in grid.clusters for name in cluster.ids]
        keys = (*(entry.key for entry in grid.entries), *grid.controls)
        yield Look(dict.fromkeys(keys, ids), 0, 0)
        yield Look({}, 1, len(grid.clusters), verdict="every question was asked of every cell")
