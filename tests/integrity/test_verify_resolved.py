"""`ragvlc verify` compares a cell's `resolved.yaml` with its key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.command_line import Cli
from tests.sweep.sweep_things import FULL, ORACLE, questions, write_set


@pytest.mark.parametrize(
    "harm",
    [
        lambda text, other: text.replace("answer_tokens: ", "answer_tokens: 1"),
        lambda text, other: text[: len(text) // 2],
        lambda text, other: other,
        lambda text, other: "",
    ],
    ids=["another setting", "torn", "another cell's", "empty"],
)
def test_a_damaged_resolved_yaml_is_found_and_made_anew(
    ragvlc: Cli, tmp_path: Path, harm: Callable[[str, str], str]
) -> None:
    data = write_set(tmp_path / "data", questions())
    spec = {"dataset": {"kind": "jsonl", "path": str(data)}, "pipelines": {"full": FULL, "oracle": ORACLE}}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump({**spec, "metrics": ["contains"], "tracker": "none"}))
    assert ragvlc("run", "s.yaml").code == 0
    assert ragvlc("verify", "runs/s").code == 0
    file, other = sorted(Path("runs/s").glob("*/resolved.yaml"))
    text = file.read_text()
    file.write_text(harm(text, other.read_text()))
    said = ragvlc("verify", "runs/s")
    assert said.code == 1
    assert "resolved.yaml" in said.out
    assert ragvlc("verify", "runs/s", "--repair").code == 0
    assert file.read_text() == text
