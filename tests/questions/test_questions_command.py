"""The command `questions`, over files of many kinds and over data sets."""

import json
from pathlib import Path

import pytest
from command_line import Cli
from expert import BUILDER, corpus

from ragvlc.datasets.jsonl import Jsonl
from ragvlc.questions.files import SetFiles

WRITTEN = "QUESTION: Who built the mill of Reedwick?\\nANSWER: Ada Corbett\\n"
WRITTEN += "QUOTE: Ada Corbett was the builder of the mill of Reedwick."
MODEL = (
    f"{{kind: scripted, replies: {{'Reply in exactly this form': \"{WRITTEN}\", "
    '"^Answer this question": UNANSWERABLE, Ada Corbett: Ada Corbett}, default: UNANSWERABLE}'
)
FACT = "Ada Corbett was the builder of the mill of Reedwick."
REST = " Nobody knows much about the mill today, and the stream is dry in summer." * 6


def folder_of_files(folder: Path) -> Path:
    """Returns a folder with the fact in files of five kinds, one fact in all of them."""
    import docx
    from reportlab.pdfgen.canvas import Canvas

    folder.mkdir()
    (folder / "a.txt").write_text(FACT + REST)
    (folder / "b.md").write_text(f"# The mill\n\n{FACT}{REST}\n")
    (folder / "c.html").write_text(f"<html><title>Mill</title><body><p>{FACT}</p><p>{REST}</p></body></html>")
    page = Canvas(str(folder / "d.pdf"))
    for number, line in enumerate([FACT, *REST.split(". ")]):
        page.drawString(72, 760 - 20 * number, line)
    page.save()
    word = docx.Document()
    word.add_paragraph(FACT)
    word.add_paragraph(REST)
    word.save(str(folder / "e.docx"))
    return folder


def test_mixed_files_give_one_question_and_duplicates_by_reason(ragvlc: Cli, tmp_path: Path) -> None:
    folder_of_files(tmp_path / "mixed")
    said = ragvlc(
        *("questions", "mixed", "--model", MODEL, "--count", "5", "--kind", "one_place", "--out", "set.jsonl"),
        *("--set", "attempts=1", "--without", "wrong_passage"),
    )
    assert said.code == 1  # fewer than asked for
    assert "1 of 5 questions: attempts ran out" in said.out
    assert "4  asks what another asks, in the same words" in said.out
    assert "Ask them in an experiment" in said.out
    assert "scripted wrote the questions and answered them for the filters" in said.out
    files = SetFiles.at(tmp_path / "set.jsonl")
    found = Jsonl.build(files.dataset()).collection()
    assert [Path(one.id).suffix for one in found] == [".txt", ".md", ".html", ".pdf", ".docx"]
    rows = [json.loads(line) for path in (files.questions, files.dropped) for line in path.read_text().splitlines()]
    assert len(rows) == 5
    assert {Path(row["doc_ids"][0]).suffix for row in rows} == {".txt", ".md", ".html", ".pdf", ".docx"}
    texts = {one.id: one.text for one in found}
    for row in rows:
        [place] = row["evidence"]
        assert texts[place["doc_id"]][place["start"] : place["end"]] == place["text"]
        assert " ".join(place["text"].split()) == FACT


def test_a_yaml_file_and_its_set(ragvlc: Cli, tmp_path: Path) -> None:
    SetFiles.at(tmp_path / "data").write_documents(corpus(2))
    builder = BUILDER.search(corpus(2)[0].text)
    assert builder
    (tmp_path / "set.yaml").write_text(
        "dataset: {kind: jsonl, path: data}\n"
        "generators: {writer: {kind: scripted, default: NONE}}\n"
        "kinds: [one_place]\ncount: 2\nattempts: 2\n"
    )
    said = ragvlc("questions", "set.yaml", "--out", "made")
    assert said.code == 1
    assert "4  the model found no such question" in said.out
    assert json.loads((tmp_path / "made" / "set.json").read_text())["generated"] is True
    again = ragvlc("questions", "set.yaml", "--out", "made", "--count", "3")
    assert "6  the model found no such question" in again.out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("nowhere",), "no such folder, file, experiment or kind of data set"),
        (("tyo",), "Nearest: toy"),
        (("toy", "--kind", "numbres"), "Nearest: numbers"),
        (("toy", "--kind", "numbers=x"), "needs NAME=SHARE"),
        (("toy", "--without", "duplicates"), "Nearest: duplicate"),
        (("toy", "--set", "cuont=3"), "cuont"),
        (("toy", "--set", "cuont=3"), "question spec has no field 'cuont'"),
        (("toy", "--model", "{kind: scriptd}"), "Nearest: scripted"),
        (("toy", "--out", "set.csv"), "set.csv: questions are written as plain JSON, one a line"),
    ],
)
def test_bad_input_is_one_sentence(ragvlc: Cli, words: tuple[str, ...], problem: str) -> None:
    model = () if "--model" in words else ("--model", "scripted")
    said = ragvlc("questions", *words, *model)
    assert said.code == 2
    assert problem in said.err
    assert "Traceback" not in said.err
    assert said.err.count("error: ") == 1


def test_a_set_without_questions_is_not_offered_to_an_experiment(ragvlc: Cli) -> None:
    said = ragvlc(
        "questions", "toy", "--model", "scripted", "--count", "1", "--kind", "one_place", "--out", "set.jsonl"
    )
    assert said.code == 1
    assert "Questions: " in said.out
    assert "Ask them in an experiment" not in said.out
