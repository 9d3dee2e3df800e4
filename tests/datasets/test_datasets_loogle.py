"""LooGLE: pairs written as Python literals, evidence by similar sentences, options, orders and clozes."""

from __future__ import annotations

import pytest

from ragvlc.core.errors import DatasetError
from ragvlc.core.literals import parse_literal
from ragvlc.datasets.loogle import Loogle
from tests.released_files import LOOGLE_PAIRS, RELEASED, TOWER, lines


@pytest.fixture
def read(tmp_path):
    RELEASED["loogle"](tmp_path)
    return lambda subset, **settings: Loogle(path=str(tmp_path), subset=subset, **settings).load()


def test_numbered_options_become_choices_and_an_order_is_gold(read):
    examples, [whole, order] = read("longdep_qa"), read("longdep_qa", prompts="official")
    choice, _ = examples
    assert (whole.query.choices, whole.references, whole.task) == ((), ("2",), "qa")
    assert whole.query.official.fields == {"Q": LOOGLE_PAIRS[0]["Q"]}
    assert whole.query.official.chat is False
    assert choice.query.text == "How high is the tower?"
    assert (choice.query.choices, choice.references) == (("30 metres", "31 metres"), ("31 metres",))
    assert choice.tags["answer_number"] == "2"
    assert (order.task, order.scoring, order.references) == ("reorder", {"order": [2, 1]}, ("II,I",))
    assert order.query.text == "Reorder the events:\nI. A letter was written.\nII. The lamp was lit."
    assert order.query.official.fields == {"Q": order.query.text}
    assert [TOWER[span.start : span.end] for span in order.evidence] == [
        "Its lamp was lit first on a night",
        "The keeper of the northern tower carried oil up the stairs.",
    ]
    assert (order.tags["fuzzy"], order.tags["evidence"], choice.tags["evidence"]) == (True, "located", "not located")
    assert examples.notes == ("evidence: of 3 quoted passages, 1 found, 1 by similar sentences only, 1 not.",)
    [alone] = read("longdep_qa", types=["computation"])
    assert alone.id == choice.id


def test_a_cloze_has_its_entities_as_gold_and_a_summary_its_abstract(read):
    [cloze] = read("shortdep_cloze")
    assert cloze.scoring == {"masks": {"<mask-0>": "Ada", "<mask-1>": "May"}}
    assert (cloze.task, cloze.tags["masks"], cloze.evidence) == ("cloze", 2, ())
    [summary] = read("longdep_summarization", prompts="official")
    assert (summary.query.form, summary.references) == ("summary", ("A tower by the sea.",))
    assert summary.query.official.max_tokens == 500


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ("__import__('os').system('true')", "'qa_pairs' cannot be read"),
        ("[" * 5000, "'qa_pairs' cannot be read"),
        ("-" * 100_000 + "1", "'qa_pairs' cannot be read"),
        ("{'Q': 'x'}", "must be a list of mappings"),
        ("[{'Q': '', 'A': 'x'}]", "pair 1 of 'qa_pairs' needs a text as Q"),
        ("[{'Q': 'x', 'A': 5}]", "pair 1 of 'qa_pairs' needs a text as A"),
    ],
)
def test_what_is_no_list_of_pairs_is_said_and_never_evaluated(tmp_path, pairs, said):
    lines(tmp_path / "longdep_qa.jsonl", [{"input": TOWER, "title": "t", "qa_pairs": pairs, "output": "None"}])
    with pytest.raises(DatasetError, match=said):
        Loogle(path=str(tmp_path)).load()


def test_literals_are_values():
    assert parse_literal(" [{'a': (1, None)}] ") == [{"a": (1, None)}]


@pytest.mark.parametrize("pairs", [None, "", "none", "None", "[]", []])
def test_a_document_without_questions_is_counted(tmp_path, pairs):
    record = {"input": TOWER, "title": "The tower", "output": "None"}
    rows = [{**record, "qa_pairs": pairs}, {**record, "qa_pairs": repr(LOOGLE_PAIRS)}]
    lines(tmp_path / "longdep_qa.jsonl", rows)
    found = Loogle(path=str(tmp_path)).load()
    assert (len(found), found.skipped) == (2, {"document without questions": 1})


def test_an_unknown_type_is_answered_with_those_of_the_file(read):
    with pytest.raises(DatasetError, match="types: no record has 'computaton'. They have: computation, timeline_"):
        read("longdep_qa", types=["computaton"])


def test_what_is_no_literal_is_said_without_an_address():
    with pytest.raises(ValueError, match="^it is no Python literal: it has a name or a call$"):
        parse_literal("[nan]")
