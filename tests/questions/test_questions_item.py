"""Rows of generated questions: written, read again, and loaded by the data set that the project has anyway."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ragvlc.core.answer import Usage
from ragvlc.core.data import Document, Span
from ragvlc.core.errors import DatasetError
from ragvlc.datasets.jsonl import Jsonl
from ragvlc.questions.files import SetFiles, read_questions, write_questions
from ragvlc.questions.item import FilterFinding, GeneratedQuestion, QuotedEvidence, from_json, to_json

TEXT = "The mill at Thornwick was built in 1874. It burned in 1901."
DOCUMENT = Document("mill.md", TEXT, "The mill", {"year": 1910})
ITEM = GeneratedQuestion(
    id="q-0123456789",
    kind="one_place",
    level="passage",
    question="When was the mill at Thornwick built?",
    answers=("1874", "in 1874"),
    documents=("mill.md",),
    evidence=(QuotedEvidence(Span("mill.md", 0, 40), TEXT[:40], "The mill at Thornwick was built in 1874."),),
    written_by="expert",
    prompt="ab12",
    seed=7,
    attempt=3,
    passages=(Span("mill.md", 0, len(TEXT)),),
    overlap=0.75,
    findings=(FilterFinding("closed_book", "passed"), FilterFinding("ambiguous", "marked", "cut off", {"reply": "18"})),
    usage=Usage(100, 0, 20, 3),
)


def test_a_row_becomes_the_same_question_again() -> None:
    assert from_json(json.loads(json.dumps(to_json(ITEM)))) == ITEM


def test_reviews_and_fields_of_others_stay_with_the_row() -> None:
    row = to_json(replace(ITEM, review={"decision": "edited", "by": "ada"}))
    row["later"] = [1]
    row["meta"]["theme"] = "mills"
    again = to_json(from_json(row))
    assert again == row
    assert again["meta"]["reviewed"] == "edited"


def test_the_set_is_a_data_set_with_spans_and_tags(tmp_path: Path) -> None:
    files = SetFiles.at(tmp_path / "mill.jsonl")
    unanswerable = replace(ITEM, id="q-2", kind="unanswerable", answers=(), evidence=(), unanswerable=True)
    write_questions(files.questions, [ITEM, replace(ITEM, id="q-1", kind="summary", level="document"), unanswerable])
    files.write_documents([DOCUMENT])
    assert read_questions(files.questions)[0] == ITEM
    one, summary, other = Jsonl.build(files.dataset()).load()
    assert one.references == ITEM.answers
    assert one.evidence == (Span("mill.md", 0, 40),)
    assert one.documents == (DOCUMENT,)
    tags = {"generated": True, "kind": "one_place", "level": "passage", "written_by": "expert", "seed": 7}
    assert tags.items() <= one.tags.items()
    assert one.tags["marked"] == "ambiguous"
    assert summary.query.form == "summary"
    assert (other.unanswerable, other.references) == (True, ())


def test_a_folder_of_its_own_needs_no_names(tmp_path: Path) -> None:
    files = SetFiles.at(tmp_path / "mill")
    assert files.dataset() == {"kind": "jsonl", "path": str(tmp_path / "mill")}
    assert files.documents == tmp_path / "mill" / "documents.jsonl"


def test_lines_that_are_no_generated_questions_are_all_named(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    broken = to_json(ITEM)
    broken["meta"]["level"] = "page"
    path.write_text("\n".join(json.dumps(row) for row in ({"question": "?"}, to_json(ITEM), broken)) + "\n")
    with pytest.raises(DatasetError, match=r"(?s)2 problems.*line 1: .*: field required.*line 3: .*'page' is no level"):
        read_questions(path)
