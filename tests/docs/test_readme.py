"""What README and docs say is true: commands run, YAML and Python work, tables and links are right."""

from __future__ import annotations

import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ragvlc import families
from ragvlc.cli.app import app
from ragvlc.cli.main import main
from ragvlc.core.component import known_kinds
from ragvlc.pipeline import Pipeline
from ragvlc.sweep.plan import plan
from ragvlc.sweep.spec import Sweep
from ragvlc.testing import check

ROOT = Path(__file__).parents[2]
README, TUTORIAL, EXTENDING, DATA = (
    (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "docs/tutorial.md", "docs/extending.md", "docs/data.md")
)
SET_UP_AND_SERVERS = ("make ", "python3 -m venv", "pip install", "pytest", "ragvlc ui")
RUNNABLE = "dataset.topics=[exprlists, power]"


def blocks(language: str, page: str = README) -> list[str]:
    """Returns the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)


def route() -> str:
    """Returns the route, as printed."""
    [found] = [block for block in blocks("python", EXTENDING) if "class FirstWords" in block]
    return found


def commands(page: str) -> list[str]:
    """Returns the lines after a prompt, without comments."""
    lines = [line.removeprefix("$ ") for block in blocks("console", page) for line in block.splitlines()]
    return [line.split("#")[0].strip() for line in lines]


def cheap(command) -> list[str]:
    """Returns the command's words, on a few short topics and few settings, so that a test can afford it."""
    words = shlex.split(command)
    if words[1:3] == ["compare", "chunk_size"]:
        words[-1] = "rag"  # with one size, the cell's whole name
    if words[1] in {"run", "score", "track", "plan", "estimate"} and "chunk_size" in words:
        words[words.index("--limit") + 1 if "--limit" in words else len(words) :] = []
        words = [word for word in words if word != "--limit"]
        words += ["--limit", "1", "--set", RUNNABLE, "--set", "routes.rag.chunker.size=64"]
    return words


