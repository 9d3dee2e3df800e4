"""`ragvlc verify` finds what is not whole, writes nothing, and repairs what needs no model; intact rows stay."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import ragvlc as package
from ragvlc.core.errors import StoreError
from ragvlc.integrity.findings import CHECKS, CheckFinding, Verification
from ragvlc.results.store import CellStore, SweepStore
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep
from tests.command_line import Cli
from tests.sweep.sweep_things import questions, write_set

Harm = Callable[[Path], None]


def experiment(folder: Path, **fields: Any) -> Path:
    """Writes an experiment of two cells over a data set of twelve questions."""
    write_set(folder / "data", questions())
    main = {"main": {"kind": "scripted", "default": "red"}}
    chunker = {"kind": "tokens", "size": 10}
    pipelines = {
        "full": {"generators": main, "routes": {"full": "full_context"}},
        "rag": {"generators": main, "routes": {"rag": {"kind": "retrieve", "chunker": chunker}}},
    }
    given = {"dataset": {"kind": "jsonl", "path": "data"}, "pipelines": pipelines, "metrics": ["contains", "token_f1"]}
    file = folder / "things.yaml"
    file.write_text(yaml.safe_dump({**given, "tracker": "none", **fields}))
    return file


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for a finished run; tests copy what is in it to the same place, since paths are part of a setup."""
    folder = tmp_path_factory.mktemp("whole")
    run_sweep(Sweep.load(experiment(folder)), folder / "runs")
    shutil.copytree(folder, folder.with_name("kept"))
    return folder


@pytest.fixture
def run(whole: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The results folder of a finished run, made as it was; the working directory holds its experiment."""
    shutil.rmtree(whole)
    shutil.copytree(whole.with_name("kept"), whole)
    monkeypatch.chdir(whole)
    return whole / "runs" / "things"


def tree(folder: Path) -> dict[str, tuple[int, str]]:
    """Returns the time of change and a hash of everything in a folder."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted([folder, *folder.rglob("*")])
    }


def states(found: Verification, check: str = "") -> list[tuple[str, str]]:
    """Returns the checks with something to repair or to do, with their states; or those of one check with its notes."""
    here = [one for one in found.findings if check in ("", one.check)]
    return sorted({(one.check, one.state) for one in here if check or one.state in ("repair", "open")})


def finding(found: Verification, check: str, state: str) -> CheckFinding:
    [one] = [one for one in found.findings if (one.check, one.state) == (check, state)]
    return one


def first(folder: Path, name: str = "predictions.jsonl") -> Path:
    return min(folder.glob(f"*/{name}"))


def lines_of(folder: Path) -> list[bytes]:
    return first(folder).read_bytes().splitlines(keepends=True)


