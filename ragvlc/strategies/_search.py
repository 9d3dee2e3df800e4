"""What searches share: they promote by scores alone, and measure the winner again on questions that were held back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from ragvlc.core.families import Strategy
from ragvlc.core.grids import Ended, Entrant, Grid, Look

__all__ = ["Search", "SearchState"]

FEWEST_CLUSTERS = 10


class Search(Strategy):
    """A search: its winner's scores so far are the best of many, and so too high; it is measured again.

    Attributes:
        held_back: share of the clusters on which only the winner is measured, after the search.
    """

    fewest_clusters: ClassVar[int] = FEWEST_CLUSTERS
    searches: ClassVar[bool] = True

    held_back: Annotated[float, Field(gt=0, lt=1)] = 0.3

    def searched(self, grid: Grid) -> int:
        """Returns the number of clusters that are searched on; those after them are held back."""
        clusters = len(grid.clusters)
        return clusters - min(clusters - 1, max(1, round(self.held_back * clusters)))

    def measured(self, grid: Grid, found: SearchState, winner: str) -> Iterator[Look]:
        """Yields the look that measures the winner again, and the verdict."""
        done, all_of_them = self.searched(grid), len(grid.clusters)
        ids = ids_of(grid, done, all_of_them)
        if not winner:
            yield found.look({}, "no cell is left: too many questions failed")
            return
        yield found.look(dict.fromkeys((winner, *grid.controls), ids))
        found.block += 1
        name = next(entry.name for entry in grid.entries if entry.key == winner)
        found.end(winner, "settled", all_of_them, "won the search")
        verdict = f"{name} won the search, and was measured again on {len(ids)} questions held back"
        yield found.look({}, verdict, winner, tuple(range(done, all_of_them)))


class SearchState:
    """What a search has found so far.

    Attributes:
        block: the number of rounds so far.
        clusters: the number asked by then.
        ended: cells that get no more questions.
    """

    def __init__(self) -> None:
        self.block = 0
        self.clusters = 0
        self.ended: dict[str, Ended] = {}

    def end(self, key: str, status: str, clusters: int, reason: str, ahead: str = "") -> None:
        """Ends a cell."""
        self.ended[key] = Ended(status, self.block, clusters, reason, ahead)

    def look(
        self, ask: Mapping[str, Sequence[str]], verdict: str = "", winner: str = "", measured: Sequence[int] = ()
    ) -> Look:
        """Returns a look with what is known by now."""
        return Look(ask, self.block, self.clusters, dict(self.ended), verdict, winner, measured)


def ids_of(grid: Grid, first: int, last: int) -> list[str]:
    """Returns the ids of the questions of some clusters."""
    return [name for cluster in grid.clusters[first:last] for name in cluster.ids]


def mean_of(merits: Mapping[str, float | None], ids: Sequence[str]) -> float | None:
    """Returns the mean merit over these questions; None if a row is missing, or if none has a score."""
    if any(name not in merits for name in ids):
        return None
    known = [score for name in ids if (score := merits[name]) is not None]
    return math.fsum(known) / len(known) if known else None


def ranked(
    grid: Grid, entries: Sequence[Entrant], ids: Sequence[str], found: SearchState
) -> list[tuple[float, Entrant]]:
    """Returns the cells with rows for all of these questions, best first; the others are withdrawn.

    Means are over the questions that all of them have a score for.
    """
    merits = {entry.key: grid.merits(entry.key) for entry in entries}
    whole = [entry for entry in entries if all(name in merits[entry.key] for name in ids)]
    for entry in entries:
        if entry not in whole:
            found.end(entry.key, "withdrawn", found.clusters, "questions have no row: too many failed before")
    common = [name for name in ids if all(merits[entry.key][name] is not None for entry in whole)]
    means = [(mean_of(merits[entry.key], common) or 0.0, entry) for entry in whole]
    return sorted(means, key=lambda pair: -pair[0])
