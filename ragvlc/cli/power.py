"""Options and output of `ragvlc estimate --difference`: the questions that a difference needs, and their cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragvlc.cli.amounts import money_text, seconds_text
from ragvlc.cli.app import is_results, out, results_folder, runs_folder
from ragvlc.core.errors import ConfigError

if TYPE_CHECKING:
    from ragvlc.estimate.estimate import Options
    from ragvlc.estimate.power import Assumed, PowerPlan
    from ragvlc.results.loading import SweepResults
    from ragvlc.sweep.spec import Sweep

__all__ = [
    "CorrelationOption",
    "DeviationOption",
    "DifferenceOption",
    "MetricOption",
    "PerClusterOption",
    "PilotOption",
    "PowerOptions",
    "power_plans",
    "print_power",
]

DifferenceOption = Annotated[
    float | None, typer.Option(help="Also estimate how many questions find this difference between two cells.")
]
PilotOption = Annotated[
    str | None, typer.Option("--from", metavar="RUN", help="Earlier run that shows how differences vary.")
]
MetricOption = Annotated[str | None, typer.Option(help="Metric of the difference; the first by default.")]
DeviationOption = Annotated[
    float | None, typer.Option("--sd", help="Instead of a pilot: standard deviation of a question's difference.")
]
CorrelationOption = Annotated[
    float | None, typer.Option("--icc", help="With --sd: correlation of the differences within a cluster.")
]
PerClusterOption = Annotated[
    float | None, typer.Option("--per-cluster", help="With --sd: questions in a cluster; as in the data by default.")
]


@dataclass(frozen=True, slots=True)
class PowerOptions:
    """The options of `ragvlc estimate` on power.

    Attributes:
        difference: to be found.
        pilot: results folder or experiment, from which it is known how differences vary.
        metric: label.
        deviation: assumed standard deviation of a question's difference.
        correlation: assumed within a cluster.
        per_cluster: assumed questions of a cluster.
    """

    difference: float | None = None
    pilot: str | None = None
    metric: str | None = None
    deviation: float | None = None
    correlation: float | None = None
    per_cluster: float | None = None

    @property
    def given(self) -> bool:
        """Whether any is set."""
        return self != PowerOptions()


def power_plans(sweep: Sweep, target: str, runs: Path, options: Options, asked: PowerOptions) -> list[PowerPlan]:
    """Returns the plans that the options, or the margins of the experiment's `decide`, ask for.

    Raises:
        ConfigError: there is nothing to find, or nothing to know it from.
    """
    from ragvlc.estimate.estimate import estimate
    from ragvlc.estimate.power import planned, wanted_by

    _check_scale(sweep, asked)
    wanted = wanted_by(sweep, asked.difference, asked.metric)
    if not wanted:
        if asked.given:
            raise ConfigError("give --difference, the smallest that matters, such as 0.05; or `decide` in the file.")
        return []
    pilot = _pilot(sweep, runs_folder(target, runs), runs, asked)
    if pilot is None:  # an experiment with `decide` that was not run yet
        return []
    whole = estimate(sweep, runs_folder(target, runs), replace(options, everything=True))
    replaced = sweep.decide.baseline or sweep.replaceable if sweep.decide is not None else ""
    return [planned(one, pilot, whole, replaced if one.margin else "") for one in wanted]


def _check_scale(sweep: Sweep, asked: PowerOptions) -> None:
    """Raises `ConfigError` for what no difference of scores from 0 to 1 can be; own metrics may have other scales."""
    kinds = {metric.label: metric.kind for metric in sweep.metrics}
    kind = kinds.get(asked.metric or next(iter(kinds), ""), "")
    for name, value in (("--difference", asked.difference), ("--sd", asked.deviation)):
        if kind and ":" not in kind and value is not None and value > 1:
            raise ConfigError(
                f"{name} {value:g}: scores are from 0 to 1, and so it is at most 1. Five points are 0.05."
            )


def print_power(found: PowerPlan) -> None:
    """Prints the questions that each comparison needs, and the cost of all."""
    from rich.table import Table

    wanted, screen = found.wanted, out()
    several = f", {found.tests} comparisons" if found.tests > 1 else ""
    if wanted.margin:
        aim = f"to show a level cell to be not worse by {wanted.size:g} in {wanted.metric}"
    else:
        aim = f"to find a difference of {wanted.size:g} in {wanted.metric}"
    table = Table("cell", title=f"Questions {aim}, four times in five{several}", title_justify="left", box=None)
    table.pad_edge = False
    for head in ("pilot:\nquestions", "clusters", "finds from", "sd", "needed:\nquestions", "clusters"):
        table.add_column(head, justify="right")
    for cell in found.cells:
        asked = [f"{cell.pilot_questions:,}", f"{cell.pilot_clusters:,}"] if cell.pilot_questions else ["-", "-"]
        figures = [_figure(cell.reach), _figure(cell.deviation)]
        table.add_row(cell.name, *asked, *figures, _count(cell.questions), _count(cell.clusters))
    screen.print()
    screen.print(table)
    screen.print(f"From {found.source}. Further questions are taken to be like these, and as many in a cluster.")
    if found.few:
        screen.print("So few clusters in the pilot: take the numbers as an order of magnitude.")
    if found.hardest is None:
        screen.print("No practical number of questions would do: choose a larger difference, or choose by cost.")
        return
    screen.print(f"All cells over {found.hardest.questions:,} questions: {_costs(found)}.")


def _pilot(sweep: Sweep, own: Path, runs: Path, asked: PowerOptions) -> SweepResults | Assumed | None:
    from ragvlc.sweep.derived import load_results

    if asked.deviation is not None:
        if asked.pilot is not None:
            raise ConfigError("--from is a pilot and --sd an assumption: give one of the two.")
        return _assumed(sweep, asked)
    if asked.correlation is not None or asked.per_cluster is not None:
        raise ConfigError("--icc and --per-cluster belong to --sd: a pilot knows them itself.")
    if asked.pilot is not None:
        return load_results(results_folder(asked.pilot, runs))
    if is_results(own / sweep.name):
        return load_results(own / sweep.name)
    if asked.given:
        raise ConfigError(
            f"{sweep.name} has no stored answers to go by. Give --from RUN, an earlier run like it; or run a few "
            "questions first (--limit 30); or give --sd, the standard deviation of a question's difference between two "
            "cells (right or wrong: about the root of the share of questions that only one of them gets right)."
        )
    return None


def _assumed(sweep: Sweep, asked: PowerOptions) -> Assumed:
    from ragvlc.estimate.power import Assumed
    from ragvlc.sweep.plan import plan

    cells = plan(sweep)
    per_cluster = asked.per_cluster
    if per_cluster is None:
        examples = cells[0].dataset.load()
        clusters = {example.cluster or place for place, example in enumerate(examples)}
        per_cluster = len(examples) / max(1, len(clusters))
    if per_cluster > 1 and asked.correlation is None:
        raise ConfigError(
            f"--sd: give --icc, too: there are {per_cluster:.3g} questions in a cluster, and how alike their "
            "differences are decides how many it takes; 0.2 is common, 0 is optimistic."
        )
    tests = max(1, sum(not cell.control for cell in cells) - 1)
    return Assumed(asked.deviation or 0.0, asked.correlation or 0.0, per_cluster, tests)


def _costs(found: PowerPlan) -> str:
    costs = found.costs
    words = [f"{costs['prompt_tokens']:,.0f} prompt and {costs['completion_tokens']:,.0f} new tokens"]
    words += [seconds_text(costs["seconds"])]
    words += [f"money {money_text(costs['money'])}"] if costs["money"] != 0 else []
    return ", ".join(words)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


def _count(value: int | None) -> str:
    return "too many" if value is None else f"{value:,}"