def edit_lines(folder: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    first(folder).write_bytes(b"".join(change(lines_of(folder))))


def edit_json(path: Path, change: Callable[[Any], None]) -> None:
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


def in_place_of(path: Path) -> None:
    path.unlink()
    path.mkdir()


def rescored(folder: Path) -> None:
    """Stores a row with a score that no metric gives."""
    from dataclasses import replace

    store = CellStore(first(folder).parent)
    row = store.load()["q3"]
    store.append(replace(row, scores={**row.scores, "contains": 0.25}))
    store.sync()


def test_a_whole_run_is_whole_and_stays_as_it_is(run: Path, ragvlc: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.parents[1])
    before = tree(run.parent)
    said = ragvlc("verify", "runs/things")
    assert (said.code, said.err) == (0, "")
    assert "Everything is whole." in said.out
    assert "24 rows in 2 cells, all intact" in said.out
    assert "48 scores recomputed, all equal" in said.out
    assert tree(run.parent) == before
    found = package.verify(run)
    assert found.whole
    assert [one.check for one in found.findings] == [
        check for check in CHECKS if check not in ("lock", "bundle", "tracker")
    ]
    assert package.verify(run, repair=True).repaired == ()
    after = tree(run.parent)
    assert {name for name, facts in after.items() if facts != before.get(name)} <= {"things/.lock", "things"}


REPAIRED: dict[str, tuple[Harm, str, str]] = {
    "a flipped byte": (
        lambda folder: edit_lines(folder, lambda lines: [lines[0].replace(b"red", b"rad", 1), *lines[1:]]),
        "rows",
        "1 damaged",
    ),
    "a foreign line": (lambda folder: edit_lines(folder, lambda lines: [*lines, b"mine\n"]), "rows", "1 damaged"),
    "zeros": (lambda folder: edit_lines(folder, lambda lines: [*lines, b"\0" * 100]), "rows", "1 damaged"),
    "a row twice": (lambda folder: edit_lines(folder, lambda lines: [*lines, lines[0]]), "rows", "1 intact line"),
    "no summary": (lambda folder: first(folder, "summary.json").unlink(), "summary", "no summary"),
    "a torn summary": (lambda folder: void(first(folder, "summary.json").write_text("{")), "summary", "not JSON"),
    "a folder for a summary": (lambda folder: in_place_of(first(folder, "summary.json")), "summary", "is no file"),
    "a summary of another version": (
        lambda folder: edit_json(first(folder, "summary.json"), lambda one: one.update(version=99)),
        "summary",
        "fields that this version does not write: version",
    ),
    "a wrong summary": (
        lambda folder: edit_json(first(folder, "summary.json"), lambda one: one.update(answered=3)),
        "summary",
        "differs from the rows in answered",
    ),
    "a wrong mean": (
        lambda folder: edit_json(first(folder, "summary.json"), lambda one: one["metrics"]["contains"].update(mean=1)),
        "summary",
        "differs from the rows in metrics",
    ),
    "no cells": (lambda folder: (folder / "cells.json").unlink(), "cells", "is missing"),
    "torn cells": (lambda folder: void((folder / "cells.json").write_text("[{")), "cells", "not JSON"),
    "a cell too few": (
        lambda folder: edit_json(folder / "cells.json", lambda cells: cells.pop()),
        "cells",
        "not that of sweep.yaml: no rag",
    ),
    "a cell twice": (
        lambda folder: edit_json(folder / "cells.json", lambda cells: cells.append(cells[0])),
        "cells",
        "two cells have the same key",
    ),
    "two cells of one name": (
        lambda folder: edit_json(folder / "cells.json", lambda cells: cells[1].update(name=cells[0]["name"])),
        "cells",
        "two cells have the same name",
    ),
    "a metric of another name": (
        lambda folder: edit_json(folder / "cells.json", lambda cells: cells[1].update(metrics=["containz"])),
        "cells",
        "cells have different metrics",
    ),
    "another name": (
        lambda folder: edit_json(folder / "cells.json", lambda cells: cells[0].update(name="other")),
        "cells",
        "not that of sweep.yaml: full: name",
    ),
    "no settings": (lambda folder: first(folder, "resolved.yaml").unlink(), "cells", "resolved.yaml cannot be read"),
    "torn settings": (
        lambda folder: void(first(folder, "resolved.yaml").write_text("{")),
        "cells",
        "resolved.yaml cannot be read",
    ),
    "no questions": (lambda folder: min(folder.glob("examples-*")).unlink(), "examples", "is missing"),
    "questions cut": (
        lambda folder: void(
            (path := min(folder.glob("examples-*"))).write_bytes(b"".join(path.read_bytes().splitlines(True)[:-1]))
        ),
        "examples",
        "questions are missing",
    ),
    "another word in a question": (
        lambda folder: void(
            (path := min(folder.glob("examples-*"))).write_text(path.read_text().replace("thing 3", "thinG 3"))
        ),
        "examples",
        "not those of the data set: 1 stored question (q3)",
    ),
    "a part": (
        lambda folder: void((first(folder).parent / "x.json.part").write_text("x")),
        "leftovers",
        "1 unfinished",
    ),
    "a lock that is a folder": (
        lambda folder: (folder / ".lock").unlink() or (folder / ".lock").mkdir(),
        "leftovers",
        "lock",
    ),
    "a wrong score": (rescored, "scores", "contains: 1 stored score other than recomputed (q3)"),
}


def void(_: object) -> None:
    """Takes what a call returns."""


@pytest.mark.parametrize("harm", REPAIRED)
def test_what_can_be_made_anew_is_repaired(run: Path, harm: str) -> None:
    change, check, words = REPAIRED[harm]
    rows = {line for path in run.rglob("predictions.jsonl") for line in path.read_bytes().splitlines()}
    change(run)
    harmed = {line for path in run.rglob("predictions.jsonl") for line in path.read_bytes().splitlines()}
    before = tree(run)
    found = package.verify(run)
    assert tree(run) == before
    assert not found.whole
    assert any(one.check == check and one.state == "repair" and words in one.found for one in found.findings), found
    mended = package.verify(run, repair=True)
    assert any(one.check == check and words in one.found for one in mended.repaired)
    left = {line for path in run.rglob("predictions.jsonl") for line in path.read_bytes().splitlines()}
    assert rows & harmed <= left
    assert states(mended) == ([("coverage", "open")] if harm == "a flipped byte" else [])
    again = tree(run)
    assert package.verify(run, repair=True).repaired == ()
    assert tree(run) | {".": again["."], ".lock": again[".lock"]} == again


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_of_rows_is_moved_aside(run: Path, make: Callable[[Path], None]) -> None:
    path = first(run)
    path.unlink()
    make(path)
    [found] = package.verify(run).repairable
    assert (found.check, found.found) == ("rows", "predictions.jsonl is no file, but a folder, a pipe or a device")
    assert states(package.verify(run, repair=True)) == [("coverage", "open")]
    assert path.with_name("predictions.jsonl.damaged").exists()


def test_damaged_lines_stay_in_a_copy_and_their_questions_are_asked(run: Path, ragvlc: Cli, whole: Path) -> None:
    os.chdir(whole)
    damaged = lines_of(run)[0].replace(b"red", b"rad", 1)
    edit_lines(run, lambda lines: [damaged, *lines[1:]])
    said = ragvlc("verify", "runs/things", "--repair")
    assert said.code == 1
    assert "1 of 12 questions have no row" in said.out
    assert "Continue with: ragvlc run runs/things" in said.out
    assert first(run, "predictions.jsonl.damaged").read_bytes() == damaged
    assert lines_of(run) == [line for line in lines_of(run) if line != damaged]
    assert ragvlc("run", "runs/things").code == 0
    said = ragvlc("verify", "runs/things")
    assert said.code == 0
    assert "predictions.jsonl.damaged" in said.out


def transient(folder: Path) -> None:
    from dataclasses import replace

    from ragvlc.core.answer import Failure

    store = CellStore(first(folder).parent)
    row = store.load()["q3"]
    store.append(replace(row, answer=None, failure=Failure("generate", "EngineError", "busy", transient=True)))
    store.sync()


def change_questions(folder: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    asked = questions()
    change(asked)
    write_set(folder.parents[1] / "data", asked)


OPEN: dict[str, tuple[Harm, str, str, str]] = {
    "a lost row": (
        lambda folder: edit_lines(folder, lambda lines: lines[1:]),
        "coverage",
        "1 of 12 questions have no row",
        "ragvlc run",
    ),
    "all rows lost": (lambda folder: first(folder).unlink(), "coverage", "12 of 12 questions", "ragvlc run"),
    "a transient failure": (transient, "coverage", "1 question failed for the moment (q3)", "ragvlc run"),
    "another question": (
        lambda folder: change_questions(folder, lambda asked: asked[3].update(question="What colour is thing 4?")),
        "data",
        "changed since the run: 1 question, or its documents (q3)",
        "ragvlc run asks them again",
    ),
    "another reference": (
        lambda folder: change_questions(folder, lambda asked: asked[3].update(answers=["pink"])),
        "data",
        "changed since the run: the references of 1 question (q3)",
        "ragvlc score",
    ),
    "a question less": (
        lambda folder: change_questions(folder, lambda asked: void(asked.pop(3))),
        "data",
        "no longer in the data set: 1 question (q3)",
        "ragvlc run leaves them out",
    ),
    "a question more": (
        lambda folder: change_questions(folder, lambda asked: asked.append({**asked[0], "question_id": "q99"})),
        "data",
        "new in the data set: 1 question (q99)",
        "ragvlc run asks them",
    ),
    "another document": (
        lambda folder: void(
            (path := folder.parents[1] / "data" / "documents.jsonl").write_text(
                path.read_text().replace("Thing 3 is", "Thing 3 was")
            )
        ),
        "data",
        "changed since the run: 4 questions, or",
        "ragvlc run asks them again",
    ),
    "no data": (lambda folder: shutil.rmtree(folder.parents[1] / "data"), "data", "cannot be read", "bring the data"),
    "no setup": (lambda folder: (folder / "sweep.yaml").unlink(), "setup", "is missing", "only rows and files"),
    "a torn setup": (lambda folder: void((folder / "sweep.yaml").write_text("{")), "setup", "cannot be read", "only"),
}


@pytest.mark.parametrize("harm", OPEN)
def test_what_a_repair_cannot_do_is_said(run: Path, harm: str) -> None:
    change, check, words, remedy = OPEN[harm]
    change(run)
    before = tree(run)
    found = package.verify(run)
    assert tree(run) == before
    assert not found.whole
    here = [one for one in found.findings if one.check == check and one.state == "open"]
    assert any(words in one.found and remedy in one.remedy for one in here), found.findings
    rows = {path: path.read_bytes() for path in run.rglob("predictions.jsonl")}
    again = package.verify(run, repair=True)
    assert not again.whole
    assert {path: path.read_bytes() for path in run.rglob("predictions.jsonl")} == rows


def test_notes_do_not_make_a_run_less_than_whole(run: Path) -> None:
    from dataclasses import replace

    store = CellStore(first(run).parent)
    row = store.load()["q3"]
    store.append(replace(row, example_id="of another time"))
    store.sync()
    (run / "0123456789abcdef").mkdir()
    shutil.copy(first(run), run / "0123456789abcdef")
    (run / "examples-0123456789abcdef.jsonl").write_text("")
    found = package.verify(run)
    assert found.whole, found
    notes = {(one.check, one.found) for one in found.findings if one.state == "note"}
    assert ("coverage", "1 row of questions that are not asked (of another time)") in notes
    assert ("leftovers", "no longer planned: the rows of 1 cell (0123456789abcdef)") in notes
    assert ("examples", "examples-0123456789abcdef.jsonl: of no cell") in notes


def test_while_the_sweep_runs_nothing_is_repaired(run: Path, ragvlc: Cli, whole: Path) -> None:
    os.chdir(whole)
    (run / "cells.json").write_text("{")
    with SweepStore(run):
        before = tree(run)
        said = ragvlc("verify", "runs/things", "--repair")
        assert tree(run) == before
    assert "another process is running this sweep" in said.out
    assert "nothing is repaired now" in said.out
    assert "verify it again at its end" in said.out
    assert ragvlc("verify", "runs/things", "--repair").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nonsuch",), "no results here"),
        (("data",), "no results here"),
        (("runs/things", "--cell", "ful"), "no cell 'ful'"),
        (("runs/things", "nonsuch"), "no results here"),
        (("things.yaml", "--runs", "elsewhere"), "no results here"),
    ],
)
def test_bad_input_is_a_sentence(run: Path, ragvlc: Cli, whole: Path, words: tuple[str, ...], said: str) -> None:
    os.chdir(whole)
    found = ragvlc("verify", *words)
    assert found.code == 2
    assert said in found.err
    assert "Traceback" not in found.err


