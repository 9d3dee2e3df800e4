"""What docs/extending.md says is true: its kinds are short, keep their contracts, and run together in a sweep."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import yaml
from command_line import Cli

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
KINDS = {"my_metric": "Brevity", "my_notes": "Notes", "my_generator": "Quoting", "first_words": "FirstWords"}
NOTES = [
    {
        "id": "a",
        "title": "tower",
        "note": "It is 31 metres high. It is old.",
        "question": "How high?",
        "answer": "31 m",
    },
    {"id": "b", "title": "ferry", "note": "It carries twelve cars.", "question": "How many cars?", "answer": "twelve"},
]


def blocks(language: str) -> list[str]:
    """Returns the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def written(ragvlc: Cli, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The page's kinds as modules of the current folder, and a file of notes."""
    texts = {}
    for block in blocks("python"):
        [module] = [name for name, kind in KINDS.items() if f"class {kind}(" in block]
        texts[module] = block
    for name, text in texts.items():
        Path(f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])  # whatever is found in the current folder
    Path("notes.json").write_text(json.dumps(NOTES), encoding="utf-8")
    return texts


def test_they_are_short_and_build_on_public_names(written: dict[str, str]) -> None:
    assert set(written) == set(KINDS)
    for name, text in written.items():
        assert text.count("\n") < 40, name
        imports = re.findall(r"^from (\S+) import (.*)$", text, flags=re.MULTILINE)
        assert imports
        assert not any(part.startswith("_") for line in imports for part in re.split(r"[., ]+", ".".join(line))), name


@pytest.mark.parametrize(("module", "kind"), KINDS.items())
def test_they_keep_their_contracts(ragvlc: Cli, written: dict[str, str], module: str, kind: str) -> None:
    said = ragvlc("check-kind", f"{module}:{kind}")
    assert said.code == 0, said.out
    assert said.err == ""
    assert re.search(r"^All \d+ clauses hold\.$", said.out, re.MULTILINE)


def test_they_run_together(ragvlc: Cli, written: dict[str, str]) -> None:
    [experiment] = [block for block in blocks("yaml") if "my_notes" in block]
    Path("sweep.yaml").write_text(experiment, encoding="utf-8")
    said = ragvlc("run", "sweep.yaml", "--set", "tracker=none")
    assert said.code == 0, said.err
    for length in (40, 60):  # its data set is asked over contexts of any length, like every other
        padding = f"pad_to_tokens: {length}, pad_tokenizer: tokens/tokenizer.json, pad_from: filler"
        data = yaml.safe_load(experiment)["dataset"] | {"scope": "example"} | yaml.safe_load(f"{{{padding}}}")
        Path("padded.yaml").write_text(yaml.safe_dump(yaml.safe_load(experiment) | {"dataset": data}))
        write_padding()
        assert ragvlc("run", "padded.yaml", "--set", "tracker=none", "--runs", str(length)).code == 0
        rows = [
            json.loads(line)
            for file in Path(str(length)).rglob("predictions.jsonl")
            for line in file.read_text(encoding="utf-8").splitlines()
        ]
        assert len(rows) == 4


def write_padding() -> None:
    """Writes a tokenizer of words, and documents to fill up with."""
    words = {"type": "WordLevel", "vocab": {"word": 0}, "unk_token": "word"}
    rules = {"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"}, "model": words}
    Path("tokens").mkdir(exist_ok=True)
    Path("tokens/tokenizer.json").write_text(json.dumps(rules), encoding="utf-8")
    Path("filler").mkdir(exist_ok=True)
    for number in range(12):
        Path(f"filler/{number}.txt").write_text(f"The river runs on past mill {number}. So it goes.", encoding="utf-8")


def test_the_commands_of_the_page_are_those_of_the_tool() -> None:
    commands = [line.removeprefix("$ ").strip() for block in blocks("console") for line in block.splitlines()]
    assert commands == [
        "ragvlc check-kind my_metric:Brevity --set words=5",
        "ragvlc check-kind first_words:FirstWords --set characters=100",
    ]


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)", TEXT))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / "docs" / link).exists()
