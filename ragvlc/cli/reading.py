"""Results: the comparison, one question through all cells, MLflow."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ragvlc.cli.app import RUNS, ResultsArg, RunsOption, app, out, results_folder
from ragvlc.core.errors import StoreError

__all__ = ["print_report"]


@app.command()
def report(
    results: ResultsArg,
    baseline: Annotated[str | None, typer.Option(help="Pipeline or cell to compare with.")] = None,
    runs: RunsOption = RUNS,
) -> None:
    """Print the comparison: scores with intervals, differences to the baseline, costs."""
    print_report(results_folder(results, runs), baseline)


@app.command()
def show(
    results: ResultsArg,
    question: Annotated[str | None, typer.Option(help="Id of a question; without it, all are listed.")] = None,
    runs: RunsOption = RUNS,
) -> None:
    """Show one question through every cell: answers, scores, failures."""
    from ragvlc.analysis.questions import one_question, question_list
    from ragvlc.sweep.results import Results

    loaded = Results.load(results_folder(results, runs))
    for part in one_question(loaded, question) if question else question_list(loaded):
        out().print(part)


@app.command()
def ui(
    results: Annotated[str, typer.Argument(help="A results folder, or the folder of all results.")] = "runs",
    port: Annotated[int, typer.Option(help="On this machine.")] = 5000,
) -> None:
    """Open MLflow on the store that holds the results."""
    import subprocess

    from ragvlc.trackers.mlflow import charts_page, ui_command

    command = ui_command(results, port)
    out().print(f"MLflow at http://127.0.0.1:{port} (Ctrl-C ends it)")
    folder = Path(results)
    sweeps = (
        [folder] if (folder / "cells.json").is_file() else sorted(path.parent for path in folder.glob("*/cells.json"))
    )
    for sweep in sweeps:
        try:
            out().print(f"  {sweep.name}, its cells side by side: {charts_page(results, sweep.name, port)}")
        except StoreError as error:
            out().print(f"  {error}")
    try:
        sys.exit(subprocess.run(command, check=False).returncode)  # noqa: S603 - our own command
    except KeyboardInterrupt:
        sys.exit(130)


def print_report(folder: Path, baseline: str | None) -> None:
    """Prints the comparison."""
    from ragvlc.analysis.report import terminal_report
    from ragvlc.sweep.results import Results

    for part in terminal_report(Results.load(folder), baseline):
        out().print(part)
