"""`ragvlc init`: files to begin with that fit a folder of documents, from the template to a run."""

from __future__ import annotations

import csv
import random
import sys

import pytest

from ragvlc.check import check
from ragvlc.cli.main import main
from ragvlc.core.errors import ConfigError, DatasetError
from ragvlc.datasets.folder import Folder
from ragvlc.documents.tokenizing import data_tokenizer
from ragvlc.starting import EMBEDDER, MODEL, start
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep
from ragvlc.testing import FunctionEngine, ScriptedPool


def rules(seed: int, count: int) -> str:
    chance = random.Random(seed)
    return " ".join(
        f"Rule {n} gives {chance.randrange(90)} days to room {chance.randrange(900)}." for n in range(count)
    )


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "Our hand, book"
    place.mkdir()
    for n in range(5):
        (place / f"part {n}, old.md").write_text(f"# Part {n}\n\nKey {n} opens door{n}.\n\n{rules(n, 40)}\n")
    return place


def rows_of(table):
    lines = [line for line in table.read_text(encoding="utf-8-sig").splitlines() if not line.startswith("# ")]
    return list(csv.DictReader(lines))


def edit(table):
    rows = rows_of(table)
    for row in rows[:-1]:
        number = row["documents"].split()[1].rstrip(",")
        row |= {"question": f"What does key {number} open?", "answers": f"door{number}"}
    rows[-1]["question"] = "Who is the king?"
    with table.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize("out", ["work", "Our hand, book", "."])
def test_from_the_template_to_a_run(folder, tmp_path, out):
    made = start(folder, tmp_path / out)
    names = {path.name for path in made.files}
    assert names == {"questions.csv", "rag.yaml", "full_context.yaml", "experiment.yaml"}
    assert {row["documents"] for row in rows_of(made.template)} < {f"part {n}, old.md" for n in range(5)}
    (found,) = check(made.experiment)
    template = "is a row of the template that was not edited"
    assert [one.partition(template)[0] for one in found.problems] == [
        f"questions.csv: line {n}: " for n in (6, 7, 8, 9)
    ]
    sweep = Sweep.load(made.experiment)
    with ScriptedPool(FunctionEngine(lambda _: "door0"), tmp_path / "cache") as pool:
        with pytest.raises(DatasetError, match="line 6: is a row of the template that was not edited"):
            run_sweep(sweep, tmp_path / "runs", pool=pool)
        edit(made.template)
        (found,) = check(made.experiment)
        assert found.problems == []
        sweep = Sweep.load(made.experiment, overrides={"tracker": "none"})
        outcome = run_sweep(sweep, tmp_path / "runs", pool=pool)
    assert outcome.complete
    cells = outcome.results().cells
    assert {cell.facts["pipeline"] for cell in cells} == {"full_context", "rag"}
    assert all(len(cell.rows) == 4 for cell in cells)
    read = {name for cell in cells for facts in cell.examples.values() for name in facts["documents"]}
    assert read == {row["documents"] for row in rows_of(made.template)}  # the table of questions is none


def test_one_row_that_was_forgotten_is_named(folder, tmp_path):
    made = start(folder, tmp_path / "work")
    edit(made.template)
    with made.template.open("a", encoding="utf-8") as file:
        file.write("What else?,WRITE HERE: its answer,,,\n")
    with pytest.raises(DatasetError, match="line 6: is a row of the template"):
        Sweep.load(made.experiment).dataset.load()


def test_passages_fit_the_embedder_and_half_of_the_window(folder, tmp_path):
    # Few tokens of the reader, many of the embedder.
    rows = "\n".join(f"Row {n} of the table {'-' * 8} has text" for n in range(200))
    (folder / "table.txt").write_text(rows)
    made = start(folder, tmp_path / "work")
    chunker = Sweep.load(made.experiment).pipelines["rag"].routes["rag"].chunker
    embedding = data_tokenizer(EMBEDDER)
    documents = Folder(path=str(folder)).collection()
    longest = max(
        embedding.count(chunk.text) for one in documents for chunk in chunker.split(one, data_tokenizer(MODEL))
    )
    assert chunker.size < 256
    assert longest + 2 <= 256
    assert any(f"the longest has {longest + 2} in the embedder's window of 256" in fact for fact in made.facts)


def test_passages_that_cannot_fit_are_told(folder, tmp_path):
    (folder / "rulers.txt").write_text("\n".join(f"{n} {'=' * 64}" for n in range(200)))
    made = start(folder, tmp_path / "work")
    assert any("Longer ones are cut when they are embedded" in fact for fact in made.facts)


