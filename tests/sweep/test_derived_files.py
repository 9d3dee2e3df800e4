"""Derived files that cannot be read are made anew by every command that reads them, with one line and no traceback."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ragvlc.analysis.results import Results
from ragvlc.core.errors import DerivedError, StoreError
from ragvlc.results.derived import write_derived
from ragvlc.sweep.derived import load_results
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep
from tests.command_line import Cli

FILES = {"cells": "cells.json", "summary": "summary.json", "examples": "examples-*.jsonl"}
COMMANDS = (
    ("report", "runs/lost"),
    ("show", "runs/lost"),
    ("compare", "runs/lost", "p", "q"),
    ("run", "lost.yaml"),
    ("run", "runs/lost"),
    ("score", "lost.yaml"),
    ("track", "lost.yaml"),
    ("estimate", "lost.yaml", "--difference", "0.2"),
)


def pipeline(reply: str) -> dict[str, object]:
    return {"generators": {"main": {"kind": "scripted", "default": reply}}, "routes": {"full": "full_context"}}


def experiment(folder: Path) -> Path:
    whole = {"dataset": "toy", "pipelines": {"p": pipeline("x"), "q": pipeline("Berlin")}, "metrics": ["contains"]}
    file = folder / "lost.yaml"
    file.write_text(yaml.safe_dump({**whole, "tracker": "none"}))
    return file


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run and its experiment, not to be changed."""
    folder = tmp_path_factory.mktemp("whole")
    run_sweep(Sweep.load(experiment(folder)), folder / "runs")
    return folder


@pytest.fixture
def runs(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished run; the working directory holds its experiment."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs" / "lost"


def content(data: bytes) -> Callable[[Path], None]:
    return lambda path: void(path.write_bytes(data))


def void(_: object) -> None:
    """Takes what a call returns."""


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def drop_lines(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-2]))


def fold(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "mine.txt").write_text("stays")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def inner_type(path: Path) -> None:
    text = path.read_text()
    wrong = {
        "cells.json": ('"settings": {}', '"settings": []'),
        "summary.json": ('"mean": ', '"mean": [], "was": '),
    }.get(path.name, ('"question": ', '"questions": '))
    assert wrong[0] in text
    path.write_text(text.replace(*wrong))


DAMAGES: dict[str, Callable[[Path], None]] = {
    "empty": content(b""),
    "torn": halve,
    "torn between lines": drop_lines,
    "zeros": content(b"\0" * 64),
    "binary": content(b"\xff\xfe\x00"),
    "a mapping": content(b'{"a": 1}'),
    "a list": content(b"[1, 2]"),
    "a list of lists": content(b"[[]]"),
    "a number": content(b"7"),
    "not a number": content(b"NaN"),
    "deep": content(b"[" * 100_000),
    "of a later version": content(b'[{"version": 9, "cell": {"key": "0"}}]'),
    "an inner value": inner_type,
    "a folder": fold,
    "a pipe": pipe,
    "missing": Path.unlink,
}
CASES = [
    (kind, damage, COMMANDS[(place + offset) % len(COMMANDS)])
    for offset, kind in enumerate(FILES)
    for place, damage in enumerate(DAMAGES)
    if (kind, damage) != ("summary", "missing")  # that of a cell which is not complete
]


def test_a_file_in_place_of_a_cells_folder_is_renamed_and_its_questions_are_asked(ragvlc: Cli, runs: Path) -> None:
    cell = next(path for path in runs.iterdir() if (path / "predictions.jsonl").is_file())
    rows = (cell / "predictions.jsonl").read_bytes().count(b"\n")
    shutil.rmtree(cell)
    cell.write_text("mine")
    assert "ragvlc run asks them" in ragvlc("verify", "runs/lost").out
    assert ragvlc("run", "lost.yaml").code == 0
    assert cell.with_name(f"{cell.name}.damaged").read_text() == "mine"
    assert (cell / "predictions.jsonl").read_bytes().count(b"\n") == rows
    assert ragvlc("verify", "runs/lost").code == 0


