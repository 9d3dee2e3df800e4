"""Bundles: read elsewhere by report and verify, without the data, and what they cannot check is said."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from command_line import Cli

from ragvlc.analysis.results import Results

SECRET = "The value of the item is 7 units, as nobody else knows."
FILES = {
    "docs/a.md": f"# Paper\n\n{SECRET} " + "Nothing of note follows here. " * 30,
    "docs/questions.csv": "question,answers,documents\nWhat is the value of the item?,7 units,a.md\n"
    "Who knows?,nobody,a.md\n",
    "exp.yaml": "dataset: {kind: folder, path: docs, questions: questions.csv}\npipelines: [full.yaml, rag.yaml]\n"
    "metrics: [contains]\nbaseline: full\ntracker: none\n",
    "full.yaml": "generators: {main: {kind: scripted, replies: {value: 'It is 7 units.'}}}\n"
    "routes: {full: {kind: full_context}}\nrouter: always\n",
    "rag.yaml": "generators: {main: {kind: scripted, replies: {value: 'It is 8 units.'}}}\n"
    "routes: {rag: {kind: retrieve, retriever: bm25, chunker: {kind: tokens, size: 40}}}\nrouter: always\n",
}


@pytest.fixture
def here(tmp_path: Path, ragvlc: Cli) -> Path:
    """Returns a folder with documents, and results of a sweep over them."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    done = ragvlc("run", "exp.yaml")
    assert done.code == 0, done.err
    return tmp_path


def unpacked(here: Path, ragvlc: Cli, *options: str) -> tuple[Path, str]:
    """Exports a bundle, takes the data away, and unpacks it elsewhere; returns the folder and what was printed."""
    done = ragvlc("export", "exp", "--to", "bundle", *options)
    assert done.code == 0, done.err
    elsewhere = here / "elsewhere"
    with zipfile.ZipFile(here / "runs/exp/export/exp.zip") as whole:
        whole.extractall(elsewhere)
    for gone in ("docs", "runs", "store"):
        shutil.rmtree(here / gone, ignore_errors=True)
    return elsewhere / "exp", done.out


def everything(folder: Path) -> str:
    return "".join(path.read_text("utf-8") for path in sorted(folder.rglob("*")) if path.is_file())


def test_without_documents_no_text_of_them_is_in_it_and_that_is_said(here: Path, ragvlc: Cli) -> None:
    size = len((here / "docs/a.md").read_text())
    folder, said = unpacked(here, ragvlc)
    assert "nobody else knows" not in everything(folder)
    assert f"without the texts of documents; left out: 1 document, {size:,} characters of them" in said
    facts = json.loads((folder / "bundle.json").read_text())
    assert facts["documents"] is False
    assert {one["name"] for one in facts["cells"]} == {"full", "rag"}
    assert all(isinstance(one["seed"], int) for one in facts["cells"])
    assert facts["packages"]["numpy"]
    assert set(facts["files"]) == {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()} - {
        "bundle.json"
    }


def test_verify_elsewhere_says_what_it_cannot_check(here: Path, ragvlc: Cli) -> None:
    folder, _ = unpacked(here, ragvlc)
    done = ragvlc("verify", str(folder))
    assert done.code == 0, done.out
    assert "files as in the bundle; it left out: 1 document" in done.out
    assert "not checked without the data set: scores and summaries" in done.out
    assert "What can be checked here is whole." in done.out
    assert "recomputed" not in done.out
    assert "those of the run" not in done.out.partition("models")[0].partition("data ")[2]


@pytest.mark.parametrize("name", ["sweep.yaml", "predictions.jsonl", "citations.bib"])
def test_verify_notices_a_file_that_was_changed_or_is_missing(here: Path, ragvlc: Cli, name: str) -> None:
    folder, _ = unpacked(here, ragvlc)
    path = next(folder.rglob(name))
    path.write_text(path.read_text() + " ")
    done = ragvlc("verify", str(folder))
    assert done.code == 1
    assert "1 file missing or other than in the bundle" in done.out
    path.unlink()
    assert "1 file missing or other than in the bundle" in ragvlc("verify", str(folder)).out


def test_report_elsewhere_has_the_same_figures_and_says_what_is_missing(here: Path, ragvlc: Cli, caplog) -> None:
    before = ragvlc("report", "exp").out.partition("How the questions")[0]
    folder, _ = unpacked(here, ragvlc)
    caplog.clear()
    done = ragvlc("report", str(folder))
    assert done.code == 0, done.err
    assert done.out.partition("How the questions")[0] == before
    assert "positions instead of passages" in caplog.text
    assert "nobody else knows" not in (folder / "report.html").read_text()


def test_with_documents_the_report_shows_passages_elsewhere(here: Path, ragvlc: Cli) -> None:
    folder, said = unpacked(here, ragvlc, "--documents")
    assert "with the texts of the documents; left out: nothing" in said
    assert ragvlc("report", str(folder)).code == 0
    assert "nobody else knows" in (folder / "report.html").read_text()
    assert "nobody else knows" in Results.load(folder).report().html
    assert ragvlc("verify", str(folder)).code == 0


def test_documents_that_have_changed_since_are_not_bundled(here: Path, ragvlc: Cli) -> None:
    (here / "docs/a.md").write_text("# Paper\n\nAnother text.\n")
    done = ragvlc("export", "exp", "--to", "bundle", "--documents")
    assert done.code == 2
    assert "have changed since the run" in done.err
    assert not (here / "runs/exp/export").exists()
    assert ragvlc("report", "exp").code == 0
    assert "Another text" not in (here / "runs/exp/report.html").read_text()
    assert "Another text" not in Results.load(here / "runs/exp").report().html


def test_documents_without_a_bundle_are_one_error(here: Path, ragvlc: Cli) -> None:
    done = ragvlc("export", "exp", "--to", "latex", "--documents")
    assert done.code == 2
    assert "--documents" in done.err


def test_a_damaged_bundle_file_is_one_error(here: Path, ragvlc: Cli) -> None:
    folder, _ = unpacked(here, ragvlc)
    (folder / "bundle.json").write_text("{")
    done = ragvlc("verify", str(folder))
    assert done.code == 2
    assert "bundle.json: cannot be read" in done.err


def test_the_same_results_give_the_same_bundle(here: Path, ragvlc: Cli) -> None:
    path = here / "runs/exp/export/exp.zip"
    contents = []
    for _ in range(2):
        assert ragvlc("export", "exp", "--to", "bundle").code == 0
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]


def test_a_bundle_can_be_run_again_where_the_data_is(here: Path, ragvlc: Cli) -> None:
    assert ragvlc("export", "exp", "--to", "bundle").code == 0
    with zipfile.ZipFile(here / "runs/exp/export/exp.zip") as whole:
        whole.extractall(here / "elsewhere")
    done = ragvlc("verify", "elsewhere/exp")
    assert done.code == 0, done.out
    assert "4 scores recomputed, all equal" in done.out
    assert "Everything is whole." in done.out
