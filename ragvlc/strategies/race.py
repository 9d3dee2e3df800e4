"""A race: cells that are shown to be worse than another get no more questions; see `ragvlc.statistics.races`.

Clusters of questions come whole, in seeded random order; for `target: grid` a cluster is drawn in proportion to its
number of questions. After each block every cell is tested, at a level that holds
at whatever block one stops: the best cell is dropped in fewer than 5 of 100 races. Not .05 / (cells - 1) for each pair:
each cell has one test of "it is the best" that bets against whichever other cell seems best to bet on, and only the
best cell's own test can drop it.

With a margin (`decide`) a cell is dropped when some other is ahead of it by more than the margin, and the race ends
when the cheapest cell left is shown to be worse than none of the others by the margin or more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from ragvlc.core.families import Strategy
from ragvlc.core.grids import Ended, Grid, Look, QuestionCluster
from ragvlc.statistics.races import FEWEST_CLUSTERS, RaceProcesses, Target

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Race"]

LOOKS = 20
Merits = Mapping[str, Mapping[str, float | None]]


class Race(Strategy):
    """Asks block by block, and stops asking cells that are shown to be worse than another.

    Attributes:
        metric: that cells are raced by; by default that of `decide`, else the first.
        target: `grid` for the verdict that all questions of the grid would give, `population` for that of further
            questions of the same kind, which takes more of them.
        block: clusters between two looks; a twentieth of all by default.
    """

    fewest_clusters: ClassVar[int] = FEWEST_CLUSTERS

    target: Target = "grid"
    block: Annotated[int, Field(ge=1)] | None = None

    @property
    def by_size(self) -> bool:
        """Whether clusters of questions come in an order drawn in proportion to their sizes; else all are alike."""
        return self.target == "grid"

    def refusal(self, clusters: int) -> str:
        """Returns why a data set with this number of clusters is refused and what to do; empty if it is not."""
        if clusters < self.fewest_clusters:
            return (
                f"and with fewer than {self.fewest_clusters} next to nothing can be ruled out before the end. Ask over "
                "more documents, or take strategy: all."
            )
        if clusters <= (self.block or 0):
            return f"and a block of {self.block} is all of them: no cell could stop early. Leave block out."
        return ""

    def looks(self, grid: Grid) -> Iterator[Look]:
        """Yields one look for each block, and the verdict."""
        run = _Running(grid, self.target)
        step, done = self.block or max(1, len(grid.clusters) // LOOKS), 0
        number = 0
        while not run.verdict:
            part = grid.clusters[done : done + step]
            ids = [name for cluster in part for name in cluster.ids]
            keys = (*run.alive, *grid.controls)
            yield Look(dict.fromkeys(keys, ids), number, done, dict(run.ended), left_out=run.left_out)
            number, done = number + 1, done + len(part)
            run.judge(part, number, done)
        yield Look({}, number, done, run.final(number, done), run.verdict, run.winner, left_out=run.left_out)


class _Running:
    """A race up to some block.

    Attributes:
        ended: by key, cells that get no more questions.
        left_out: questions without a score in some cell left.
        verdict: empty as long as questions are to be asked.
        winner: key of the cell that the verdict names.
    """

    def __init__(self, grid: Grid, target: Target) -> None:
        import numpy as np

        self._grid = grid
        self._keys = [entry.key for entry in grid.entries]
        self._names = {entry.key: entry.name for entry in grid.entries}
        self._largest = float(max(cluster.size for cluster in grid.clusters))
        total = sum(cluster.size for cluster in grid.clusters) / self._largest
        self._race = RaceProcesses(
            len(self._keys), len(grid.clusters), np.array([total]), target=target, margin=grid.margin
        )
        self._target = target
        self._total: dict[str, float] = dict.fromkeys(self._keys, 0.0)
        self._questions = 0
        self.ended: dict[str, Ended] = {}
        self.left_out = 0
        self.verdict, self.winner = "", ""
        if len(self._keys) < 2:
            self.verdict, self.winner = "there is no other cell to race with", next(iter(self._keys), "")

    @property
    def alive(self) -> list[str]:
        """Keys of the cells that are still asked."""
        return [key for key in self._keys if key not in self.ended]

    def judge(self, part: Sequence[QuestionCluster], number: int, done: int) -> None:
        """Judges the cells by a block that was asked."""
        merits = {key: self._grid.merits(key) for key in self.alive}
        ids = [name for cluster in part for name in cluster.ids]
        for key, own in merits.items():
            if missing := sum(name not in own for name in ids):
                reason = f"{missing} of {len(ids)} questions of block {number} have no row: too many failed before"
                self.ended[key] = Ended("withdrawn", number, done - len(part), reason)
        self._withdraw()
        if not self.alive:
            self.verdict = "every cell stopped because too many questions failed"
            return
        self._add(part, {key: merits[key] for key in self.alive})
        lost = self._race.look()[0]
        leader = max(self.alive, key=lambda key: self._total[key])
        for place, key in enumerate(self._keys):
            if lost[place] and key not in self.ended:
                self.ended[key] = Ended("pruned", number, done, self._reason(key, leader), self._names[leader])
        self._conclude(done)

    def _withdraw(self) -> None:
        for place, key in enumerate(self._keys):
            if key in self.ended:
                self._race.alive[0, place] = False

    def _add(self, part: Sequence[QuestionCluster], merits: Merits) -> None:
        import numpy as np

        for cluster in part:
            if not cluster.size:
                continue
            judged = [name for name in cluster.ids if all(own[name] is not None for own in merits.values())]
            scored = [name for name in cluster.ids if any(own[name] is not None for own in merits.values())]
            self.left_out += len(scored) - len(judged)
            self._questions += len(judged)
            sums = {key: sum(own[name] or 0.0 for name in judged) for key, own in merits.items()}
            for key, value in sums.items():
                self._total[key] += value
            row: Floats = np.array([[sums.get(key, 0.0) for key in self._keys]]) / self._largest
            self._race.add(row, np.array([cluster.size / self._largest]))

    def _reason(self, key: str, leader: str) -> str:
        behind = (self._total[leader] - self._total[key]) / max(self._questions, 1)
        most = f" by more than the margin of {self._grid.margin:g}" if self._grid.margin else ""
        return f"{self._names[leader]} is ahead{most}: by {behind:.3f} on {self._questions} common questions"

    def _conclude(self, done: int) -> None:
        """Sets the verdict if there is one by now."""
        alive = self.alive
        if len(alive) == 1:
            [self.winner] = alive
            self.verdict = f"{self._names[self.winner]} is the only cell left"
            return
        if self._grid.margin and (cheapest := self._cheapest(alive)):
            import numpy as np

            if self._race.equivalent(np.array([self._keys.index(cheapest)]))[0]:
                self.winner = cheapest
                self.verdict = (
                    f"{self._names[cheapest]}, the cheapest cell left, is worse than none of the other "
                    f"{len(alive) - 1} by the margin of {self._grid.margin:g} or more"
                )
                return
        if done >= len(self._grid.clusters):
            words = "are level at the end" if self._target == "grid" and not self._grid.margin else "are not told apart"
            self.verdict = f"every question is asked, and {len(alive)} cells {words}"

    def _cheapest(self, alive: Sequence[str]) -> str:
        """Returns the cell with the lowest mean cost over questions with a cost in all cells left; empty if unknown."""
        costs = {key: {name: cost for name, cost in self._grid.costs(key).items() if cost is not None} for key in alive}
        common = set.intersection(*(set(own) for own in costs.values()))
        return min(alive, key=lambda key: sum(costs[key][name] for name in common)) if common else ""

    def final(self, number: int, done: int) -> dict[str, Ended]:
        """Returns all cells with how they ended."""
        return self.ended | {key: Ended("settled", number, done, self.verdict) for key in self.alive}
