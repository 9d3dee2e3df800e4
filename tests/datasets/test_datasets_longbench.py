"""LongBench: sets, division into passages, prompts and gold, on records of the released form."""

from __future__ import annotations

from typing import get_args

import pytest

from ragvlc.core.data import Span
from ragvlc.core.errors import DatasetError
from ragvlc.datasets.longbench import Longbench, Subset, divided
from tests.released_files import LONGBENCH, RELEASED, lines


@pytest.fixture
def read(tmp_path):
    RELEASED["longbench"](tmp_path)
    return lambda subset, **settings: Longbench(path=str(tmp_path), subset=subset, **settings).load()


def test_passages_are_documents_that_make_up_the_context(read):
    first, second = read("hotpotqa")
    assert [document.text for document in first.documents] == [
        "Passage 1:\nThe tower\nIt is 31 metres high.\nPassage 3: is no heading.\n",
        "Passage 2:\nThe keeper\nAda.\n",
    ]
    assert "".join(document.text for document in first.documents) == LONGBENCH["context"]
    assert (len(second.documents), second.tags["length_bucket"]) == (1, "8k+")
    assert first.references == ("Ada", "the keeper")
    assert first.tags["length_bucket"] == "4-8k"
    assert first.cluster == first.documents[0].id.partition("#")[0]


@pytest.mark.parametrize("context", ["", "Passage 1: a", "Passage 2: a\nPassage 3: b", "x Passage 1: a\nPassage 2: b"])
def test_without_two_headings_in_their_order_there_is_one_document(context):
    assert [document.text for document in divided(context, "Passage {}:")] == [context]


def test_a_text_before_the_first_heading_belongs_to_the_first_document():
    assert [one.text for one in divided("Read.\n段落1：甲\n段落2：乙", "段落{}")] == ["Read.\n段落1：甲\n", "段落2：乙"]


def test_the_authors_prompt_has_the_raw_input_and_no_chat_template_for_few_shots(read):
    [few] = read("trec_e", prompts="official")
    assert few.query.official.fields == {"input": "Question: Who?\nType:"}
    assert (few.query.official.chat, few.query.official.max_tokens, few.query.official.cut) == (False, 64, "")
    assert (few.scoring, few.tags["dataset"], few.tags["length_bucket"]) == (
        {"classes": ["Person", "Place"]},
        "trec_e",
        "0-4k",
    )
    assert read("trec_e").skipped == {"record without a context": 1}
    [report] = read("gov_report", cut="official")
    assert (report.query.form, report.query.official.template, report.query.official.cut) == ("summary", "", "middle")
    assert report.query.text == "Summarize the report on one page."


def test_all_sets_are_read_together_with_their_own_tasks(tmp_path):
    for place, name in enumerate(get_args(Subset)):
        if not name.startswith("all"):
            lines(tmp_path / f"{name}.jsonl", [{**LONGBENCH, "_id": f"{name}-{place}"}])
    together = Longbench(path=str(tmp_path), subset="all", prompts="official").load()
    assert len(together) == 21
    assert {one.tags["dataset"]: one.task for one in together}["lcc"] == "code_completion"
    extended = Longbench(path=str(tmp_path), subset="all_e").load()
    assert len(extended) == 13
    assert all(one.tags["dataset"].endswith("_e") for one in extended)


def test_the_right_paragraph_is_evidence(read):
    [one] = read("passage_retrieval_en")
    assert one.evidence == (Span(one.documents[1].id, 0, len("Paragraph 2: b")),)
    assert one.task == "passage_retrieval"


def test_wrong_fields_are_named_with_their_lines(tmp_path):
    lines(tmp_path / "hotpotqa.jsonl", [{**LONGBENCH, "answers": 5}, {**LONGBENCH, "length": "long", "input": None}])
    with pytest.raises(DatasetError) as raised:
        Longbench(path=str(tmp_path)).load()
    assert raised.value.sentences == [
        "hotpotqa.jsonl: line 1: 'answers' must be a list of texts, not 5.",
        "hotpotqa.jsonl: line 2: 'input' must be a text, not nothing.",
        "hotpotqa.jsonl: line 2: 'length' must be a whole number from 0, not \"long\".",
    ]


def test_a_question_without_words_is_an_error_where_the_set_asks_one(tmp_path):
    lines(tmp_path / "hotpotqa.jsonl", [{**LONGBENCH, "input": " "}])
    with pytest.raises(DatasetError, match="line 1: 'input' is blank, but hotpotqa asks a question there"):
        Longbench(path=str(tmp_path)).load()


def test_a_heading_with_thousands_of_digits_is_none():
    context = f"Passage 1:\na\nPassage {'9' * 5000}:\nPassage 2:\nb"
    assert len(divided(context, "Passage {}:")) == 2


def test_records_of_another_set_are_said(tmp_path):
    lines(tmp_path / "mine.jsonl", [{**LONGBENCH, "dataset": name, "_id": name} for name in ("trec", "hotpotqa_e")])
    found = Longbench(path=str(tmp_path / "mine.jsonl")).load()
    assert found.notes == ("hotpotqa: 1 records say that they are of trec: is it the right file?",)
