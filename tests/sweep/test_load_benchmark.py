"""The load benchmark in a small form: it runs, and every command that reads results ends well."""

from __future__ import annotations

from pathlib import Path

import load
import pytest


def test_the_load_benchmark_measures_a_run_and_a_reading_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = load.commands
    monkeypatch.setattr(load, "commands", lambda file, runs: shown(file, runs)[:4])
    running, found = load.measured(tmp_path, 200)
    assert running is not None
    assert running.rows == 200
    assert [one.command for one in found] == ["report", "show", "show --question", "compare"]
    assert all(one.seconds > 0 and one.megabytes > 0 for one in found)
    assert "200 rows: " in capsys.readouterr().out
