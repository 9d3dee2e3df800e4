"""The balance sheet of every file: what two ways of counting agree on, what a run refuses, and what is never read."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from ten_pdfs import PARAGRAPH, ten_pdfs
from thirty_files import thirty_files

from ragvlc.check import check
from ragvlc.core.errors import DatasetError
from ragvlc.datasets.folder import Folder
from ragvlc.documents.balance import Balance, balanced
from ragvlc.documents.extraction import Found, extract, kind_of
from ragvlc.documents.files import read_document, read_folder
from ragvlc.documents.formats.found import visible
from ragvlc.documents.sources import documents_at
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep

THIRTY = thirty_files()


@pytest.mark.parametrize("file", THIRTY, ids=[file.name for file in THIRTY])
def test_what_went_in_is_read_and_the_second_way_agrees(file):
    found = extract(kind_of(file.name), file.data)
    missing = visible(file.text) - visible(found.text)
    assert not missing
    sheet = balanced(file.name, "x", found)
    assert sheet.lost == 0
    assert sheet.characters > 0


def test_there_are_thirty_of_every_kind():
    assert len(THIRTY) == 30
    kinds = {kind_of(file.name) for file in THIRTY}
    assert kinds == {"txt", "csv", "md", "html", "pdf", "docx", "pptx", "xlsx", "epub", "ipynb", "eml"}


def test_losses_are_shares_of_what_a_file_holds():
    held = visible("abcd efgh")
    assert balanced("x", "html", Found("abcd | efgh", held=held)).loss == 0
    assert balanced("x", "html", Found("abcd aaaaaaaa", held=held)).loss == 0.5  # what is added makes up for nothing
    assert balanced("x", "txt", Found("ab\ufffd\ufffd", broken=2)).loss == 0.5
    assert balanced("x", "pdf", Found("a", pages=10, scans=2)).loss == 0.2
    assert balanced("x", "xlsx", Found("a", cells=3, blank_cells=1)).loss == 0.25
    assert Balance("x", "pdf", problem="locked").loss == 1
    assert balanced("ﬁ.txt", "txt", Found("fi", held=visible("ﬁ"))).loss == 0


@pytest.fixture
def handbook(tmp_path) -> Path:
    """A folder as people have them: most is well, and four files are not."""
    pdfs = ten_pdfs()
    folder = tmp_path / "handbook"
    folder.mkdir()
    for file in THIRTY:
        if file.name in (
            "table.docx",
            "text.pptx",
            "grain.xlsx",
            "table.html",
            "attached.eml",
            "notes.md",
            "latin.txt",
        ):
            (folder / file.name).write_bytes(file.data)
    (folder / "contract.pdf").write_bytes(pdfs["scans"].data)
    (folder / "board.pdf").write_bytes(pdfs["locked"].data)
    (folder / "plan.xyz").write_bytes(b"\x01")
    (folder / "old.doc").write_bytes(b"\xd0\xcf")
    (folder / "cut.txt").write_bytes("Größe und Straße".encode()[:-10] + "ß".encode()[:1])
    (folder / "logo.png").write_bytes(b"\x89PNG")
    (folder / "~$table.docx").write_bytes(b"x")
    (folder / "questions.csv").write_text("question,answers\nWho built the mill?,1702\n")
    return folder


def experiment(folder: Path, **fields) -> Sweep:
    full = {"generators": {"main": {"kind": "scripted", "default": "1702"}}, "routes": {"full": "full_context"}}
    dataset = {"kind": "folder", "path": str(folder), "questions": "questions.csv", **fields}
    spec = {"name": "x", "dataset": dataset, "pipelines": {"full": full}, "metrics": ["contains"], "tracker": "none"}
    return Sweep.model_validate(spec)


def test_a_run_stops_at_what_was_not_read_and_says_how_it_would_not(handbook, tmp_path):
    with pytest.raises(DatasetError) as caught:
        run_sweep(experiment(handbook), tmp_path / "runs")
    said = str(caught.value)
    for sentence in (
        "5 files are not read in full",
        "board.pdf: needs a password.",
        "contract.pdf: 2 of 3 pages are pictures without text (scans need OCR).",
        "plan.xyz: .xyz files are not read: save it as text, PDF or HTML.",
        "old.doc: .doc files are not read: save it as .docx or .pdf.",
        "cut.txt: 1 of 7 characters are missing (14.3%).",
        "`unreadable: skip`",
        "`allow_loss: 0.67`",
        'exclude: ["board.pdf", "contract.pdf", "cut.txt", ...]',
    ):
        assert sentence in said
    for fields in ({"allow_loss": 0.67}, {"unreadable": "skip"}, {"unreadable": "skip", "allow_loss": 0.66}):
        with pytest.raises(DatasetError):
            run_sweep(experiment(handbook, **fields), tmp_path / "runs")


@pytest.mark.parametrize(
    "fields",
    [
        {"allow_loss": 1.0},
        {"unreadable": "skip", "allow_loss": 0.67},
        {"exclude": ["board.pdf", "contract.pdf", "plan.xyz", "*.doc", "cut.txt"]},
    ],
)
def test_a_run_that_may_go_on_tells_what_was_not_read(handbook, tmp_path, fields):
    from ragvlc.analysis.page import html_page
    from ragvlc.analysis.report import terminal_report

    outcome = run_sweep(experiment(handbook, **fields), tmp_path / "runs")
    results = outcome.results()
    stored = {one["file"]: one for one in results.cells[0].facts.get("losses", ())}
    guessed = "latin.txt: not UTF-8, read as cp1252: 'Mühle', 'öffnet', 'Für', 'Gäste'"
    assert stored["latin.txt"]["said"].startswith(guessed)
    page, screen = html_page(results), "\n".join(part for part in terminal_report(results) if isinstance(part, str))
    assert "read as cp1252" in page
    assert f"- {guessed}" in screen
    if "exclude" in fields:
        assert set(stored) == {"latin.txt"}
    else:
        assert stored["contract.pdf"]["scans"] == 2
        assert "board.pdf: needs a password." in page
        assert "- board.pdf: needs a password." in screen


def test_settings_that_change_no_text_change_no_key(handbook):
    plain = Folder(path=str(handbook))
    assert Folder(path=str(handbook), allow_loss=0.5).key == plain.key
    assert Folder(path=str(handbook), boilerplate="keep").key == plain.key
    assert Folder(path=str(handbook), boilerplate="drop").key != plain.key
    assert "boilerplate" not in plain.key_facts()["fields"]


def test_check_shows_the_sheet_and_what_is_to_be_mended(handbook, ragvlc):
    said = ragvlc("check", str(handbook))
    assert said.code == 1
    for sentence in (
        "What files hold and what was not read",
        "all 12 files",
        "- board.pdf: needs a password.",
        "- contract.pdf: 2 of 3 pages are pictures without text (scans need OCR).",
        "- plan.xyz: .xyz files are not read",
        "- latin.txt: not UTF-8, read as cp1252: 'Mühle'",
        "To mend: 5.",
        "pictures are not read (.png)",
    ):
        assert sentence in said.out
    assert "Nothing to mend" not in said.out


def test_a_folder_that_was_read_in_full_shows_no_sheet(tmp_path):
    (tmp_path / "a.txt").write_text(PARAGRAPH)
    (tmp_path / "page.html").write_text("<p>Another text.<img src=x.png>")
    (found,) = check(tmp_path)
    assert ([one for one in found.balances if one.notable], found.problems) == ([], [])
    assert not any(
        getattr(part, "title", "") == "What files hold and what was not read" for part in found.renderables()
    )


def test_padding_with_files_that_were_not_read_is_refused(handbook):
    with pytest.raises(DatasetError, match=r"5 files are not read in full(.|\n)*take them out of the folder"):
        documents_at(handbook)


def run_twice(folder: Path, **fields) -> list[str]:
    sweep = experiment(folder, **fields)
    for _ in range(2):
        run_sweep(sweep, folder / "runs")
    (folder / "runs" / "x" / "report.html").write_text("<p>The answer was 1702.")
    return [document.id for document in Folder(path=str(folder)).collection()]


def test_results_of_ours_are_never_documents(tmp_path):
    (tmp_path / "a.txt").write_text(PARAGRAPH)
    (tmp_path / "questions.csv").write_text("question,answers\nWhen?,1702\n")
    (tmp_path / "sweep.yaml").write_text("name: x")
    assert run_twice(tmp_path) == ["a.txt"]
    assert read_folder(tmp_path).results == ("runs/x",)
    # Wherever they lie: a sweep's folder moved and renamed, one cell's folder alone, a page alone, MLflow's copies.
    moved = tmp_path / "archive" / "2026" / "march"
    shutil.copytree(tmp_path / "runs" / "x", moved)
    cell = next(path for path in moved.iterdir() if path.is_dir())
    shutil.copytree(cell, tmp_path / "one cell")
    (tmp_path / "one cell" / "notes.md").write_text("# 1702")
    from ragvlc.analysis.page import write_html
    from ragvlc.analysis.results import Results

    shutil.copy(write_html(Results.load(moved)), tmp_path / "copy of the report.html")
    tracked = tmp_path / "tracking"
    (tracked / "mlartifacts" / "1").mkdir(parents=True)
    (tracked / "mlflow.db").write_bytes(b"SQLite")
    (tracked / "mlartifacts" / "1" / "report.html").write_text("<p>1702")
    files = read_folder(tmp_path)
    assert [document.id for document in files.documents] == ["a.txt"]
    assert set(files.results) == {
        "archive/2026/march",
        "copy of the report.html",
        "one cell",
        "runs/x",
        "tracking/mlartifacts",
    }


def test_a_folder_of_results_alone_is_told_from_one_of_documents(tmp_path):
    (tmp_path / "a.txt").write_text(PARAGRAPH)
    (tmp_path / "questions.csv").write_text("question,answers\nWhen?,1702\n")
    run_twice(tmp_path)
    with pytest.raises(DatasetError, match="it holds results of ragvlc"):
        Folder(path=str(tmp_path / "runs")).collection()


def test_a_file_called_cells_is_no_mark(tmp_path):
    (tmp_path / "cells.json").write_text(json.dumps([{"cell": "neuron"}]))
    (tmp_path / "a.txt").write_text("A neuron.")
    assert len(read_folder(tmp_path).documents) == 1


def test_what_lies_in_a_folder_beside_documents(tmp_path):
    (tmp_path / "a.txt").write_text("Text.")
    for name in (
        "style.css",
        "exp.yaml",
        "x.jpg",
        "script.py",
        "Makefile",
        ".hidden.txt",
        "~$a.docx",
        "questions_dev.csv",
    ):
        (tmp_path / name).write_text("x")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "a.txt").write_text("x")
    files = read_folder(tmp_path)
    assert [document.id for document in files.documents] == ["a.txt"]
    assert files.unread == ()
    assert (files.hidden, files.tables) == (3, ("questions_dev.csv",))
    assert dict(files.passed_over) == {".css": 1, ".yaml": 1, ".jpg": 1, ".py": 1, "no ending": 1}
    for name, why in {
        "notes": "its name has no ending",
        "a.zip": "unpack it",
        "b.ods": r"save it as \.xlsx or \.csv",
        "scan.tiff": "text in them needs OCR",
    }.items():
        (tmp_path / name).write_text("x")
        with pytest.raises(DatasetError, match=f"{name}: .*{why}"):
            Folder(path=str(tmp_path)).collection()
        (tmp_path / name).unlink()


def test_links_are_followed_but_in_no_circle(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.txt").write_text("Linked.")
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.txt").write_text("Text.")
    (docs / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(docs)
    assert [document.id for document in read_folder(docs).documents] == ["a.txt", "link/b.txt"]


def test_a_folder_that_may_not_be_listed_is_not_read(tmp_path, monkeypatch):
    (tmp_path / "shut").mkdir()
    real = os.scandir

    def scandir(path):
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    (unread,) = read_folder(tmp_path).unread
    assert unread.losses() == "shut: cannot be listed: Permission denied."


def test_ask_takes_a_folder(handbook, ragvlc, tmp_path):
    (tmp_path / "full.yaml").write_text(
        json.dumps(
            {"generators": {"main": {"kind": "scripted", "default": "1702"}}, "routes": {"full": "full_context"}}
        )
    )
    ask = ("ask", str(tmp_path / "full.yaml"), "When?", "-d", str(handbook))
    said = ragvlc(*ask)
    assert said.code == 2
    assert "5 files are not read in full" in said.err
    assert "--allow-loss 1" in said.err
    said = ragvlc(*ask, "--allow-loss", "1", "--trace")
    assert "1702" in said.out
    assert "[table.docx" in said.out
    assert "not read in full: board.pdf: needs a password." in said.err
    assert "latin.txt: not UTF-8, read as cp1252" in said.err
    said = ragvlc("ask", ask[1], "When?", "-d", str(handbook / "board.pdf"))
    assert (said.code, said.err.strip()) == (2, f"error: {handbook / 'board.pdf'}: needs a password.")


def test_one_file_of_an_unknown_ending_is_read_as_text(tmp_path):
    (tmp_path / "notes.xyz").write_bytes("Größe und Straße".encode("latin-1"))
    assert read_document(tmp_path / "notes.xyz").text == "Größe und Straße"
    (tmp_path / "old.doc").write_bytes(b"text")
    with pytest.raises(DatasetError, match=r"old\.doc: \.doc files are not read: save it as \.docx or \.pdf"):
        read_document(tmp_path / "old.doc")
    (tmp_path / "x.bin").write_bytes(b"\x00\x01")
    with pytest.raises(DatasetError, match=r"x\.bin: \.bin files are not read"):
        read_document(tmp_path / "x.bin")
