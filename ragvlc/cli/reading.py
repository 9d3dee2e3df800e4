"""Commands on stored results: `report`, `show`, `compare` and `ui`."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragvlc.cli.app import RUNS, ResultsArg, RunsOption, app, is_results, out, results_folder
from ragvlc.core.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from ragvlc.analysis.decisions import CellDecision
    from ragvlc.analysis.results import Results

__all__ = ["KnownSoFar", "files_of", "print_failures", "print_report"]


@app.command()
def report(
    results: ResultsArg,
    baseline: Annotated[str | None, typer.Option(help="Pipeline or cell to compare with.")] = None,
    effective_length: Annotated[
        str | None,
        typer.Option(
            "--effective-length",
            metavar="METRIC=MARGIN",
            help="Also the longest context at which a route loses no more than the margin, such as contains=0.05.",
        ),
    ] = None,
    runs: RunsOption = RUNS,
    decide: Annotated[
        list[str] | None,
        typer.Option("--decide", metavar="METRIC=MARGIN", help="Decide with this margin, such as contains=0.03."),
    ] = None,
    cost: Annotated[
        str, typer.Option(help="Cost that a decision rests on: tokens, money, seconds or first_token.")
    ] = "",
    gap: Annotated[
        float | None,
        typer.Option(
            min=0, help="With prices: seconds between two questions about a document, for caches that expire."
        ),
    ] = None,
) -> None:
    """Print the comparison of the cells, and write it as an HTML page with figures.

    With --decide also which cell may replace the baseline, how sure that is, and at what cost. With prices also the
    money by questions about one document, as if a provider's prefix cache were used (cache-augmented generation, CAG).
    """
    from ragvlc.analysis.embedded import stored_texts
    from ragvlc.analysis.page import write_html
    from ragvlc.sweep.derived import load_results

    loaded = load_results(results_folder(results, runs))
    if effective_length is not None:
        loaded = loaded.with_effective_length(*_metric_and_margin(effective_length))
    loaded = loaded if gap is None else loaded.with_gap(gap)
    decisions = _decisions(loaded, decide, cost, baseline)
    print_report(loaded, baseline, decisions)
    page = write_html(loaded, baseline, stored_texts(loaded), decisions)
    out().print(f"The same with figures and answers side by side: {page}")
    print_failures(loaded)


@app.command()
def show(  # noqa: PLR0913, PLR0917 - options of a command are parameters
    results: ResultsArg,
    question: Annotated[str | None, typer.Option(help="Id of a question to show; by default, all are listed.")] = None,
    passages: Annotated[
        bool, typer.Option("--passages", help="Also show the passages and steps of each cell.")
    ] = False,
    wrong: Annotated[
        bool,
        typer.Option(
            "--wrong", help="List questions on which some cell lacks the best score (1, or 0 where less is better)."
        ),
    ] = False,
    flipped: Annotated[
        tuple[str, str] | None,
        typer.Option("--flipped", metavar="CELL CELL", help="List questions that these cells score differently on."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="GROUP", help="Means of groups: cluster, document, task, or tag:NAME."),
    ] = None,
    metric: Annotated[str | None, typer.Option(help="Metric to filter and group by; the first by default.")] = None,
    runs: RunsOption = RUNS,
) -> None:
    """List the questions and the failures of cells, or show every cell's answer, scores or failure for one question."""
    from ragvlc.analysis.embedded import stored_texts
    from ragvlc.analysis.generated import generated_lines
    from ragvlc.analysis.question_filters import filtered_questions, grouped_questions
    from ragvlc.analysis.questions import one_question, question_list
    from ragvlc.analysis.report import official_parts, race_parts
    from ragvlc.sweep.derived import load_results

    if passages and question is None:
        raise ConfigError("--passages: needs --question ID. Without it, all questions are listed.")
    if question is not None and (wrong or flipped or by or metric):
        raise ConfigError("--question: shows one question; leave out --wrong, --flipped, --by and --metric.")
    loaded = load_results(results_folder(results, runs))
    if wrong or flipped or by or metric:
        label = loaded.metric(metric)
        chosen, parts = filtered_questions(loaded, label, wrong=wrong, flipped=flipped)
        parts = parts if by is None else grouped_questions(loaded, label, by, chosen)
    elif question is None:
        parts = [*question_list(loaded), *official_parts(loaded), *race_parts(loaded)]
    else:
        parts = one_question(loaded, question, passages=passages, texts=stored_texts(loaded) if passages else None)
    for part in (*parts, *generated_lines(loaded)):
        out().print(part)
    if question is None:
        print_failures(loaded)


