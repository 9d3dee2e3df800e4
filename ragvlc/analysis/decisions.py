"""Decisions with a margin: which cell may replace the baseline, how sure that is, and at what cost.

A test of non-inferiority of every cell against the baseline, paired by question and clustered; see
`ragvlc.statistics.decisions`. Among the cells that are not worse and cost less than the baseline with 95 % confidence,
the cheapest one is recommended. Each data set has its own decision, corrected for the cells compared on it. Controls
and incomplete cells cannot be recommended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ragvlc import config
from ragvlc.analysis.front import front
from ragvlc.core.decision import Decide
from ragvlc.core.errors import ConfigError, nearest
from ragvlc.results.costs import question_costs
from ragvlc.statistics.decisions import MarginDecision, MarginVerdict, cost_ratio, decide
from ragvlc.statistics.differences import PairedSample, flips_for, pairs_of
from ragvlc.statistics.intervals import Interval
from ragvlc.statistics.power import needed_for_margin

if TYPE_CHECKING:
    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["CellDecision", "Rival", "decided", "made_decide", "stored_decide", "stored_decisions"]


@dataclass(frozen=True, slots=True)
class Rival:
    """A cell compared with the baseline.

    Attributes:
        cell: that might replace the baseline.
        baseline: the cell that it is paired with.
        decision: on all metrics, corrected for several rivals.
        cost: its cost divided by that of the baseline.
        needed: questions that would most likely show it to be not worse if it is level; None if it is settled, or if no
            practical number would.
        obstacle: why no decision is possible, such as missing answers; empty if there is none.
        dominated_by: a cell that scores higher and costs less with confidence; empty if there is none.
    """

    cell: CellResult
    baseline: CellResult
    decision: MarginDecision
    cost: Interval
    needed: int | None
    obstacle: str
    dominated_by: str

    @property
    def name(self) -> str:
        """The cell's name."""
        return self.cell.name

    @property
    def verdict(self) -> MarginVerdict:
        """The verdict on all metrics."""
        return self.decision.verdict

    @property
    def cheaper(self) -> bool:
        """Whether it costs less than the baseline with 95 % confidence."""
        return self.cost.high is not None and self.cost.high < 1

    @property
    def dearer(self) -> bool:
        """Whether it costs more than the baseline with 95 % confidence."""
        return self.cost.low is not None and self.cost.low > 1


@dataclass(frozen=True, slots=True)
class CellDecision:
    """The decision on one data set.

    Attributes:
        dataset: its name.
        spec: metrics, margins and cost that it rests on.
        baseline: name of the pipeline or cell that may be replaced.
        rivals: all other cells but controls, in the order of the plan.
        ship: the recommended cell; empty if nothing is shown to be as good for less.
        afterwards: whether the margin was given after the run, when its results may have been seen.
    """

    dataset: str
    spec: Decide
    baseline: str
    rivals: tuple[Rival, ...]
    ship: str
    afterwards: bool = False

    @property
    def settled(self) -> bool:
        """Whether every rival is shown to be better, not worse, lower or worse."""
        return all(rival.verdict is not MarginVerdict.NOT_SETTLED for rival in self.rivals)

    def rival(self, name: str) -> Rival:
        """Returns the rival with this name. Raises `ConfigError` for any other."""
        for one in self.rivals:
            if one.name == name:
                return one
        known = [one.name for one in self.rivals]
        raise ConfigError(f"'{name}' is not compared with {self.baseline}. Known: {known}.{nearest(name, known)}")


def stored_decide(results: SweepResults) -> Decide | None:
    """Returns the `decide` of the sweep as last run; None if it had none."""
    given = results.cells[0].facts.get("decide") if results.cells else None
    return None if given is None else Decide.model_validate(given)


def stored_decisions(results: SweepResults) -> list[CellDecision]:
    """Returns the decisions that the sweep's own `decide` leads to; empty if it had none."""
    spec = stored_decide(results)
    return [] if spec is None else decided(results, spec)


def made_decide(
    metric: str | Sequence[str] | Mapping[str, float], margin: float | None, cost: str = "tokens", baseline: str = ""
) -> Decide:
    """Returns the specification of a decision. Raises `ConfigError` if it is not one."""
    given = {
        "metric": metric if isinstance(metric, (str, Mapping)) else tuple(metric),
        "cost": cost,
        "baseline": baseline,
    }
    try:
        return Decide.model_validate(given | ({} if margin is None else {"margin": margin}))
    except ValidationError as error:
        raise ConfigError(config.problems(error, Decide, "decide")) from None


