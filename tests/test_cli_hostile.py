"""Texts of documents, models and files are shown on a terminal, not obeyed; names stay in their folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ragvlc.core.errors import StoreError
from ragvlc.core.texts import visible
from ragvlc.results.loading import SweepResults
from tests.command_line import Cli

EVIL = "\x1b[31m\x1b]8;;http://evil\x07\x9b2J\u202etxt\u200bzero\u2028\U000e0041\x07"
OBEYED = tuple("\x1b\x07\x9b\u202e\u200b\u2028\U000e0041\r")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("plain text", "plain text"),
        ("\x1b[31mred", "␛[31mred"),
        ("bell\x07, null\x00, delete\x7f", "bell␇, null␀, delete␡"),
        ("C1 \x9b2J", "C1 <U+009B>2J"),
        ("a\tb\nc\r\nd\re", "a\tb\nc\nd␍e"),
        ("\u202eevil\u2066", "<U+202E>evil<U+2066>"),
        ("pay\u200bpal \ufeff", "pay<U+200B>pal <U+FEFF>"),
        ("pay\u200dpal", "pay<U+200D>pal"),
        ("tag \U000e0041", "tag <U+E0041>"),
        ("茶 é 👩\u200d🚀 می\u200cخواهم", "茶 é 👩\u200d🚀 می\u200cخواهم"),
    ],
)
def test_what_a_terminal_would_obey_becomes_visible(given: str, expected: str) -> None:
    assert visible(given) == expected


def experiment(folder: Path, **fields: Any) -> Path:
    rows = [{"doc_id": "d", "text": f"Paris {EVIL} is the capital of France.", "title": EVIL}]
    asked = [{"question_id": "q", "question": f"Capital? {EVIL}", "answers": ["Paris"], "doc_ids": ["d"]}]
    for name, lines in (("documents", rows), ("questions", asked)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    pipeline = {
        "generators": {"main": {"kind": "scripted", "default": f"Lyon {EVIL}"}},
        "routes": {"full": "full_context"},
    }
    whole = {
        "dataset": {"kind": "jsonl", "path": str(folder)},
        "pipelines": {EVIL: pipeline},
        "metrics": ["contains"],
        "tracker": "none",
        **fields,
    }
    file = folder / "evil.yaml"
    file.write_text(yaml.safe_dump(whole, allow_unicode=True))
    return file


def test_no_command_passes_control_characters_to_the_terminal(ragvlc: Cli, tmp_path: Path) -> None:
    file = experiment(tmp_path)
    for command in (
        ("plan", str(file)),
        ("check", str(file)),
        ("run", str(file), "--runs", str(tmp_path / "runs")),
        ("estimate", str(file)),
        ("report", str(tmp_path / "runs" / "evil")),
        ("show", str(tmp_path / "runs" / "evil")),
        ("show", str(tmp_path / "runs" / "evil"), "--question", "q"),
    ):
        said = ragvlc(*command)
        assert said.code in (0, 1), (command, said)
        for character in OBEYED:
            assert character not in said.out + said.err, (command, character)


def test_an_error_shows_what_it_does_not_pass_on(ragvlc: Cli, tmp_path: Path) -> None:
    ragvlc("run", str(experiment(tmp_path)), "--runs", str(tmp_path / "runs"))
    results = str(tmp_path / "runs" / "evil")
    for command in (
        ("show", results, "--question", EVIL),
        ("verify", results, "--cell", f"x\r{EVIL}"),
        ("verify", str(tmp_path / EVIL.replace("/", ""))),
        ("run", EVIL),
        ("run", results, "--set", f"{EVIL}=1"),
    ):
        said = ragvlc(*command)
        assert said.code == 2, command
        assert said.err.startswith("error: ")
        assert said.err.count("\n") == 1, said.err
        assert "␛[31m" in said.err
        assert "zero<U+2028>" in said.err
        for character in OBEYED:
            assert character not in said.out + said.err, (command, character)


@pytest.mark.parametrize("name", ["CON", "nul.txt", "com1", "ends.", "a" * 121, "../up", "a/b", "\u202etxt", ".hidden"])
def test_names_that_are_no_folder_everywhere_are_refused(ragvlc: Cli, tmp_path: Path, name: str) -> None:
    said = ragvlc("run", str(experiment(tmp_path, name=name)), "--runs", str(tmp_path / "runs"))
    assert said.code == 2
    assert "name: " in said.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("field", "value"), [("key", "../../x"), ("key", "/etc"), ("examples", "../x.jsonl"), ("key", "..")]
)
def test_cells_json_cannot_lead_out_of_its_folder(ragvlc: Cli, tmp_path: Path, field: str, value: str) -> None:
    ragvlc("run", str(experiment(tmp_path)), "--runs", str(tmp_path / "runs"))
    file = tmp_path / "runs" / "evil" / "cells.json"
    cells = json.loads(file.read_text())
    cells[0][field] = value
    file.write_text(json.dumps(cells))
    with pytest.raises(StoreError, match=r"cells.json: .* is no name of a file in this folder"):
        SweepResults.load(file.parent)
