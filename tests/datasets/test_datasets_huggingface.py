"""Data sets of the `datasets` library, from local files."""

from __future__ import annotations

import json
import sys

import pytest
from pydantic import ValidationError

from ragvlc.core.data import Span
from ragvlc.core.errors import DatasetError, MissingExtra
from ragvlc.datasets.huggingface import Huggingface
from ragvlc.families import Dataset

datasets = pytest.importorskip("datasets", reason="the extra huggingface is not installed")

POND = "The pond holds forty carp. Forty is many."
SQUAD = [
    {"id": "a", "title": "Pond", "context": POND, "question": "How many carp?", "level": "easy",
     "answers": {"text": ["forty", "forty", "forty carp"], "answer_start": [15, 15, 15]}},
    {"id": "b", "title": "Pond", "context": POND, "question": "How many pike?", "level": "hard",
     "answers": {"text": [], "answer_start": []}},
    {"id": "c", "title": "Hill", "context": "The hill is bare.", "question": "How is the hill?", "level": "easy",
     "answers": {"text": ["bare"], "answer_start": [12]}},
]  # fmt: skip
COLUMNS = {
    "question": "question",
    "answers": "answers.text",
    "document": "context",
    "title": "title",
    "id": "id",
    "evidence": "answers.text",
    "evidence_start": "answers.answer_start",
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def table(folder, rows, columns, name="rows.json", **fields):
    file = folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return Huggingface(path="json", data_files=(str(file),), columns=columns, **fields)


def refusal(data):
    with pytest.raises(DatasetError) as caught:
        data.load()
    return str(caught.value)


def test_squad_by_its_columns(tmp_path):
    data = table(tmp_path, SQUAD, COLUMNS)
    a, b, c = data.load()
    assert (a.id, a.query.text, a.references) == ("a", "How many carp?", ("forty", "forty carp"))
    assert a.documents[0].text == POND
    assert a.documents[0] is b.documents[0]
    assert a.documents[0].title == "Pond"
    assert a.evidence == (Span(a.documents[0].id, 15, 20), Span(a.documents[0].id, 15, 25))
    assert (a.tags["level"], a.tags["evidence"], a.cluster) == ("easy", "located", a.documents[0].id)
    assert (b.references, b.unanswerable, b.tags["evidence"]) == ((), False, "none")
    assert c.documents[0].id.startswith("hill-")
    assert [document.title for document in data.collection()] == ["Pond", "Hill"]
    assert len(data.model_copy(update={"scope": "corpus"}).load()[0].documents) == 2
    meant = table(tmp_path, SQUAD, COLUMNS, no_answer="unanswerable").load()
    assert [example.unanswerable for example in meant] == [False, True, False]


def test_filters_by_equality(tmp_path):
    ids = [example.id for example in table(tmp_path, SQUAD, COLUMNS, where={"level": "easy"}).load()]
    assert ids == ["a", "c"]
    ids = [example.id for example in table(tmp_path, SQUAD, COLUMNS, where={"level": ("hard", "x"), "id": "b"}).load()]
    assert ids == ["b"]
    assert len(table(tmp_path, SQUAD, COLUMNS, where={"level": "easy"}).collection()) == 2
    assert "no row has" in refusal(table(tmp_path, SQUAD, COLUMNS, where={"level": "mild"}))


def test_lists_of_documents_and_choices_over_columns(tmp_path):
    rows = [
        {
            "q": "Which?",
            "A": "carp",
            "B": "pike",
            "right": "B",
            "texts": {"t": ["P", "H"], "s": [["One.", "Two."], ["3."]]},
        },
        {"q": "Which?", "A": "carp", "B": "pike", "right": "A", "texts": {"t": ["P"], "s": [["One.", "Two."]]}},
        {"q": "", "A": "carp", "B": "pike", "right": "A", "texts": {"t": ["P"], "s": [["One."]]}},
        {"q": "Which?", "A": "carp", "B": "pike", "right": "A", "texts": {"t": [], "s": []}},
    ]
    columns = {
        "question": "q",
        "documents": "texts.s",
        "title": "texts.t",
        "choices": ("A", "B"),
        "answer_index": "right",
    }
    examples = table(tmp_path, rows, columns, cluster="question").load()
    first, second = examples
    assert [(document.title, document.text) for document in first.documents] == [("P", "One. Two."), ("H", "3.")]
    assert second.documents[0] is first.documents[0]
    assert (first.query.choices, first.references, second.references) == (("carp", "pike"), ("pike",), ("carp",))
    assert (first.id, first.cluster) == ("row-1", "row-1")
    assert examples.skipped == {"row without a question": 1, "row without a document": 1}


def test_quoted_evidence_is_located(tmp_path):
    rows = [{"q": "How?", "text": POND, "a": "forty", "said": ["forty carp", "fifty"], "n": 40}]
    columns = {"question": "q", "document": "text", "answers": "n", "evidence": "said"}
    (example,) = table(tmp_path, rows, columns).load()
    assert example.references == ("40",)
    assert [(span.start, span.end) for span in example.evidence] == [(15, 25)]
    assert example.tags["evidence"] == "partly located"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"columns": {**COLUMNS, "answers": "answers.txet"}}, None),
        ({"columns": {**COLUMNS, "question": "qestion"}}, "columns.question: no column 'qestion'. Known: "),
        ({"columns": {**COLUMNS, "question": "qestion"}}, "Nearest: question."),
        ({"where": {"levle": "easy"}}, "where.levle: no column 'levle'"),
        ({"split": "test"}, "cannot load it"),
        ({"path": "jsn"}, "cannot load it"),
        ({"columns": {**COLUMNS, "id": "level"}}, "row 3: the id 'easy' stands in a row above"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path, change, told):
    data = table(tmp_path, SQUAD, COLUMNS)
    fields = {name: value for name, value in data.spec().items() if name != "kind"}
    changed = Huggingface(**{**fields, **change})
    if told is None:  # a nested name may be absent from the first row
        assert [example.references for example in changed.load()] == [(), (), ()]
    else:
        assert told in refusal(changed)


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"document": "context"}, "the column of the question"),
        ({"question": "q"}, "either document"),
        ({"question": "q", "document": "a", "documents": "b"}, "either document"),
        ({"question": "q", "document": "a", "evidence_start": "b"}, "but not evidence"),
        ({"question": "q", "document": "a", "titel": "b"}, "title"),
    ],
)
def test_columns_are_checked_when_a_file_is_read(columns, told):
    with pytest.raises(ValidationError, match=told):
        Huggingface(path="json", columns=columns)


