"""Runs written by earlier versions load, report the same figures, and are not asked again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ragvlc.analysis.report import terminal_report
from ragvlc.analysis.results import Results
from ragvlc.sweep.plan import plan
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep

HERE = Path(__file__).parent
VERSIONS = sorted(path.name for path in HERE.iterdir() if (path / "golden.yaml").is_file())


@pytest.fixture(params=VERSIONS)
def runs(request, tmp_path: Path) -> Path:
    """A copy of an old run; the folder's parent has its experiment."""
    shutil.copytree(HERE / request.param / "run", tmp_path / "runs" / "golden")
    shutil.copy(HERE / request.param / "golden.yaml", tmp_path / "golden.yaml")
    return tmp_path / "runs"


def stored_lines(runs: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in runs.glob("golden/*/predictions.jsonl")}


def test_there_are_old_runs() -> None:
    assert "rows_1" in VERSIONS


def test_an_old_run_loads_with_its_figures(runs: Path) -> None:
    results = Results.load(runs / "golden")
    assert [cell.name for cell in results.cells] == ["full", "rag", "chain", "flaky"]
    assert all(cell.complete for cell in results.cells)
    for cell in results.cells:
        stored = json.loads((runs / "golden" / cell.facts["key"] / "summary.json").read_text("utf-8"))
        for name in ("questions", "answered", "failed", "truncated", "prompt_tokens", "calls", "flags"):
            assert cell.summary[name] == stored[name], (cell.name, name)
        assert {label: one["mean"] for label, one in cell.summary["metrics"].items()} == {
            label: one["mean"] for label, one in stored["metrics"].items()
        }
    assert len(results.frame()) == 36
    assert terminal_report(results)


def test_an_old_run_keeps_its_keys_and_is_not_asked_again(runs: Path) -> None:
    sweep = Sweep.load(runs.parent / "golden.yaml")
    before = stored_lines(runs)
    assert {cell.key for cell in plan(sweep)} == set(before)
    outcome = run_sweep(sweep, runs)
    assert outcome.complete
    assert outcome.counts.asked.get("generate", 0) == 0
    assert stored_lines(runs) == before


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
    assert len(file.read_bytes().splitlines()) == len(lines)