def test_one_cell_several_runs_or_all_of_them(run: Path, ragvlc: Cli, whole: Path) -> None:
    os.chdir(whole)
    shutil.copytree(run, run.with_name("copy"))
    edit_lines(run, lambda lines: lines[1:])
    key = first(run).parent.name
    others = [path.name for path in run.iterdir() if path.is_dir() and path.name != key]
    assert ragvlc("verify", f"runs/things/{key}").code == 1
    assert ragvlc("verify", f"runs/things/{others[0]}").code == 0
    assert "12 rows in 1 cell" in ragvlc("verify", "runs/copy", "--cell", "full").out
    said = ragvlc("verify", "runs")
    assert said.code == 1
    assert "1 of 2 results folders are whole." in said.out
    assert ragvlc("verify", "runs/copy", "things.yaml").code == 1
    found = json.loads(ragvlc("verify", "runs", "--json").out)
    assert [(Path(one["folder"]).name, one["whole"]) for one in found] == [("copy", True), ("things", False)]
    assert {"run", "cell", "check", "state", "found", "remedy"} == found[0]["findings"][0].keys()
    with pytest.raises(StoreError, match="a folder of 2 results folders"):
        package.verify("runs")


def test_a_judge_is_not_asked_and_that_is_said(tmp_path: Path) -> None:
    judge = {"kind": "llm_judge", "judge": {"kind": "scripted", "default": "True"}}
    file = experiment(tmp_path, metrics=["contains", judge])
    run_sweep(Sweep.load(file), tmp_path / "runs")
    found = package.verify(tmp_path / "runs" / "things")
    text = " ".join(one.found for one in found.findings if one.check == "scores")
    assert "not recomputed, as they ask a model: llm_judge" in text
    assert "24 scores recomputed" in text


