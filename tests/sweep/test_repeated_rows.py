"""Of several intact rows for a question, the first counts and the others are named; a row asked again replaces."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ragvlc.core.answer import Answer, Failure, Prediction
from ragvlc.results.store import CellStore
from tests.command_line import Cli
from tests.row_lines import of_version_2


def row(name: str, text: str) -> Prediction:
    return Prediction(name, "key", Answer(text))


def texts(store: CellStore) -> dict[str, str]:
    return {name: one.answer.text if one.answer else "-" for name, one in store.load().items()}


def test_the_first_of_two_intact_rows_counts_and_the_other_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two writers that saw the same file, as without locks, both answer a question."""
    cells = [CellStore(tmp_path / "cell") for _ in range(2)]
    for cell in cells:
        cell.reopen("")
    cells[0].append(row("q", "first"))
    cells[1].append(row("q", "second"))
    cells[1].append(row("other", "third"))
    assert texts(CellStore(tmp_path / "cell")) == {"q": "first", "other": "third"}
    [said] = [one.getMessage() for one in caplog.records]
    assert "rows of questions that have a row already: 1, all intact, on line 2. The first row counts" in said


def test_a_row_that_a_run_writes_twice_counts_as_written_last(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A stored failure without scores is scored first, and its question is asked afterwards."""
    cell = CellStore(tmp_path / "cell")
    cell.reopen("")
    cell.append(row("q", "failed"))
    again = CellStore(tmp_path / "cell")
    again.load()
    again.append(row("q", "failed, scored"))
    again.append(row("q", "answer"))
    assert texts(CellStore(tmp_path / "cell")) == {"q": "answer"}
    assert not caplog.records


def test_a_file_appended_to_itself_reads_as_before(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cell = CellStore(tmp_path / "cell")
    cell.reopen("")
    cell.append(row("q", "first"))
    cell.load()
    cell.append(row("q", "again"))
    cell.append(row("other", "third"))
    before = texts(cell)
    assert before == {"q": "again", "other": "third"}
    file = tmp_path / "cell" / "predictions.jsonl"
    file.write_bytes(file.read_bytes() * 3)
    assert texts(cell) == before
    assert "have a row already: 6, all intact" in caplog.text
    assert len(cell.repair().repeated) == 6
    assert len(file.read_bytes().splitlines()) == 3
    assert texts(cell) == before


def test_a_failure_that_is_asked_again_is_replaced_whoever_writes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def failed(text: str) -> Prediction:
        return Prediction("q", "key", None, Failure("generate", "E", text, True))

    folder = tmp_path / "cell"
    folder.mkdir()
    for number in range(3):
        CellStore(folder).append(failed(str(number)))  # without `load` or `reopen`
    CellStore(folder).append(row("q", "answered"))
    lines = (folder / "predictions.jsonl").read_bytes().splitlines(keepends=True)
    assert [json.loads(line).get("revision", 0) for line in lines] == [0, 1, 2, 3]
    assert texts(CellStore(folder)) == {"q": "answered"}
    (folder / "predictions.jsonl").write_bytes(b"".join([lines[0], b"damaged\n", *lines[2:]]))
    assert texts(CellStore(folder)) == {"q": "answered"}
    (folder / "predictions.jsonl").write_bytes(b"".join([lines[3], *lines[:3]]))
    assert texts(CellStore(folder)) == {"q": "answered"}
    assert "have a row already: 3, all intact" in caplog.text


def test_of_rows_of_earlier_versions_the_last_counts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cell = CellStore(tmp_path / "cell")
    cell.reopen("")
    cell.append(row("q", "x"))
    file = tmp_path / "cell" / "predictions.jsonl"
    plain = of_version_2(json.loads(file.read_bytes()))
    old: list[dict[str, Any]] = []
    for version, text in ((1, "one"), (2, "two"), (2, "three")):
        old.append({**plain, "version": version, "answer": {**plain["answer"], "text": text}})
    del old[0]["version"]
    file.write_text("".join(json.dumps(one) + "\n" for one in old))
    assert texts(cell) == {"q": "three"}
    assert not caplog.records
    cell.append(row("q", "four"))
    assert texts(cell) == {"q": "four"}
    assert not caplog.records
    file.write_bytes(file.read_bytes() + json.dumps(old[1]).encode() + b"\n")
    assert texts(cell) == {"q": "four"}
    assert "have a row already: 1, all intact, on line 5." in caplog.text


def experiment(folder: Path, reference: str = "x") -> str:
    (folder / "data").mkdir(exist_ok=True)
    documents = [{"doc_id": "d", "title": "D", "text": "A text of some words."}]
    questions = [
        {"question_id": f"q{n}", "doc_ids": ["d"], "task": "qa", "answers": [reference], "question": f"What is {n}?"}
        for n in range(60)
    ]
    for name, rows in (("documents", documents), ("questions", questions)):
        (folder / "data" / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    pipeline = {"generators": {"main": {"kind": "scripted", "default": "x"}}, "routes": {"full": "full_context"}}
    whole = {
        "dataset": {"kind": "jsonl", "path": str(folder / "data")},
        "pipelines": {"p": pipeline},
        "metrics": ["contains"],
        "tracker": "none",
    }
    file = folder / "again.yaml"
    file.write_text(yaml.safe_dump(whole))
    return str(file)


def test_scores_of_a_changed_reference_replace_those_of_before(
    ragvlc: Cli, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert ragvlc("run", experiment(tmp_path)).code == 0
    [file] = Path("runs").rglob("predictions.jsonl")
    before = CellStore(file.parent).load()
    assert {one.scores["contains"] for one in before.values()} == {1.0}
    assert ragvlc("score", experiment(tmp_path, "y")).code == 0
    after = CellStore(file.parent).load()
    assert list(after) == list(before)
    assert {one.scores["contains"] for one in after.values()} == {0.0}
    assert {name: one.answer for name, one in after.items()} == {name: one.answer for name, one in before.items()}
    size = file.stat().st_size
    assert ragvlc("score", experiment(tmp_path, "y")).code == 0
    assert file.stat().st_size == size
    assert "have a row already" not in caplog.text


KILLED = """
import os
from ragvlc.cli.main import main
from ragvlc.results.store import CellStore
append, count = CellStore.append, [0]
def killed(self, row):
    append(self, row)
    count[0] += 1
    if count[0] == 20:
        os.kill(os.getpid(), 9)
CellStore.append = killed
main()
"""


def test_scoring_that_is_killed_loses_no_answer(ragvlc: Cli, tmp_path: Path) -> None:
    assert ragvlc("run", experiment(tmp_path)).code == 0
    [file] = Path("runs").rglob("predictions.jsonl")
    before = CellStore(file.parent).load()
    first = file.stat().st_size
    command = [sys.executable, "-c", KILLED, "score", experiment(tmp_path, "y")]
    ended = subprocess.run(command, capture_output=True, check=False, timeout=300)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert file.stat().st_size > first
    half = CellStore(file.parent).load()
    assert {name: one.answer for name, one in half.items()} == {name: one.answer for name, one in before.items()}
    assert sorted({one.scores["contains"] for one in half.values()}) == [0.0, 1.0]
    assert ragvlc("score", experiment(tmp_path, "y")).code == 0
    assert {one.scores["contains"] for one in CellStore(file.parent).load().values()} == {0.0}
