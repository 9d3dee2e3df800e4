"""What share of its grid a sweep that stops early would ask, before it runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ragvlc.results.store import SweepStore
from ragvlc.statistics.race_shares import asked_shares
from ragvlc.strategies.race import LOOKS, Race
from ragvlc.sweep.plan import Cell
from ragvlc.sweep.racing import Racing, clusters_of, nothing_stored, raced_metric, stored_racing
from ragvlc.sweep.scoring import QuestionSet
from ragvlc.sweep.spec import Sweep

__all__ = ["StrategyShare", "first_share", "strategy_shares", "verdicts_known"]

DIFFERENCES = (0.05, 0.1, 0.2)
RACES = 200
MOST_CELLS = 100
"""More cells are simulated as so many: the share hardly changes."""
MOST_WORK = 3e9


@dataclass(frozen=True, slots=True)
class StrategyShare:
    """The expected share of a data set's grid, if all cells but the best are lower by one difference.

    Attributes:
        strategy: its kind.
        dataset: its name.
        cells: that take part.
        clusters: of its questions.
        answers: of the whole grid.
        difference: supposed; None where the share does not depend on it, as in a search.
        share: mean.
        low: a tenth of the races ask less.
        high: a tenth of the races ask more.
    """

    strategy: str
    dataset: str
    cells: int
    clusters: int
    answers: int
    difference: float | None
    share: float
    low: float
    high: float

    def sentence(self) -> str:
        """Returns the share in words."""
        what = f"{self.strategy} on {self.dataset}: {self.cells} cells, {self.clusters} clusters of questions"
        asked = f"about {self.share:.0%} of {self.answers:,} answers"
        if self.difference is None:
            return f"{what}: {asked}."
        return (
            f"{what}: {asked} ({self.low:.0%} to {self.high:.0%} in 8 of 10 races) if all cells but the best are "
            f"{self.difference:g} behind."
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the figures as JSON values."""
        return asdict(self)


def strategy_shares(sweep: Sweep, cells: Sequence[Cell], asked: Mapping[str, QuestionSet]) -> list[StrategyShare]:
    """Returns the expected shares on each data set; empty if every question is asked of every cell.

    Raises:
        ConfigError: as the run would, where the strategy cannot decide anything.
    """
    if not sweep.strategy.stops:
        return []
    by_dataset: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        by_dataset[cell.dataset.key].append(cell)
    racing = Racing(sweep, cells, asked, nothing_stored)  # refuses what the run would
    return [
        share
        for key, own in by_dataset.items()
        for share in (
            _races(sweep, own, asked[key]) if isinstance(sweep.strategy, Race) else _search(racing, own, asked[key])
        )
    ]


def verdicts_known(
    sweep: Sweep, cells: Sequence[Cell], asked: Mapping[str, QuestionSet], store: SweepStore
) -> dict[str, str]:
    """Returns a sentence for each data set on which the stored answers give the strategy's verdict, by its name."""
    if not sweep.strategy.stops:
        return {}
    racing = stored_racing(sweep, cells, asked, store)
    found = {}
    for key, name in {cell.dataset.key: cell.dataset.name for cell in cells}.items():
        note = racing.note(key)
        if note.over:
            found[name] = (
                f"{sweep.strategy.kind} on {name}: nothing, the stored answers have its verdict (block {note.block}; "
                f"{note.answers:,} of {note.grid:,} answers were asked for)."
            )
    return found


def _races(sweep: Sweep, cells: Sequence[Cell], asked: QuestionSet) -> Iterator[StrategyShare]:
    strategy, metric = sweep.strategy, raced_metric(sweep)
    assert isinstance(strategy, Race)  # noqa: S101 - for the type checker
    low, high = metric.span or (0.0, 1.0)
    margin = 0.0 if sweep.decide is None else sweep.decide.margins.get(metric.label, 0.0) / (high - low)
    clusters = clusters_of(asked.examples, metric, sweep.seed, by_size=strategy.by_size)
    racing = sum(not cell.control for cell in cells)
    simulated = min(racing, MOST_CELLS)
    races = int(max(5, min(RACES, MOST_WORK / (simulated**2 * len(clusters) * 60))))
    for difference in DIFFERENCES:
        shares = asked_shares(
            [cluster.size for cluster in clusters],
            max(simulated, 1),
            difference,
            block=strategy.block or max(1, len(clusters) // LOOKS),
            target=strategy.target,
            margin=margin,
            races=races,
        )
        ranked = sorted(float(one) for one in shares)
        tenth = len(ranked) // 10
        yield StrategyShare(
            strategy=strategy.kind,
            dataset=cells[0].dataset.name,
            cells=racing,
            clusters=len(clusters),
            answers=len(cells) * len(asked.examples),
            difference=difference,
            share=sum(ranked) / len(ranked),
            low=ranked[tenth],
            high=ranked[-1 - tenth],
        )


def _search(racing: Racing, cells: Sequence[Cell], asked: QuestionSet) -> Iterator[StrategyShare]:
    count = racing.answers_if_level(cells[0].dataset.key)
    grid = len(cells) * len(asked.examples)
    share = count / grid if grid else 0.0
    entrants = sum(not cell.control for cell in cells)
    clusters = len(clusters_of(asked.examples, None, 0))
    kind = racing.kind
    yield StrategyShare(kind, cells[0].dataset.name, entrants, clusters, grid, None, share, share, share)


def first_share(sweep: Sweep, cells: Sequence[Cell], asked: Mapping[str, QuestionSet]) -> float:
    """Returns the share of all answers that the first block of a strategy asks for."""
    wanted = Racing(sweep, cells, asked, nothing_stored).next() or {}
    whole = sum(len(asked[cell.dataset.key].examples) for cell in cells)
    return sum(len(ids) for ids in wanted.values()) / whole if whole else 0.0
