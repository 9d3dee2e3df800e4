"""Refusals: texts judged by hand, real replies of five models, and real answers that must not be taken for refusals."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example, Query
from ragvlc.metrics.false_refusal import FalseRefusal
from ragvlc.metrics.refusal_recall import RefusalRecall
from ragvlc.text.refusals import refused, refuses


@pytest.mark.parametrize(
    "text",
    [
        "", " \n", "?", "...", "🫖",
        "Unanswerable.", "UNANSWERABLE", "unknown", "Not mentioned.", "Not specified", "N/A", "**Unknown**",
        "No answer.",
        "I don’t know.", "I do not know who that was.", "I'm unable to find this.", "It is not stated.",
        "It cannot be determined from the text.", "There is not enough information to say.",
        "The text does not mention it.", "The text doesn’t say who she was. It does name her brother.",
        "Unfortunately, the provided text does not explicitly state it. However, it may have been May.",
        "I apologize, but there is no information in these chunks about Mr. Blackwood.",
        "Based on the chunks, there is no specific mention of a ship.",
        "The name of Mr. Oliver Stern's hut, on St. John's Island, is not given in the passage.",
        "The ending cash balance as of March 31, 2024, is not explicitly stated.",
        "The financial statement you provided does not contain any information on a merger.",
        "There are no specific terms mentioned.", "No information is provided on page 13.",
        "None mentioned in the financial statement.",
        "After reading them, I did not find any information about it.",
        "文中没有提到这个问题。", "未提及", "根据文本，无法确定他的年龄。", "本文には記載されていません。",
        "Das wird im Text nicht erwähnt.", "Der Text enthält keine Angaben dazu.", "Keine Angabe",
        "Le texte ne précise pas qui c'était.", "El texto no menciona la fecha.", "O texto não menciona isso.",
        "Il testo non specifica la data.", "В тексте не указано, кто это был.",
    ],
)  # fmt: skip
def test_these_are_refusals(text):
    assert refuses(text)


@pytest.mark.parametrize(
    "text",
    [
        "A", "No.", "None", "Nothing.", "Nobody knows.", "31 metres", "0", "茉莉花茶", "他没有提到钱。",
        "Nicht der Vater",
        "He did not mention the debt.", "The captain does not mention the storm.", "She did not tell him the truth.",
        "Breakfast is not included.", "He was not given permission.", "The bridge is not known to be safe.",
        "The author did not name his wife.", "The data do not show a difference.",
        "There is no evidence of airborne transmission.", "There was no answer to his letter.",
        "No, the ferry stays in harbour.", "The unknown soldier", "An unspecified sum", "not guilty",
        # Silence about something else, later: the answer came first.
        "It is 31 metres high. The text does not mention the year.",
        "The expenses did not change, as the passages do not indicate any change.",
        "Liabilities rose from $2,904 (the chunk does not provide the date) to $9,583.",
        "Five years had passed because there was no information about them.",
    ],
)  # fmt: skip
def test_these_are_answers(text):
    assert not refuses(text)


@given(st.text(max_size=80), st.text(max_size=10))
def test_any_text_is_read(text, phrase):
    assert refuses(text) in {True, False}
    assert refuses(text, phrases=(phrase,), replies=(phrase,)) in {True, False}


@pytest.mark.parametrize(
    ("phrase", "text", "expected"),
    [
        ("is a secret", "That is a secret, sir.", True),
        ("is a secret", "That is a secretary.", False),
        ("no/any comment", "Any comment?", True),
        ("no ... comment", "No further public comment.", True),
        ("no ... comment", "No comment.", True),
        ("no ... comment", "No" + " very" * 11 + " long comment.", False),
        ("^no comment", "He had no comment.", False),
        ("^no comment", "No comment from him.", True),
        ("no comment.", "No comment from him.", False),
        ("no comment.", "He had no comment. She had.", True),
        ("no comment", "He had none. No comment.", False),
        ("保密", "这是保密的。", True),
    ],
)
def test_the_signs_of_a_phrase(phrase, text, expected):
    assert refuses(text, phrases=(phrase,), replies=()) is expected


def test_whole_replies_are_whole():
    assert refuses("Pass!", replies=("pass",))
    assert not refuses("Pass the salt", replies=("pass",))
    assert not refuses("Pass")


def test_a_model_that_declined_has_refused_whatever_its_word():
    assert refused(Answer("NONE", finish="declined"))
    assert not refused(Answer("NONE"))


def example(**facts) -> Example:
    return Example(Query("q", "?", choices=facts.pop("choices", ())), (), **facts)


def test_the_two_sides_stand_apart():
    no, yes = Answer("The text does not say."), Answer("31 metres")
    recall, false = RefusalRecall(), FalseRefusal()
    unanswerable, answerable = example(unanswerable=True), example(references=("31 metres",))
    assert [recall.score(answer, unanswerable) for answer in (no, yes)] == [1, 0]
    assert [false.score(answer, answerable) for answer in (no, yes)] == [1, 0]
    for answer in (no, yes):
        assert recall.score(answer, answerable) is None
        assert false.score(answer, unanswerable) is None
        assert recall.score(answer, example()) is false.score(answer, example()) is None
    assert (recall.label, false.label) == ("refusal_recall", "false_refusal")


def test_where_a_refusal_may_be_right_it_is_not_false():
    options = example(choices=("on foot", "It is not known"), references=("on foot",))
    assert FalseRefusal().score(Answer("It is not known"), options) is None
    assert FalseRefusal().score(Answer(""), example(references=("unknown",))) is None


def test_a_list_of_ones_own_replaces_the_given_one():
    metric = RefusalRecall(phrases=("ask the captain",), replies=())
    case = example(unanswerable=True)
    assert [metric.score(Answer(text), case) for text in ("Ask the captain.", "Unknown.", "")] == [1, 0, 0]
    assert metric.key != RefusalRecall().key != RefusalRecall(replies=()).key


@pytest.mark.parametrize("phrase", ["", "...", "^.", "!?", "the"])
def test_a_phrase_without_a_word_is_refused(phrase):
    with pytest.raises(ValidationError, match="has no word to search for"):
        FalseRefusal(phrases=("ask", phrase))


def test_on_replies_of_five_models(shared_data):
    """Rates seen when 105 of the flagged replies were read: 104 of them were refusals, one was arguable."""
    folder, rates = shared_data / "lara", {True: [], False: []}
    with (folder / "questions.jsonl").open(encoding="utf-8") as lines:
        unanswerable = {row["question_id"]: bool(row.get("unanswerable")) for row in map(json.loads, lines)}
    with gzip.open(folder / "predictions.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            rates[unanswerable[row["question_id"]]].append(refuses(row["prediction"]))
    assert 0.68 < sum(rates[True]) / len(rates[True]) < 0.75
    assert 0.015 < sum(rates[False]) / len(rates[False]) < 0.025


def test_real_answers_are_hardly_ever_taken_for_refusals(shared_data):
    count, flagged = 0, []
    for file in sorted(shared_data.glob("*/questions.jsonl")):
        with file.open(encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                if not row.get("unanswerable") and row["task"] != "retrieval":
                    count += len(row["answers"])
                    flagged += [answer for answer in row["answers"] if refuses(answer)]
    assert count > 6000
    assert len(flagged) <= 3, flagged  # "." is a SQuAD answer, "keine Angaben" one of XQuAD