@app.command()
def compare(
    results: ResultsArg,
    first: Annotated[str, typer.Argument(help="Name of a cell, or of a pipeline with a single cell.")],
    second: Annotated[str, typer.Argument(help="Name of the cell to compare the first one with.")],
    other: Annotated[str | None, typer.Option("--with", help="Results folder of the second cell.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="Metric that decides which questions count as flipped; the first by default.")
    ] = None,
    runs: RunsOption = RUNS,
) -> None:
    """Compare two cells question by question, from one results folder or from two."""
    from ragvlc.analysis.compare import comparison
    from ragvlc.analysis.generated import generated_lines
    from ragvlc.sweep.derived import load_results

    beside = load_results(results_folder(other, runs), only=[second]) if other else None
    loaded = load_results(results_folder(results, runs), only=[first] if other else [first, second])
    for part in (*comparison(loaded, first, second, other=beside, metric=metric), *generated_lines(loaded)):
        out().print(part)


@app.command()
def ui(
    results: Annotated[str, typer.Argument(help="A results folder, or the folder of all results.")] = "runs",
    port: Annotated[int, typer.Option(help="Local port of the web interface.")] = 5000,
) -> None:
    """Start MLflow's web interface for the stored results."""
    import subprocess

    from ragvlc.trackers.mlflow import charts_page, ui_command

    command = ui_command(results, port)
    out().print(f"MLflow at http://127.0.0.1:{port} (Ctrl-C stops it)")
    folder = Path(results)
    sweeps = [folder] if is_results(folder) else sorted(path for path in folder.glob("*") if is_results(path))
    for sweep in sweeps:
        try:
            out().print(f"  {sweep.name}, its cells side by side: {charts_page(results, sweep.name, port)}")
        except StoreError as error:
            out().print(f"  {error}")
    try:
        sys.exit(subprocess.run(command, check=False).returncode)  # noqa: S603 - our own command
    except KeyboardInterrupt:
        sys.exit(130)


def _decisions(
    results: Results, margins: list[str] | None, cost: str, baseline: str | None
) -> list[CellDecision] | None:
    """Returns the decisions that the options of `report` ask for; None for that of the experiment."""
    from ragvlc.analysis.decisions import decided, made_decide

    if not margins:
        if cost:
            raise ConfigError(f"--cost {cost}: needs --decide METRIC=MARGIN.")
        return None
    metric = {}
    for given in margins:
        label, separator, text = given.partition("=")
        try:
            metric[label.strip()] = float(text)
        except ValueError:
            problem = "" if separator else " The margin has no default."
            raise ConfigError(f"--decide {given}: needs METRIC=MARGIN, such as contains=0.03.{problem}") from None
    return decided(results, made_decide(metric, None, cost or "tokens", baseline or ""), afterwards=True)


def _metric_and_margin(given: str) -> tuple[str, float]:
    metric, separator, margin = given.partition("=")
    try:
        return metric.strip(), float(margin)
    except ValueError:
        problem = "" if separator else " The margin has no default."
        message = f"--effective-length {given}: needs METRIC=MARGIN, such as contains=0.05.{problem}"
        raise ConfigError(message) from None


def print_report(results: Results, baseline: str | None, decisions: Sequence[CellDecision] | None = None) -> None:
    """Prints the comparison of a sweep's cells, and the decision; by default that of the experiment."""
    from ragvlc.analysis.report import terminal_report

    for part in terminal_report(results, baseline, decisions):
        out().print(part)


class KnownSoFar:
    """Prints what a race or search knows after a block, and writes the page; both are marked as of so far.

    The page is left out where writing it would take more than a tenth of the time.
    """

    def __init__(self) -> None:
        self._next_page = 0.0

    def __call__(self, folder: Path) -> None:
        """Shows the results in a folder."""
        from ragvlc.analysis.page import write_html
        from ragvlc.analysis.report import known_so_far
        from ragvlc.analysis.results import Results

        results = Results.load(folder)
        for part in known_so_far(results):
            out().print(part)
        sys.stdout.flush()  # a log is read while the run goes on
        begun = time.monotonic()
        if begun >= self._next_page:
            write_html(results)
            self._next_page = time.monotonic() + 10 * (time.monotonic() - begun)


def print_failures(results: Results, status: Mapping[str, str] | None = None) -> None:
    """Prints the failures of each cell and what to do next; `status` maps each cell key to its final status."""
    from ragvlc.analysis.failures import failure_lines

    for line in failure_lines(results, status):
        out().print(line, soft_wrap=True)  # a command that is broken into lines cannot be copied


def files_of(results: Results) -> dict[str, Path]:
    """Writes the HTML page and the figures; returns their paths by file name."""
    from ragvlc.analysis.embedded import stored_texts
    from ragvlc.analysis.files import report_files

    return report_files(results, stored_texts(results))