def test_a_stopped_cell_needs_more_than_another_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ragvlc: Cli
) -> None:
    monkeypatch.chdir(tmp_path)
    small = {"main": {"kind": "scripted", "default": "red", "window": 20}}
    refusing = {"full": {"kind": "full_context", "truncation": "refuse"}}
    experiment(tmp_path, pipelines={"full": {"generators": small, "routes": refusing}}, concurrency=1)
    assert ragvlc("run", "things.yaml").code == 1
    said = ragvlc("verify", "runs/things")
    assert said.code == 1
    assert "too many others failed: ragvlc run --retry failed" in said.out
    assert "ragvlc run runs/things --retry failed" in said.out


def test_axes_limits_repeats_and_controls_are_whole(tmp_path: Path) -> None:
    sampled = {"main": {"kind": "scripted", "default": "{seed}", "temperature": 1.0}}
    pipelines = {
        "sampled": {"generators": sampled, "routes": {"full": "full_context"}},
        "oracle": {"generators": sampled, "routes": {"oracle": "oracle_evidence"}},
    }
    axes = {"dataset.scope": ["example", "corpus"], "generators.main.default": ["{seed}", "blue"]}
    file = experiment(tmp_path, pipelines=pipelines, axes=axes, repeats=2)
    for limit in (3, 5):
        sweep = Sweep.load(file, overrides={"dataset.limit": limit})
        run_sweep(sweep, tmp_path / "runs")
        found = package.verify(tmp_path / "runs" / "things")
        assert found.whole, found
        cells = len(json.loads((tmp_path / "runs" / "things" / "cells.json").read_text()))
        assert finding(found, "rows", "ok").found == f"{limit * cells} rows in {cells} cells, all intact"
    run_sweep(Sweep.load(file, overrides={"dataset.limit": 3}), tmp_path / "runs")
    found = package.verify(tmp_path / "runs" / "things")
    assert found.whole
    assert states(found, "coverage") == [("coverage", "note"), ("coverage", "ok")]  # rows beyond the limit stay