def decided(results: SweepResults, spec: Decide, *, afterwards: bool = False) -> list[CellDecision]:
    """Returns the decision on each data set.

    Args:
        results: of a sweep.
        spec: metrics, margins and cost.
        afterwards: whether `spec` was written after the run.

    Raises:
        ConfigError: no such metric or baseline, or the baseline is a control.
    """
    for label, margin in spec.margins.items():
        if margin >= _largest_score(results, label) and afterwards:
            raise ConfigError(
                f"decide.margin: {margin:g} is all of {label}, whose scores are from 0 to 1. Three hundredths are 0.03."
            )
    facts: Mapping[str, str] = results.cells[0].facts if results.cells else {}
    baseline = spec.baseline or facts.get("replaceable") or facts.get("baseline", "")
    pairs = results.pairs(baseline)
    if any(base.control for _, base in pairs):
        raise ConfigError(
            f"decide.baseline: '{baseline}' is a control, which reads the gold. Name a pipeline that does not."
        )
    found = []
    for name, cells in results.by_dataset().items():
        own = [(cell, base) for cell, base in pairs if cell in cells and base in cells and not cell.control]
        rivals = _rivals(own, spec)
        found.append(CellDecision(name, spec, baseline, rivals, _shipped(rivals), afterwards))
    return found


def _largest_score(results: SweepResults, label: str) -> float:
    """Returns the largest score of any cell, at least 1. Raises `ConfigError` for an unknown metric."""
    metric = results.metric(label)
    return max((1.0, *(score or 0.0 for cell in results.cells for score in cell.scores(metric).values())))


def _rivals(pairs: Sequence[tuple[CellResult, CellResult]], spec: Decide) -> tuple[Rival, ...]:
    if not pairs:
        return ()
    samples = {cell.name: _samples(cell, base, spec, flips_for(len(pairs))) for cell, base in pairs}
    smaller = {label for cell, _ in pairs for label in cell.facts.get("smaller_is_better", ())}
    decisions = decide(samples, spec.margins, smaller_is_better=smaller)
    first = next(iter(spec.margins))
    cells = list({cell.name: cell for pair in pairs for cell in pair}.values())
    dominated = {one.cell.name: one.dominated_by for one in front(cells, first, spec.cost)}
    found = []
    for cell, base in pairs:
        decision, obstacle = decisions[cell.name], _obstacle(cell, base)
        if obstacle:
            decision = replace(decision, verdict=MarginVerdict.NOT_SETTLED)
        ratio = cost_ratio(question_costs(cell, spec.cost), question_costs(base, spec.cost), cell.clusters)
        asked = None
        if decision.verdict is MarginVerdict.NOT_SETTLED and not obstacle:
            asked = _needed(samples[cell.name], spec.margins, len(pairs))
        found.append(Rival(cell, base, decision, ratio, asked, obstacle, dominated.get(cell.name, "")))
    return tuple(found)


def _samples(cell: CellResult, base: CellResult, spec: Decide, flips: int) -> dict[str, PairedSample]:
    clusters = cell.clusters
    return {label: pairs_of(cell.scores(label), base.scores(label), clusters, flips=flips) for label in spec.margins}


def _obstacle(cell: CellResult, base: CellResult) -> str:
    for one in (cell, base):
        if not one.complete:
            return f"{one.name} has {len(one.rows):,} of {len(one.examples):,} questions"
    return ""


def _needed(samples: Mapping[str, PairedSample], margins: Mapping[str, float], tests: int) -> int | None:
    """Returns the number of questions that every metric would most likely need, if the rival is level."""
    found = [needed_for_margin(sample, margins[label], tests=tests) for label, sample in samples.items()]
    known = [one.questions for one in found if one is not None]
    return max(known) if known and len(known) == len(found) else None


def _shipped(rivals: Sequence[Rival]) -> str:
    """Returns the name of the cheapest rival that is not worse and costs less; empty if there is none."""
    found = [one for one in rivals if one.verdict.passed and one.cheaper]
    return min(found, key=lambda one: one.cost.mean or 0.0).name if found else ""
