"""Defines the command-line application, and the arguments and output console that all commands share."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ragvlc.core.errors import ConfigError
from ragvlc.core.given_paths import path_of, real_path
from ragvlc.core.texts import visible

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment
    from rich.text import Text

    from ragvlc.sweep.spec import Sweep

__all__ = [
    "RUNS",
    "ExperimentArg",
    "LimitOption",
    "ResultsArg",
    "RunsOption",
    "SetOption",
    "app",
    "is_quiet",
    "is_results",
    "load_sweep",
    "out",
    "print_columns",
    "results_folder",
    "runs_folder",
    "settings_of",
]

RUNS = Path("runs")

app = typer.Typer(
    name="ragvlc",
    help="Compare full context, retrieval and routing between the two on your documents, questions and model.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_loudness = {"quiet": False}


def _version(*, asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"ragvlc {version('ragvlc')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=lambda asked: _version(asked=asked), is_eager=True, help="Show it.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say more: what is opened and why, and causes of errors.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say less: results, warnings and errors only.")] = False,
) -> None:
    """Compare full context, retrieval and routing between the two on your documents, questions and model."""
    del version
    _loudness["quiet"] = quiet
    logging.getLogger("ragvlc").setLevel(logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO)


def is_quiet() -> bool:
    """Returns whether `--quiet` was given."""
    return _loudness["quiet"]


def known_experiments(incomplete: str) -> list[str]:
    """Returns the shipped experiments and the stored results whose names begin so, for the shell's completion."""
    from ragvlc import config

    names = {*config.shipped("experiments"), *map(str, (path.parent for path in RUNS.glob("*/sweep.yaml")))}
    return sorted(name for name in names if name.startswith(incomplete))


ExperimentArg = Annotated[
    str,
    typer.Argument(
        help="A YAML file, the name of a shipped experiment, or a results folder.", autocompletion=known_experiments
    ),
]
ResultsArg = Annotated[
    str, typer.Argument(help="A results folder, or the experiment that produced it.", autocompletion=known_experiments)
]
RunsOption = Annotated[Path, typer.Option("--runs", help="Folder of all results.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Override one setting; relative paths resolve against the working directory.",
    ),
]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="Limit the number of questions.")]


def settings_of(settings: list[str] | None) -> dict[str, Any]:
    """Returns the values given by `--set PATH=VALUE`, keyed by path."""
    from ragvlc.core.yaml_text import parse_value

    found: dict[str, Any] = {}
    for setting in settings or []:
        path, separator, text = setting.partition("=")
        if not separator:
            raise ConfigError(f"--set {setting}: needs PATH=VALUE.")
        found[path.strip()] = parse_value(text, f"--set {setting}")
    return found


def load_sweep(experiment: str, settings: list[str] | None, limit: int | None) -> Sweep:
    """Returns the sweep of an experiment, with the settings given on the command line.

    A results folder's sweep has the name that the folder has now, so that a renamed one is continued where it is.
    """
    from ragvlc import config
    from ragvlc.replay.spec import is_replay
    from ragvlc.sweep.spec import Sweep

    overrides = settings_of(settings)
    if limit is not None:
        overrides["dataset.limit"] = limit
    found: str | Path = experiment
    if is_results(Path(experiment)):
        found = Path(experiment) / "sweep.yaml"
        overrides.setdefault("name", real_path(Path(experiment)).name)
    if is_replay(config.find_file(str(found), "experiments")):
        raise ConfigError(f"{experiment}: describes a replay of stored answers. Run: ragvlc replay {experiment}")
    return Sweep.load(found, overrides=overrides)


def is_results(folder: Path) -> bool:
    """Returns whether the folder holds the results of a sweep."""
    from ragvlc.results import store

    return store.is_results(path_of(folder))


def runs_folder(experiment: str, runs: Path) -> Path:
    """Returns the folder of all results: the parent of the given results folder, or else `runs`."""
    return real_path(Path(experiment)).parent if is_results(Path(experiment)) else path_of(runs)


def results_folder(results: str, runs: Path) -> Path:
    """Returns the given results folder, or the folder `runs/<name>` of the given experiment."""
    path, runs = path_of(results), path_of(runs)
    if path.is_file():
        from ragvlc.config import read_yaml

        return path_of(runs / str(read_yaml(path).get("name", path.stem)))
    return next((folder for folder in (path, runs / path) if is_results(folder)), runs / path.name)


def print_columns(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table whose rows may be many thousands: a line each, which a narrow terminal breaks where it ends."""
    from rich.cells import cell_len

    shown = [[visible(value) for value in row] for row in (heads, *rows)]
    widths = [max(map(cell_len, column)) for column in zip(*shown, strict=True)]
    lines = [
        "  ".join(value + " " * (width - cell_len(value)) for value, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    ]
    out().print(title, style="italic")
    out().print(lines[0], style="bold", soft_wrap=True)
    sys.stdout.write("".join(f"{line}\n" for line in lines[1:]))


def out() -> Console:
    """Returns a console for standard output, as wide as the terminal; without a terminal, no text is wrapped."""
    from rich.console import Console
    from rich.segment import Segment

    class SafeConsole(Console):
        """A console on which texts of documents, models and files are shown, not obeyed."""

        def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 - as they are
            return super().render_str(visible(text), **options)

        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(visible(segment.text), segment.style)

    free = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return SafeConsole(width=160 if free else None, soft_wrap=free, markup=False, highlight=False, emoji=False)