def test_the_key_is_name_and_settings(tmp_path):
    data = table(tmp_path, SQUAD, COLUMNS)
    assert data.name == "rows"
    assert Dataset.build(data.spec()) == data
    hub = Huggingface(path="org/set", columns=COLUMNS, split="test", config="small", where={"level": "easy"})
    assert hub.name == "set/small/test[level=easy]"
    keys = {
        data.key,
        hub.key,
        Huggingface(path="org/set", columns=COLUMNS, split="test", config="small", revision="abc").key,
        Huggingface(path="org/x", columns=COLUMNS).key,
    }
    assert len(keys) == 4
    assert Huggingface(path="org/x", columns=COLUMNS, limit=3).key in keys
    assert [one.key for one in data.load()] == [one.key for one in data.load()]


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    data = table(tmp_path, SQUAD, COLUMNS)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match=r"ragvlc\[huggingface\]"):
        data.load()


@pytest.mark.parametrize(
    "cell", ["['forty' 'forty carp']", '["forty", "forty carp"]', "{'text': ['forty', 'forty carp']}"]
)
def test_lists_that_a_table_holds_as_text(tmp_path, cell):
    columns = {**COLUMNS, "answers": "answers", "evidence": "level"}
    columns.pop("evidence_start")
    rows = [{**row, "answers": cell} for row in SQUAD]
    found = table(tmp_path, rows, columns).load()
    assert found[0].references == ("forty", "forty carp")
    assert found.notes == ("'answers': 3 cells read as lists.",)
    whole = table(tmp_path, SQUAD, columns, "squad.json").load()
    assert whole[0].references == ("forty", "forty carp")  # an object of SQUAD's form, named as a whole
    broken = [{**row, "answers": "['forty', 'for"} for row in SQUAD]
    assert "row 1: 'answers' looks like a list, but" in refusal(table(tmp_path, broken, columns, "broken.json"))


def test_indexes_that_count_from_1(tmp_path):
    columns = {"question": "question", "document": "context", "choices": "options", "answer_index": "label"}
    rows = [{**row, "options": ["a", "b", "c"], "label": label} for row, label in zip(SQUAD, (1, 3, 2), strict=True)]
    message = refusal(table(tmp_path, rows, columns))
    assert "'label' is never 0, and is once 3 of 3 options" in message
    assert "answer_index_from: 1" in message
    found = table(tmp_path, rows, columns, answer_index_from=1).load()
    assert [one.references[0] for one in found] == ["a", "c", "b"]
    assert "answer_index_from" not in table(tmp_path, rows, columns).key_facts()["fields"]
