"""Command `replay`: evaluates routers on stored answers, and compares those in other tools' logs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ragvlc.cli.app import RUNS, LimitOption, RunsOption, SetOption, app, is_results, out, settings_of
from ragvlc.core.errors import ConfigError
from ragvlc.core.given_paths import path_of

if TYPE_CHECKING:
    from ragvlc.replay.spec import Replay


@app.command()
def replay(
    answers: Annotated[
        list[str],
        typer.Argument(
            help="A file of answers, a results folder, a YAML replay file, a shipped replay; or logs of other tools "
            "(lm-evaluation-harness, inspect_ai, HELMET, L-Eval, InfiniteBench, LongBench), files or folders."
        ),
    ],
    questions: Annotated[
        Path | None,
        typer.Option("--questions", help="Folder of questions and documents; not needed for a results folder."),
    ] = None,
    names: Annotated[
        str | None,
        typer.Option("--with", help="YAML file with the field names of the answers file and the routers to compare."),
    ] = None,
    settings: SetOption = None,
    limit: LimitOption = None,
    runs: RunsOption = RUNS,
) -> None:
    """Show the quality and cost that routers would have reached on stored answers. Generates no text."""
    from ragvlc.analysis.files import report_files
    from ragvlc.analysis.report import routing_parts, score_parts
    from ragvlc.replay.folders import read_stored, write_replayed
    from ragvlc.replay.replaying import replay_answers
    from ragvlc.replay.reporting import tell

    spec = _spec(answers, questions, names, settings_of(settings), limit)
    folder = runs / spec.name
    replayed = replay_answers(spec, read_stored(spec), folder=folder)
    results = write_replayed(replayed, spec, folder)
    screen = out()
    if spec.answers.logs:
        for part in score_parts(results):
            screen.print(part)
    if not spec.answers.logs or spec.choosers:
        for part in routing_parts(results):
            screen.print(part)
    for note in replayed.notes:
        screen.print(note)
    for reason, count in replayed.dropped.items():
        screen.print(f"Left out: {count:,} {reason}.")
    files = report_files(results)
    screen.print(f"The same by task class, length and evidence, with curves and answers: {files['report.html']}")
    screen.print(f"One question through every route and router: ragvlc show {folder} --question ID")
    tell(results, spec, files)


def _spec(
    places: list[str], questions: Path | None, names: str | None, settings: dict[str, Any], limit: int | None
) -> Replay:
    """Returns the replay in a YAML file, or a replay with default settings for an answers file or results folder."""
    from ragvlc import config
    from ragvlc.replay.logs.finding import FORMATS
    from ragvlc.replay.spec import Replay, is_replay, of_logs, usual

    given: dict[str, Any] = dict(settings)
    if questions is not None:
        given["questions"] = str(questions)
    if limit is not None:
        given["limit"] = limit
    answers = places[0]
    path = path_of(answers)
    if len(places) > 1 or _are_logs(path):
        given["answers.logs"] = [str(path_of(place).resolve()) for place in places]
        name = f"{path.resolve().name.partition('.')[0]} logs"
        return Replay.load(names, overrides=given) if names is not None else of_logs(name, given)
    is_yaml = path.suffix in (".yaml", ".yml") or (not path.exists() and answers in config.shipped("experiments"))
    if is_yaml:
        if names is not None:
            raise ConfigError(f"--with {names}: '{answers}' is a YAML file itself. Give one of the two.")
        return Replay.load(answers, overrides=given)
    if not path.exists():
        files = config.shipped("experiments").items()
        known = ", ".join(name for name, file in files if is_replay(file))
        raise ConfigError(f"'{answers}' is neither a file of answers, a results folder nor a shipped replay: {known}.")
    if path.is_dir() and not is_results(path):
        tools = ", ".join(FORMATS)
        raise ConfigError(f"{path}: no results here (cells.json is missing), nor a log of a known tool: {tools}.")
    given["answers.file"] = str(path.resolve())
    if names is not None:
        return Replay.load(names, overrides=given)
    return usual(f"{path.resolve().name.partition('.')[0]} routers", given)


def _are_logs(path: Path) -> bool:
    from ragvlc.replay.logs.finding import is_log

    return path.exists() and path.suffix not in (".yaml", ".yml") and not is_results(path) and is_log(path)