def test_a_changed_model_is_named_and_its_rows_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ragvlc.generators.scripted import Scripted

    main = {"main": {"kind": "scripted", "default": "red"}}
    file = experiment(tmp_path, pipelines={"full": {"generators": main, "routes": {"full": "full_context"}}})
    monkeypatch.setattr(Scripted, "identity", lambda _: {"model": "a" * 40})
    run_sweep(Sweep.load(file), tmp_path / "runs")
    run = tmp_path / "runs" / "things"
    assert package.verify(run).whole
    monkeypatch.setattr(Scripted, "identity", lambda _: {"model": "b" * 40})
    found = package.verify(run, repair=True)
    assert states(found) == [("models", "open")]
    assert "generators.main.model: aaaaaaaaaaaa… is now bbbbbbbbbbbb…" in finding(found, "models", "open").found
    assert "24" not in finding(found, "rows", "ok").found
    assert finding(found, "rows", "ok").found.startswith("12 rows")


def test_a_half_made_store_of_mlflow_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_sweep(Sweep.load(experiment(tmp_path)), tmp_path / "runs")
    run = tmp_path / "runs" / "things"
    text = (run / "sweep.yaml").read_text().replace("kind: none", "kind: mlflow")
    (run / "sweep.yaml").write_text(text)
    database = tmp_path / "runs" / "mlflow.db"
    sqlite3.connect(database).execute("CREATE TABLE runs (id)").connection.close()
    before = tree(tmp_path)
    found = package.verify(run)
    assert tree(tmp_path) == before
    assert "half made" in finding(found, "tracker", "repair").found
    assert package.verify(run, repair=True).whole
    assert not database.exists()
    assert database.with_suffix(".broken").exists()


def test_a_replay_is_checked_without_a_setup(run: Path, ragvlc: Cli, whole: Path) -> None:
    os.chdir(whole)
    assert ragvlc("replay", "runs/things").code == 0
    [replayed] = [path.parent for path in Path("runs").glob("*/cells.json") if path.parent.name != "things"]
    said = ragvlc("verify", str(replayed))
    assert said.code == 0, said.out
    assert "a replay" in said.out


@pytest.mark.parametrize("version", ["rows_1", "rows_2"])
def test_runs_of_earlier_versions_are_read(tmp_path: Path, version: str) -> None:
    golden = Path(__file__).parents[1] / "golden" / version
    shutil.copytree(golden / "run", tmp_path / "runs" / "golden")
    before = tree(tmp_path)
    found = package.verify(tmp_path / "runs" / "golden")
    assert tree(tmp_path) == before
    assert ("rows", "note") in states(found, "rows")
    assert "without a hash" in " ".join(one.found for one in found.findings)
    assert not [one for one in found.findings if one.check in ("rows", "coverage") and one.state in ("repair", "open")]
