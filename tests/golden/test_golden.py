"""Runs written by earlier versions load, report the same figures, and are not asked again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from ragvlc.analysis.report import terminal_report
from ragvlc.analysis.results import Results
from ragvlc.results.loading import CellResult
from ragvlc.results.store import CellStore
from ragvlc.sweep.plan import plan
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep
from ragvlc.sweep.tracking import rescore
from tests.row_lines import read_rows, write_rows

HERE = Path(__file__).parent
RENAMED = {"rag": "version 2 of bm25 folds typography, so its rankings are made anew"}
"""Cells whose keys changed since versions 1 and 2, and why."""
VALUES = {"rows_1": "c683833784d3160c", "rows_2": "1bacadc60df69915", "rows_3": "0ce28dbae80b4d28"}
"""Hash of all values that the rows had when they were loaded by the first version with format 3, without empty ones."""
VERSIONS = sorted(path.name for path in HERE.iterdir() if (path / "golden.yaml").is_file())


@pytest.fixture(params=VERSIONS)
def runs(request, tmp_path: Path) -> Path:
    """A copy of an old run; the folder's parent has its experiment."""
    shutil.copytree(HERE / request.param / "run", tmp_path / request.param / "golden")
    shutil.copy(HERE / request.param / "golden.yaml", tmp_path / "golden.yaml")
    return tmp_path / request.param


def stored_lines(runs: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in runs.glob("golden/*/predictions.jsonl")}


def test_there_are_old_runs() -> None:
    assert {"rows_1", "rows_2", "rows_3"} <= set(VERSIONS)


@pytest.mark.parametrize("version", VERSIONS)
def test_rows_load_with_the_values_that_they_had(version: str) -> None:
    folders = sorted(path.parent for path in (HERE / version / "run").glob("*/predictions.jsonl"))
    rows = {folder.name: CellStore(folder).load() for folder in folders}
    assert len(folders) >= 4
    values = json.dumps(without_empty(rows), sort_keys=True).encode()
    assert hashlib.sha256(values).hexdigest()[:16] == VALUES[version]


def without_empty(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        inner = {name: without_empty(one) for name, one in value.items()}
        return {name: one for name, one in inner.items() if one not in (None, {}, [], "", 0, False)}
    return [without_empty(one) for one in value] if isinstance(value, list | tuple) else value


def test_an_old_run_loads_with_its_figures(runs: Path) -> None:
    results = Results.load(runs / "golden")
    assert [cell.name for cell in results.cells] == list(Sweep.load(runs.parent / "golden.yaml").pipelines)
    assert all(cell.complete for cell in results.cells)
    for cell in results.cells:
        stored = json.loads((runs / "golden" / cell.facts["key"] / "summary.json").read_text("utf-8"))
        for name in ("questions", "answered", "failed", "truncated", "prompt_tokens", "calls", "flags"):
            assert cell.summary[name] == stored[name], (cell.name, name)
        assert {label: one["mean"] for label, one in cell.summary["metrics"].items()} == {
            label: one["mean"] for label, one in stored["metrics"].items()
        }
    assert len(results.frame()) == 9 * len(results.cells)
    assert terminal_report(results)


def test_an_old_run_keeps_its_keys_and_is_not_asked_again(runs: Path, tmp_path: Path) -> None:
    file = runs.parent / "golden.yaml"
    before = stored_lines(runs)
    keys = {cell.name: cell.key for cell in plan(Sweep.load(file))}
    renamed = RENAMED if runs.name in ("rows_1", "rows_2") else {}
    assert {name for name, key in keys.items() if key not in before} == set(renamed)
    facts = yaml.safe_load(file.read_text("utf-8"))
    facts["pipelines"] = {name: one for name, one in facts["pipelines"].items() if name not in renamed}
    file.write_text(yaml.safe_dump(facts, allow_unicode=True, sort_keys=False), "utf-8")
    outcome = run_sweep(Sweep.load(file), runs)
    assert outcome.complete
    assert outcome.counts.asked.get("generate", 0) == 0
    for key, lines in stored_lines(runs).items():  # metrics that changed score again, and rows are only appended
        assert lines.startswith(before[key])
        (tmp_path / key).mkdir()
        (tmp_path / key / "predictions.jsonl").write_bytes(before[key])
        first, last = (CellStore(folder / key).load() for folder in (tmp_path, runs / "golden"))
        assert {name: row.answer for name, row in first.items()} == {name: row.answer for name, row in last.items()}
    assert set(stored_lines(runs)) == set(before)


def test_a_row_taken_from_an_old_run_is_asked_again(runs: Path) -> None:
    file = next(
        path for path in sorted(runs.glob("golden/*/predictions.jsonl")) if b"EngineError" not in path.read_bytes()
    )
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[1:]))
    (file.parent / "summary.json").unlink()
    outcome = run_sweep(Sweep.load(runs.parent / "golden.yaml"), runs)
    assert outcome.complete
    assert outcome.counts.asked["generate"] > 0
    assert {json.loads(line)["id"] for line in file.open("rb")} == {json.loads(line)["id"] for line in lines}


def test_scoring_an_old_run_again_leaves_its_scores(runs: Path) -> None:
    sweep = Sweep.load(runs.parent / "golden.yaml")
    before = {cell.name: {metric: cell.scores(metric) for metric in sweep_labels(sweep)} for cell in cells_of(runs)}
    for file in runs.glob("golden/*/predictions.jsonl"):
        write_rows(file, [{**row, "scored_by": {}} for row in read_rows(file)])
    rescore(sweep, runs)
    after = {cell.name: {metric: cell.scores(metric) for metric in sweep_labels(sweep)} for cell in cells_of(runs)}
    assert set(after) == set(before)
    assert {name for name in before if after[name] != before[name]} <= set(RENAMED)
    lines = [
        json.loads(line) for file in runs.glob("golden/*/predictions.jsonl") for line in file.open(encoding="utf-8")
    ]
    assert {row["version"] for row in lines if row["scored_by"]} == {3}


def sweep_labels(sweep: Sweep) -> list[str]:
    return [metric.label for metric in sweep.metrics]


def cells_of(runs: Path) -> tuple[CellResult, ...]:
    return Results.load(runs / "golden").cells


def test_a_run_of_format_2_has_its_thoughts() -> None:
    [cell] = [one for one in Results.load(HERE / "rows_2" / "run").cells if one.name == "thinks"]
    assert cell.summary["no_answer_causes"] == {"thinking_only": 1, "empty": 1}
    thoughts = {row.answer.thought for row in cell.rows.values()}
    assert {"30 or 31 metres", "It does not say, so I", "hm, A?"} <= thoughts
