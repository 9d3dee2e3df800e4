"""Commands on sweeps: `plan`, `run`, `score` and `track`."""

from __future__ import annotations

import math
import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Annotated

import typer

from ragvlc.cli.amounts import seconds_text
from ragvlc.cli.app import (
    RUNS,
    ExperimentArg,
    LimitOption,
    RunsOption,
    SetOption,
    app,
    is_quiet,
    load_sweep,
    out,
    print_columns,
    runs_folder,
)
from ragvlc.cli.interrupting import received
from ragvlc.cli.reading import KnownSoFar, files_of, print_failures, print_report
from ragvlc.core.errors import ConfigError, RagvlcError
from ragvlc.core.texts import several, visible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ragvlc.core.jobs import Counts, SetupResult
    from ragvlc.sweep.spec import Sweep

_MOST_FORETOLD = 24
"""Cells of a sweep whose duration is estimated before it runs; of larger ones, `ragvlc estimate` does it."""
_FORETOLD_SAMPLE = 12
"""Questions of a cell that are counted for it."""


@app.command()
def plan(experiment: ExperimentArg, settings: SetOption = None, limit: LimitOption = None) -> None:
    """Show the cells of an experiment and the work they share. Loads no model."""
    from ragvlc.documents.dataset import loaded
    from ragvlc.results.generated import generated_share
    from ragvlc.sweep import plan as planning
    from ragvlc.sweep.racing import check_strategy, raced_metric
    from ragvlc.sweep.windows import cut_remarks

    sweep = load_sweep(experiment, settings, limit)
    cells, raced = planning.plan(sweep), raced_metric(sweep).label
    datasets = {cell.dataset.key: cell.dataset for cell in cells}
    asked = loaded(datasets)
    check_strategy(sweep, cells, asked)
    questions = {key: len(examples) for key, examples in asked.items()}
    print_columns(
        sweep.name,
        ("cell", "key", "questions"),
        [(cell.name, cell.key, str(questions[cell.dataset.key])) for cell in cells],
    )
    work = planning.distinct_work(cells)
    answers = sum(questions[cell.dataset.key] for cell in cells)
    out().print(
        f"{several(len(cells), 'cell')}, {several(answers, 'answer')}. Computed once for each document and question: "
        f"{several(work['chunkings'], 'chunking')}, {several(work['rankings'], 'ranking')}; identical prompts are "
        "generated once."
    )
    if judges := planning.judges(sweep):
        out().print(
            f"Models of {', '.join(judges)} are asked about each of these answers; `ragvlc estimate` says how many are "
            "left, for how many tokens and how much money.",
            soft_wrap=True,
        )
    if sweep.strategy.stops:
        own = 0.0 if sweep.decide is None or sweep.strategy.searches else sweep.decide.margins.get(raced, 0.0)
        margin = f", margin {own:g}" if own else ""
        out().print(
            f"Strategy {sweep.strategy.kind}, by {raced}{margin}: asks fewer than these answers; "
            "`ragvlc estimate` says how many.",
            soft_wrap=True,
        )
    for remark in planning.remarks(cells):
        out().print(visible(remark))
    if sweep.repeats > 1 and not all(cell.pipeline.random for cell in cells):
        out().print("Cells without random parts run once, regardless of `repeats`.")
    for key, dataset in datasets.items():
        reasons = "; ".join(f"{count} {reason}" for reason, count in asked[key].skipped.items())
        if reasons:
            out().print(f"Left out of {dataset.name}: {reasons}.", soft_wrap=True)
    for key, examples in asked.items():
        share = generated_share((example.tags for example in examples), examples.skipped)
        if share is not None:
            out().print(f"{datasets[key].name}: {share.sentence}", soft_wrap=True)
    for note in dict.fromkeys(note for examples in asked.values() for note in examples.notes):
        out().print(f"- {note}", soft_wrap=True)
    for remark in cut_remarks(cells, asked):
        out().print(f"Warning: {visible(remark)}", markup=False, soft_wrap=True)


@app.command()
def run(
    experiment: ExperimentArg,
    settings: SetOption = None,
    limit: LimitOption = None,
    runs: RunsOption = RUNS,
    retry: Annotated[str | None, typer.Option("--retry", help="Give `failed` to retry failed questions.")] = None,
    wait: Annotated[
        float, typer.Option("--wait", min=0, metavar="SECONDS", help="Wait this long for servers to come up.")
    ] = 0.0,
    over_budget: Annotated[bool, typer.Option("--over-budget", help="Start even if the budget is exceeded.")] = False,
) -> None:
    """Run the pending questions of an experiment and print the comparison. Stop with Ctrl-C; run again to continue."""
    from ragvlc.analysis.results import Results
    from ragvlc.progress import Progress
    from ragvlc.sweep.runner import SweepInterrupted, run_sweep

    if retry not in (None, "failed"):
        raise ConfigError(f"--retry {retry}: not known. Known: failed.")
    sweep = load_sweep(experiment, settings, limit)
    if sweep.budget is not None and not over_budget:
        from ragvlc.estimate.limits import over_budget as exceeded

        if problems := exceeded(sweep, runs_folder(experiment, runs)):
            raise ConfigError(problems)
    if not is_quiet():
        _say_how_long(sweep, runs_folder(experiment, runs))
    load = cache(Results.load)  # the page and the terminal show the same rows
    try:
        with Progress(KnownSoFar(), quiet=is_quiet()) as watcher:
            outcome = run_sweep(
                sweep,
                runs_folder(experiment, runs),
                retry_failed=retry == "failed",
                watcher=watcher,
                finish=lambda folder: files_of(load(folder)),
                wait_seconds=wait,
            )
    except SweepInterrupted as stopped:
        left = stopped.total - stopped.stored
        rest = f"the other {left}" if left else "the report"
        rest = f"those that the {sweep.strategy.kind} still needs" if left and sweep.strategy.stops else rest
        received.tell(f"{visible(str(stopped))}. Run the same command again for {rest}.")
        raise
    print_report(load(outcome.folder), None)
    out().print(f"The same with figures and answers side by side: {outcome.folder / 'report.html'}")
    _print_sharing(outcome.counts)
    _print_trials(outcome.trials)
    if outcome.untracked:
        out().print(
            f"Not sent to the tracker: {visible(outcome.untracked)}\nSend it with: ragvlc track {outcome.folder}"
        )
    elif sweep.tracker.kind == "mlflow":
        out().print(f"Browse it in MLflow: ragvlc ui {outcome.folder}")
    print_failures(load(outcome.folder), outcome.status)
    sys.exit(0 if outcome.complete else 1)