@pytest.mark.parametrize("page", [README, TUTORIAL], ids=["readme", "tutorial"])
def test_the_commands_run_in_their_order(page, language_model, embedding_model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    monkeypatch.setattr(sys, "path", [*sys.path])  # a kind of this folder is found there
    (tmp_path / "notes.txt").write_text("The report on the lighthouse was written by Ada Trevean in 2009.\n")
    ran = 0
    for command in commands(page):
        assert command.startswith("ragvlc "), command
        if command.startswith(SET_UP_AND_SERVERS):
            continue
        monkeypatch.setattr(sys, "argv", cheap(command))
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        assert not ended.value.code, f"{command}\n{shown.out}\n{shown.err}"
        assert shown.out.strip(), command
        ran += 1
    assert ran >= 7


def test_every_command_of_the_tool_is_in_the_readme_or_in_its_help():
    shown = subprocess.run(
        [sys.executable, "-m", "ragvlc", "--help"], check=False, capture_output=True, text=True, timeout=60
    ).stdout
    names = {(command.name or command.callback.__name__) for command in app.registered_commands}
    for name in names:
        assert re.search(rf"^\W*{name}\b", shown, flags=re.MULTILINE), name
    everywhere = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    assert [name for name in names if f"ragvlc {name}" not in everywhere + README] == []


def test_the_table_of_parts_lists_every_kind():
    rows = dict(re.findall(r"^\| (\w+) \| (`\w+`(?: `\w+`)*) \|$", EXTENDING, flags=re.MULTILINE))
    assert rows
    for family, cells in rows.items():
        assert tuple(re.findall(r"`(\w+)`", cells)) == known_kinds(family), f"{family}: run: make generate"
    assert set(rows) == {part.family for part in vars(families).values() if getattr(part, "family", "")}


def test_the_sweep_in_the_readme_plans(tmp_path):
    [sweep] = [block for block in blocks("yaml") if "pipelines:" in block]
    (tmp_path / "mine.yaml").write_text(sweep, encoding="utf-8")
    assert len(plan(Sweep.load(tmp_path / "mine.yaml"))) == 5


def test_the_data_of_the_page_loads(tmp_path):
    document, question = blocks("json", DATA)[0].splitlines()
    (tmp_path / "documents.jsonl").write_text(document.replace("...", "Written by Ada Trevean") + "\n")
    (tmp_path / "questions.jsonl").write_text(
        question.replace('"start": 10, "end": 21', '"start": 11, "end": 22') + "\n"
    )
    [spec] = [yaml.safe_load(block)["dataset"] for block in blocks("yaml", DATA) if "path:" in block]
    from ragvlc.datasets.jsonl import Jsonl

    spec.pop("kind")
    [example] = Jsonl.model_validate(spec | {"path": str(tmp_path)}).load()
    assert example.references == ("Ada Trevean",)


def test_the_route_of_the_page_answers(tmp_path, monkeypatch):
    (tmp_path / "page_route.py").write_text(route(), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    from ragvlc.core.data import Document

    generator = {"kind": "scripted", "replies": {"(?s)^(.{4})": r"\1"}}
    pipeline = Pipeline.model_validate(
        {"generators": {"main": generator}, "routes": {"mine": {"kind": "page_route:FirstWords", "characters": 4}}}
    )
    assert pipeline.answer("What?", [Document("d", "Ada wrote it")]).text == "Ada"


def test_the_route_of_the_page_keeps_the_contract(tmp_path, monkeypatch):
    (tmp_path / "page_first_words.py").write_text(route(), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert check("page_first_words:FirstWords", characters=100).family == "routes"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the repository with the route of `docs/extending.md` as a file in its family's folder."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("ragvlc", "tests", "pipelines", "experiments", "schema", "docs"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    (root / "ragvlc" / "routes" / "first_words.py").write_text(route(), encoding="utf-8")
    return root


def in_checkout(root, *arguments):
    """Runs Python in the copy, on its own package."""
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def outcome_of(root):
    """Runs the tests that look at every kind of the copy: its contract, the schemas, the documents, the sources."""
    places = [
        "tests/conformance/test_conformance.py",
        "tests/test_schema.py",
        "tests/architecture/test_architecture_sources.py",
        "tests/docs/test_readme.py::test_the_table_of_parts_lists_every_kind",
        "tests/docs/test_readme.py::test_what_is_made_from_the_code_is_up_to_date",
    ]
    names = "first_words or schema or sources or table_of_parts or up_to_date or no_two_kinds"
    return in_checkout(root, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", names, *places)


def test_a_route_dropped_into_its_folder_asks_for_one_command(checkout):
    before = outcome_of(checkout)
    failed = re.findall(r"^FAILED (\S+)", before.stdout, re.MULTILINE)
    assert {name.partition("::")[2].partition("[")[0] for name in failed} == {
        "test_generated_files_know_it",
        "test_the_table_of_parts_lists_every_kind",
        "test_what_is_made_from_the_code_is_up_to_date",
    }, before.stdout
    said = re.findall(r"^E +AssertionError: (.*)", before.stdout, re.MULTILINE)
    assert len(said) == 3
    assert all("run: make generate" in sentence for sentence in said)
    done = in_checkout(checkout, "tests/docs/generate.py")
    assert done.returncode == 0, done.stderr
    after = outcome_of(checkout)
    assert after.returncode == 0, after.stdout
    assert "`first_words`" in (checkout / "docs" / "extending.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_files_named_in_the_pages_exist():
    pages = [README, *(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))]
    named = re.findall(r"`((?:notebooks|tests|pipelines|experiments)/[\w/.]+)`", "\n".join(pages))
    assert named
    for name in named:
        assert (ROOT / name).exists(), name


def test_what_is_made_from_the_code_is_up_to_date():
    from generate import generated

    stale = [str(path.relative_to(ROOT)) for path, text in generated().items() if path.read_text("utf-8") != text]
    assert stale == [], "run: make generate"
