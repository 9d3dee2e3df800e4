"""LaRA: texts by the file's name, excerpts in the line, answers that say the text does not tell."""

from __future__ import annotations

import pytest

from ragvlc.core.errors import DatasetError
from ragvlc.datasets.lara import Lara
from tests.released_files import RELEASED, TOWER, lines


@pytest.fixture
def folder(tmp_path):
    RELEASED["lara"](tmp_path)
    return tmp_path


def test_the_four_kinds_of_question(folder):
    location, reasoning, comp, hallu = Lara(path=str(folder), text="book").load()
    assert [one.task for one in (location, reasoning, comp, hallu)] == ["location", "reasoning", "comp", "hallu"]
    assert location.documents[0].text == "The lighthouse is high."
    assert reasoning.documents[0].text == comp.documents[0].text == TOWER
    assert {one.cluster for one in (location, reasoning, comp, hallu)} == {"32k/book/Tower.txt"}
    assert location.documents[0].id != reasoning.documents[0].id
    assert (location.tags["context_order"], reasoning.tags["context_order"], comp.tags["comp_parts"]) == (
        0,
        "full",
        "0,2",
    )
    assert (hallu.unanswerable, hallu.references, hallu.tags["said_instead"]) == (True, (), "The text does not say.")
    assert Lara(text="book", query="comp").source == "lara/32k/book/comp"


def test_the_authors_prompts(folder):
    [one] = Lara(path=str(folder), text="book", query="comp", prompts="official").load()
    official = one.query.official
    assert (
        official.template
        == "Read the book below and answer a question.\n\n{document}\n\nQuestion: {question}\n\nBe concise."
    )
    assert (official.passage, official.system) == ("chunk {index}: {text}.", "You are a helpful assistant")


def test_texts_that_are_missing_or_elsewhere_are_named(folder):
    row = {"file": "../../secret.txt", "question": "q", "answer": "a", "context_order": 0}
    lines(folder / "datasets" / "query" / "32k_book_comp.jsonl", [row, {**row, "file": "Lost.txt"}])
    with pytest.raises(DatasetError) as raised:
        Lara(path=str(folder), text="book", query="comp").load()
    assert "line 1: 'file' must be the name of a file, not '../../secret.txt'." in str(raised.value)
    assert "line 2: no file 32k/book/Lost.txt in" in str(raised.value)


def test_every_missing_question_file_is_named(folder):
    with pytest.raises(DatasetError) as raised:
        Lara(path=str(folder), query="hallu").load()
    assert "32k_financial_hallu.jsonl" in str(raised.value)
    assert "32k_paper_hallu.jsonl" in str(raised.value)
