"""Successive halving: each round asks more questions of the better half of the cells.

Karnin, Koren, Somekh, "Almost optimal exploration in multi-armed bandits", ICML 2013,
https://proceedings.mlr.press/v28/karnin13.html.
Every cell begins with few questions; after each round those in the worse half by mean score get no more, and the number
of questions doubles. It is a search: no cell is left out with confidence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ragvlc.core.grids import Grid, Look
from ragvlc.strategies._search import Search, SearchState, ids_of, ranked

__all__ = ["Halving"]


class Halving(Search):
    """Promotes the better half of the cells, round by round, and measures the winner on questions held back."""

    def looks(self, grid: Grid) -> Iterator[Look]:
        """Yields one look for each round, one that measures the winner again, and the verdict."""
        found, alive = SearchState(), list(grid.entries)
        whole, done = self.searched(grid), 0
        rounds = max(1, math.ceil(math.log2(max(len(alive), 1))))
        for number in range(1, rounds + 1):
            last = max(min(whole, done + 1), math.ceil(whole * 2.0 ** (number - rounds)))
            keys = (*(entry.key for entry in alive), *grid.controls)
            yield found.look(dict.fromkeys(keys, ids_of(grid, done, last)))
            done = last
            found.block, found.clusters = number, done
            order = ranked(grid, alive, ids_of(grid, 0, done), found)
            keep = 1 if number == rounds else math.ceil(len(order) / 2)
            for mean, entry in order[keep:]:
                reason = f"not in the better half: {mean:.3f} against {order[keep - 1][0]:.3f} of the last one promoted"
                found.end(entry.key, "pruned", done, reason, order[0][1].name)
            alive = [entry for _, entry in order[:keep]]
        yield from self.measured(grid, found, alive[0].key if alive else "")
