"""A finished cell that loses rows, its summary or its plan asks for what is missing, and for nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.command_line import Cli


def experiment(folder: Path) -> str:
    pipeline = {"generators": {"main": {"kind": "scripted", "default": "x"}}, "routes": {"full": "full_context"}}
    file = folder / "lost.yaml"
    whole = {"dataset": "toy", "pipelines": {"p": pipeline}, "metrics": ["contains"], "tracker": "none"}
    file.write_text(yaml.safe_dump(whole))
    return str(file)


def halve(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def drop_first(file: Path) -> None:
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[1:]))


def garble_second(file: Path) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + lines[1][:40] + b"\xff\n" + b"".join(lines[2:]))


@pytest.mark.parametrize("harm", [halve, drop_first, garble_second, Path.unlink], ids=lambda harm: harm.__name__)
def test_lost_rows_of_a_finished_cell_are_asked_again(
    ragvlc: Cli, tmp_path: Path, harm: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    file = experiment(tmp_path)
    assert ragvlc("run", file).code == 0
    [rows] = Path("runs").rglob("predictions.jsonl")
    names = [json.loads(line)["id"] for line in rows.read_bytes().splitlines()]
    harm(rows)
    said = ragvlc("run", file)
    assert said.code == 0
    assert "rows of this finished cell are missing: they are asked again" in caplog.text
    found = []
    for line in rows.read_bytes().splitlines():
        try:
            found.append(json.loads(line)["id"])
        except ValueError:
            assert harm in (halve, garble_second)  # damaged lines stay where they are
    assert sorted(found) == sorted(names)
    assert "complete" in said.err
    before = rows.read_bytes()
    caplog.clear()
    again = ragvlc("run", file)
    assert rows.read_bytes() == before
    assert again.code == 0
    assert "missing" not in caplog.text
