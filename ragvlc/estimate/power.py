"""The number of questions that would find a difference of a given size, and what they would cost.

How differences vary is known from a pilot (an earlier run, of this experiment or of one like it) or assumed. Each cell
is compared with the baseline; Holm's correction for that many comparisons is taken into account. Further questions are
taken to be like those of the pilot, and their cost to be like that of the experiment's own questions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ragvlc.core.errors import ConfigError
from ragvlc.estimate.figures import Estimate, known
from ragvlc.results.loading import SweepResults
from ragvlc.statistics.differences import PairedSample, pairs_of
from ragvlc.statistics.power import (
    Needed,
    Pilot,
    assumed_deviation,
    needed,
    needed_for_margin,
    pilot_of,
    smallest,
)

if TYPE_CHECKING:
    from ragvlc.sweep.spec import Sweep

__all__ = ["AIM", "Assumed", "CellPower", "PowerPlan", "Wanted", "planned", "wanted_by"]

AIM = 0.8
"""Power: how often the difference is found where it is there."""
COSTS = ("calls", "prompt_tokens", "completion_tokens", "seconds", "money")
FEW_PILOT = 10
"""A pilot with fewer clusters is a poor guide."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A difference to be found.

    Attributes:
        metric: label.
        size: of the difference, or the margin by which a level cell is to be shown to be not worse.
        margin: whether it is a margin.
    """

    metric: str
    size: float
    margin: bool = False


@dataclass(frozen=True, slots=True)
class Assumed:
    """How paired differences vary, where there is no pilot.

    Attributes:
        deviation: standard deviation of a question's difference between two cells.
        correlation: of the differences of questions in one cluster.
        questions: of a cluster.
        tests: comparisons that Holm corrects for.
    """

    deviation: float
    correlation: float
    questions: float
    tests: int


@dataclass(frozen=True, slots=True)
class CellPower:
    """The questions that one comparison needs.

    Attributes:
        name: of the cell, or of the assumptions.
        questions: needed; None where no practical number would do.
        clusters: needed.
        pilot_questions: that the figures rest on; 0 for assumptions.
        pilot_clusters: likewise.
        reach: smallest difference that the pilot's own questions would find; None for assumptions and too few clusters.
        deviation: of the difference of a question, by the effective variance; None where all were equal.
    """

    name: str
    questions: int | None
    clusters: int | None
    pilot_questions: int = 0
    pilot_clusters: int = 0
    reach: float | None = None
    deviation: float | None = None


@dataclass(frozen=True, slots=True)
class PowerPlan:
    """The questions needed by all comparisons, and their cost.

    Attributes:
        wanted: the difference.
        cells: a comparison each.
        tests: comparisons that Holm corrects for.
        source: what the figures rest on, in words.
        costs: of all cells over the questions that the hardest comparison needs, by the names of an estimate; NaN where
            unknown, and empty where no practical number would do.
    """

    wanted: Wanted
    cells: tuple[CellPower, ...]
    tests: int
    source: str
    costs: Mapping[str, float]

    @property
    def hardest(self) -> CellPower | None:
        """The comparison that needs the most questions; None where one needs more than is practical."""
        found = [cell for cell in self.cells if cell.questions is not None]
        return max(found, key=lambda cell: cell.questions or 0) if len(found) == len(self.cells) and found else None

    @property
    def few(self) -> bool:
        """Whether the pilot has so few clusters that its figures are an order of magnitude only."""
        return any(0 < cell.pilot_clusters < FEW_PILOT for cell in self.cells)

    def to_json(self) -> dict[str, Any]:
        """Returns the plan as JSON values; unknown figures are null."""
        costs = {name: value if known(value) else None for name, value in self.costs.items()}
        return {
            **asdict(self.wanted),
            "power": AIM,
            "comparisons": self.tests,
            "source": self.source,
            "cells": [asdict(cell) for cell in self.cells],
            "questions": self.hardest.questions if self.hardest else None,
            "clusters": self.hardest.clusters if self.hardest else None,
            "costs": costs,
        }


def wanted_by(sweep: Sweep, difference: float | None, metric: str | None) -> list[Wanted]:
    """Returns what is to be found: the given difference, else the margins of the sweep's decision; else nothing.

    Raises:
        ConfigError: the difference is not above 0, or the sweep has no such metric.
    """
    labels = [one.label for one in sweep.metrics]
    if metric is not None and metric not in labels:
        raise ConfigError(f"--metric {metric}: no metric of {sweep.name}. Known: {labels}.")
    if difference is not None:
        if not 0 < difference < math.inf:
            raise ConfigError(f"--difference {difference:g}: must be above 0, such as 0.05.")
        return [Wanted(metric or labels[0], difference)]
    margins = sweep.decide.margins if sweep.decide is not None else {}
    return [Wanted(label, margin, margin=True) for label, margin in margins.items() if metric in (None, label)]


def planned(wanted: Wanted, pilot: SweepResults | Assumed, estimate: Estimate, baseline: str = "") -> PowerPlan:
    """Returns the questions that find a difference in every comparison with the baseline, and their cost.

    Args:
        wanted: the difference.
        pilot: stored results, or assumptions.
        estimate: of all questions of the experiment, for the cost of further ones.
        baseline: of the comparisons; the pilot's own by default, and where it has none of that name.

    Raises:
        ConfigError: the pilot has no such metric or nothing to compare.
    """
    if isinstance(pilot, Assumed):
        tests = pilot.tests
        words = f"assumptions: standard deviation {pilot.deviation:g}, {pilot.questions:.3g} questions a cluster"
        source = f"{words}, correlation {pilot.correlation:g}"
        cells: tuple[CellPower, ...] = (_assumed(wanted, pilot),)
    else:
        cells = _compared(wanted, pilot, baseline)
        tests, source = len(cells), f"pilot {pilot.name}"
    plan = PowerPlan(wanted, cells, tests, source, {})
    if plan.hardest is None:
        return plan
    asked = max((cell["questions"] for cell in estimate.cells), default=0.0)
    times = (plan.hardest.questions or 0) / asked if asked else math.nan
    total = estimate.total
    return PowerPlan(wanted, cells, tests, source, {name: total[name] * times for name in COSTS})


def _assumed(wanted: Wanted, given: Assumed) -> CellPower:
    try:
        pilot = assumed_deviation(given.deviation, questions=given.questions, correlation=given.correlation)
    except ValueError as error:
        raise ConfigError(f"assumptions: {error}") from error
    found = needed(pilot, wanted.size, aim=AIM, tests=given.tests)
    return CellPower("any two cells", *_numbers(found), deviation=given.deviation)


def _compared(wanted: Wanted, results: SweepResults, baseline: str) -> tuple[CellPower, ...]:
    metric = results.metric(wanted.metric)
    samples = {}
    known = {name for cell in results.cells for name in (cell.name, *cell.facts["pipelines"])}
    for cell, base in results.pairs(baseline if baseline in known else None):
        if cell.control or base.control or cell.facts["examples"] != base.facts["examples"]:
            continue
        clusters = cell.clusters
        sample = pairs_of(cell.scores(metric), base.scores(metric), clusters)
        if sample.p is not None:
            samples[cell.name] = sample
    if not samples:
        raise ConfigError(f"{results.name} is no pilot: no two cells have {metric} over two clusters or more.")
    return tuple(_of(name, sample, wanted, len(samples)) for name, sample in samples.items())


def _of(name: str, sample: PairedSample, wanted: Wanted, tests: int) -> CellPower:
    pilot = pilot_of(sample)
    clusters = sample.sums.clusters
    if wanted.margin or pilot is None:
        found = needed_for_margin(sample, wanted.size, aim=AIM, tests=tests)
    else:
        found = needed(pilot, wanted.size, aim=AIM, tests=tests)
    reach = None if pilot is None else smallest(pilot, clusters, aim=AIM, tests=tests)
    deviation = None if pilot is None else _deviation(pilot)
    return CellPower(name, *_numbers(found), len(sample.differences), clusters, reach, deviation)


def _deviation(pilot: Pilot) -> float:
    """Returns the standard deviation that independent questions would need to have for the same variance."""
    return math.sqrt(pilot.variance * pilot.questions)


def _numbers(found: Needed | None) -> tuple[int | None, int | None]:
    return (None, None) if found is None else (found.questions, found.clusters)