@app.command()
def score(
    experiment: ExperimentArg, settings: SetOption = None, limit: LimitOption = None, runs: RunsOption = RUNS
) -> None:
    """Score stored answers again after metrics or references changed. Loads only the metrics' models."""
    from ragvlc.analysis.results import Results
    from ragvlc.sweep.tracking import rescore

    loaded = Results.load(rescore(load_sweep(experiment, settings, limit), runs_folder(experiment, runs)))
    print_report(loaded, None)
    print_failures(loaded)


@app.command()
def track(
    experiment: ExperimentArg, settings: SetOption = None, limit: LimitOption = None, runs: RunsOption = RUNS
) -> None:
    """Send stored results to the tracker again; nothing is duplicated. Exit status 1: something was not sent."""
    from ragvlc.analysis.results import Results
    from ragvlc.sweep.derived import load_results
    from ragvlc.sweep.tracking import send

    sweep = load_sweep(experiment, settings, limit)
    folder = runs_folder(experiment, runs)
    load_results(folder / sweep.name)  # makes damaged files anew
    problem = send(sweep, folder, finish=lambda folder: files_of(Results.load(folder)))
    if problem:
        sys.stderr.write(f"error: not sent to the tracker: {visible(problem)}\n")
        sys.exit(1)
    out().print("sent")


def _say_how_long(sweep: Sweep, runs: Path) -> None:
    """Prints how long the pending questions will take, where models are computed here and the sweep is small.

    Where nothing was measured before, this machine is probed for two seconds.
    """
    from ragvlc.estimate.estimate import Options, estimate
    from ragvlc.sweep.plan import combinations
    from ragvlc.sweep.plan import plan as planned

    if combinations(sweep) > _MOST_FORETOLD or sweep.executor.kind != "local":
        return
    kinds = {model.kind for cell in planned(sweep) for model in cell.pipeline.generators.values()}
    if "transformers" not in kinds:
        return
    try:
        total = estimate(sweep, runs, Options(sample=_FORETOLD_SAMPLE)).total
    except RagvlcError:
        return  # running it says what is wrong
    if total["calls"] and math.isfinite(total["seconds"]):
        out().print(
            f"This will take about {seconds_text(total['seconds'])} here, and half a minute to load: "
            f"{several(round(total['questions']), 'answer')}, {total['prompt_tokens'] - total['cached_tokens']:,.0f} "
            f"prompt tokens to compute.{_busy()} Tables of what is known so far come after the first minute.",
            soft_wrap=True,
        )
        sys.stdout.flush()


def _busy() -> str:
    """Returns a sentence if other work keeps this machine's processors busy, which makes an estimate too long."""
    load, cores = (os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0), os.cpu_count() or 1
    return (
        f" Other work keeps its {cores} cores busy (load {load:.0f}); without it, it is less." if load > cores else ""
    )


def _print_trials(trials: Sequence[SetupResult]) -> None:
    """Prints the number of short questions asked before the first one, which no answer is charged for."""
    from ragvlc.core.answer import Usage

    asked = [one for one in trials if one.usage.calls]
    if asked:
        usage = sum((one.usage for one in asked), Usage())
        words = "1 short question" if len(asked) == 1 else f"{len(asked)} short questions"
        out().print(
            f"Asked before the first question: {words}, one for each served model, {usage.prompt_tokens} prompt and "
            f"{usage.completion_tokens} new tokens, charged to no answer."
        )


def _print_sharing(counts: Counts) -> None:
    words = {
        "generate": "prompts",
        "rank": "rankings",
        "rerank": "rerankings",
        "index": "indexes",
        "chunk": "chunkings",
    }
    parts = []
    for stage, word in words.items():
        asked, stored = counts.asked.get(stage, 0), counts.stored.get(stage, 0)
        again = asked - counts.computed.get(stage, 0)
        where = f" ({stored} from earlier runs)" if stored else ""
        if asked:
            parts.append(f"{asked} {word}, {again} of them cache hits{where}")
    if parts:
        out().print("Requested in this run: " + "; ".join(parts) + ".")