def test_full_context_is_left_out_where_it_does_not_fit_and_said(folder, tmp_path):
    (folder / "long.txt").write_text(rules(9, 900))
    made = start(folder, tmp_path / "work")
    assert "full_context.yaml" not in {path.name for path in made.files}
    assert any("full context is left out" in fact and "window of 8,192" in fact for fact in made.facts)
    assert "Full context is left out" in made.experiment.read_text()
    assert list(Sweep.load(made.experiment).pipelines) == ["rag"]


def test_questions_that_are_asked_over_all_documents_decide(folder, tmp_path):
    for n in range(9):
        (folder / f"more{n}.txt").write_text(rules(n, 90))
    made = start(folder, tmp_path / "a")
    assert any("one that names none is asked over all" in fact for fact in made.facts)
    table = tmp_path / "mine.xlsx"
    import pandas as pd

    pd.DataFrame({"Frage": ["What does key 1 open?"], "Antwort": ["door1"]}).to_excel(table, index=False)
    made = start(folder, tmp_path / "b", questions=table)
    assert made.template is None
    assert "full_context.yaml" not in {path.name for path in made.files}
    assert Sweep.load(made.experiment).dataset.load()[0].references == ("door1",)


def test_the_folders_only_table_is_taken(folder, tmp_path):
    (folder / "questions.csv").write_text("Frage,Antwort\nWhat does key 1 open?,door1\n")
    made = start(folder, tmp_path / "a")
    assert made.template is None
    assert made.facts[0].startswith(f"{folder / 'questions.csv'}: the folder's only table of questions")
    assert Sweep.load(made.experiment).dataset.load()[0].references == ("door1",)
    (folder / "questions_old.csv").write_text("Frage,Antwort\nWhat does key 1 open?,door1\n")
    with pytest.raises(DatasetError, match=r"2 tables of questions: questions\.csv, questions_old\.csv\. Choose one"):
        start(folder, tmp_path / "b")


def test_nothing_is_overwritten_and_nothing_half_written(folder, tmp_path, monkeypatch, capsys):
    work = tmp_path / "work"
    work.mkdir()
    (work / "rag.yaml").write_text("mine")
    with pytest.raises(ConfigError, match=r"rag\.yaml: there already, and not overwritten\."):
        start(folder, work)
    assert [path.name for path in work.iterdir()] == ["rag.yaml"]
    assert (work / "rag.yaml").read_text() == "mine"
    monkeypatch.setattr(sys, "argv", ["ragvlc", "init", str(folder), "--out", str(work)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "not overwritten" in capsys.readouterr().err


def test_the_command_says_what_it_wrote_and_what_to_mend(folder, tmp_path, monkeypatch, capsys):
    (folder / "scan.docx").write_bytes(b"nothing")
    arguments = [
        "ragvlc",
        "init",
        str(folder),
        "--out",
        str(tmp_path / "w"),
        "--questions",
        str(tmp_path / "w" / "q.csv"),
    ]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().out
    assert not ended.value.code
    for words in ("q.csv    the template", "To mend before a run", "scan.docx", "ragvlc check ", "ragvlc run "):
        assert words in said
    text = (tmp_path / "w" / "experiment.yaml").read_text()
    assert '# exclude: ["scan.docx"]' in text
    edit(tmp_path / "w" / "q.csv")
    with pytest.raises(DatasetError, match="1 file is not read in full"):
        Sweep.load(tmp_path / "w" / "experiment.yaml").dataset.load()
    (tmp_path / "w" / "experiment.yaml").write_text(text.replace("  # exclude", "  exclude"))
    assert len(Sweep.load(tmp_path / "w" / "experiment.yaml").dataset.load()) == 4


@pytest.mark.parametrize("case", ["empty", "missing", "file", "no text", "table"])
def test_folders_that_cannot_be_started_with_are_refused(tmp_path, case):
    place = tmp_path / "docs"
    if case != "missing":
        place.mkdir()
    if case == "no text":
        (place / "x.png").write_bytes(b"\x89PNG")
    if case == "file":
        place = place / "a.txt"
        place.write_text("x")
    if case == "table":
        (place / "a.txt").write_text("Some text.")
    questions = str(tmp_path / "qustions.xlsx") if case == "table" else ""
    with pytest.raises(DatasetError) as caught:
        start(place, tmp_path / "work", questions=questions)
    said = {"empty": "holds no file with text", "missing": "no such folder", "file": "is a file, not a folder",
            "no text": "holds no file with text", "table": "no such file, and the template is a .csv file"}  # fmt: skip
    assert said[case] in str(caught.value)
    assert not (tmp_path / "work").exists()