@pytest.mark.parametrize(
    ("kind", "damage", "command"), CASES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_damaged_derived_file_is_made_anew(
    ragvlc: Cli, runs: Path, kind: str, damage: str, command: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    path = min(runs.rglob(FILES[kind]))
    rows = {file: file.read_bytes() for file in runs.rglob("predictions.jsonl")}
    before = path.read_bytes()
    DAMAGES[damage](path)
    said = ragvlc(*command)
    assert said.code == 0, said.err
    assert "Traceback" not in said.err
    assert path.read_bytes() == before
    assert {file: file.read_bytes() for file in runs.rglob("predictions.jsonl")} == rows
    lines = [record.getMessage() for record in caplog.records if path.name in record.getMessage()]
    # A second line says where a folder is now; an estimate counts the pending questions first.
    assert len(lines) <= 1 + (damage in ("a folder", "a pipe")) + (command[0] == "estimate")
    if command[0] not in ("run", "score"):  # those write the plan in any case
        assert any("made anew" in line for line in lines)
    if damage == "a folder":
        assert (path.with_name(f"{path.name}.damaged") / "mine.txt").read_text() == "stays"


def test_python_is_told_what_makes_a_file_anew(runs: Path) -> None:
    (runs / "cells.json").write_text("{")
    with pytest.raises(DerivedError, match=r"cells\.json: not JSON .*ragvlc verify .* --repair"):
        Results.load(runs)
    assert [cell.complete for cell in load_results(runs).cells] == [True, True]


def test_a_lost_summary_does_not_make_a_cell_incomplete(runs: Path) -> None:
    for path in runs.rglob("summary.json"):
        path.unlink()
    assert all(cell.complete for cell in Results.load(runs).cells)


@pytest.mark.parametrize("lost", ["rows", "a failure"])
def test_a_summary_does_not_make_a_cell_complete(runs: Path, lost: str) -> None:
    path = min(runs.rglob("predictions.jsonl"))
    lines = path.read_bytes().splitlines(keepends=True)
    if lost == "rows":
        path.write_bytes(b"".join(lines[1:]))
    else:
        path.write_bytes(b"".join(lines[:-1]))
        (path.parent / "summary.json").unlink()
    complete = {cell.facts["key"]: cell.complete for cell in Results.load(runs).cells}
    assert complete.pop(path.parent.name) is False
    assert all(complete.values())


def test_files_are_not_made_anew_while_the_sweep_runs(runs: Path, ragvlc: Cli) -> None:
    from ragvlc.results.store import SweepStore

    (runs / "cells.json").write_text("{")
    with SweepStore(runs):
        said = ragvlc("report", "runs/lost")
    assert said.code == 2
    assert "another process is running this sweep" in said.err
    assert (runs / "cells.json").read_text() == "{"


def test_without_sweep_yaml_the_way_out_is_named(runs: Path, ragvlc: Cli) -> None:
    (runs / "cells.json").write_text("{")
    (runs / "sweep.yaml").write_text("{")
    said = ragvlc("report", "runs/lost")
    assert said.code == 2
    assert "sweep.yaml: cannot be read" in said.err
    assert "Run the experiment again" in said.err
    assert ragvlc("run", "lost.yaml").code == 0
    assert ragvlc("report", "runs/lost").code == 0


def test_cells_are_found_where_their_rows_are(runs: Path) -> None:
    """A key holds the files of a model: without them here, the plan has other keys than the stored rows."""
    for path in [path for path in runs.iterdir() if path.is_dir()]:
        path.rename(path.with_name(f"0{path.name[1:]}" if path.name[0] != "0" else f"1{path.name[1:]}"))
    keys = {path.name for path in runs.iterdir() if path.is_dir()}
    (runs / "cells.json").unlink()
    results = load_results(runs)
    assert {cell.facts["key"] for cell in results.cells} == keys


def test_stored_questions_stay_when_only_the_cells_are_lost(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data set may be elsewhere."""

    def gone(*_: object) -> None:
        raise StoreError("the data set is elsewhere")

    monkeypatch.setattr("ragvlc.sweep.derived.load_questions", gone)
    before = {cell["key"]: cell["data_key"] for cell in json.loads((runs / "cells.json").read_text())}
    (runs / "cells.json").unlink()
    load_results(runs)
    assert {cell["key"]: cell["data_key"] for cell in json.loads((runs / "cells.json").read_text())} == before
    for path in runs.glob("examples-*"):
        path.write_text("")
    with pytest.raises(StoreError, match="elsewhere"):
        load_results(runs)


def test_a_folder_in_the_place_of_a_file_is_never_deleted(tmp_path: Path) -> None:
    path = tmp_path / "cells.json"
    for text in ("one", "two"):
        path.mkdir()
        (path / text).write_text(text)
        write_derived(path, b"[]")
        assert path.read_bytes() == b"[]"
        path.unlink()
    kept = sorted(file.name for folder in tmp_path.glob("*.damaged") for file in folder.iterdir())
    assert kept == ["one", "two"]
