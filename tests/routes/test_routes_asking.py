"""What the single-call routes share: prompts by form of question, the way out, and what a prompt must name."""

from __future__ import annotations

import pytest

from ragvlc import config
from ragvlc.core.data import Query
from ragvlc.core.errors import ConfigError
from ragvlc.pipeline import Pipeline

TEXT = "The tower is 31 metres high."
CHOICES = ("20 metres", "31 metres")

# Wording of our own, so that these tests do not depend on that of the defaults.
PROMPTS = {
    "question_prompt": "{document}\n\nQ{decline}: {question}",
    "choice_prompt": "{document}\n\nC{decline}: {question}\n{choices}",
    "summary_prompt": "{document}\n\nS{decline}: {question}",
}
FORMS = [
    (Query("q", "How high?"), f"{TEXT}\n\nQ: How high?", 32),
    (Query("q", "How high?", CHOICES), f"{TEXT}\n\nC: How high?\nA. 20 metres\nB. 31 metres", 32),
    (Query("q", "Sum it up.", form="summary"), f"{TEXT}\n\nS: Sum it up.", 192),
]
READING = ["full_context", "retrieve", "oracle_evidence"]


@pytest.mark.parametrize(("query", "prompt", "max_tokens"), FORMS, ids=["question", "choice", "summary"])
@pytest.mark.parametrize("kind", READING)
def test_each_form_of_question_has_its_prompt(ask, kind, query, prompt, max_tokens):
    asked = ask({"kind": kind, **PROMPTS}, query, TEXT)
    assert asked.prompt == prompt
    assert asked.requests[0].max_tokens == max_tokens


@pytest.mark.parametrize("query", [query for query, _, _ in FORMS], ids=["question", "choice", "summary"])
@pytest.mark.parametrize("kind", READING)
def test_the_shipped_prompts_put_the_document_first_and_the_question_behind_it(ask, kind, query):
    prompt = ask(kind, query, TEXT).prompt
    assert prompt.startswith(TEXT)  # documents first: ten questions over one document share its prefix
    assert query.text in prompt.removeprefix(TEXT)
    assert ("A. 20 metres\nB. 31 metres" in prompt) == bool(query.choices)
    assert "{" not in prompt


def test_room_for_the_answer_is_a_setting(ask):
    route = {"kind": "full_context", "answer_tokens": 3, "summary_tokens": 7}
    assert ask(route, "?", TEXT).requests[0].max_tokens == 3
    assert ask(route, Query("q", "?", CHOICES), TEXT).requests[0].max_tokens == 3
    assert ask(route, Query("q", "?", form="summary"), TEXT).requests[0].max_tokens == 7


def test_a_choice_is_a_choice_even_when_it_sums_up(ask):
    assert "A. 20 metres\nB. 31 metres" in ask("full_context", Query("q", "?", CHOICES, form="summary"), TEXT).prompt


def test_the_way_out_stands_in_every_prompt(ask):
    route = {"kind": "full_context", "decline": "UNKNOWN"}
    for query in (Query("q", "?"), Query("q", "?", CHOICES), Query("q", "?", form="summary")):
        sentence = " If the text does not answer it, reply with the single word UNKNOWN."
        offered, plain = ask(route, query, TEXT).prompt, ask("full_context", query, TEXT).prompt
        assert offered.replace(sentence, "") == plain
        assert sentence not in plain


@pytest.mark.parametrize(
    ("reply", "finish"),
    [
        ("UNKNOWN", "declined"),
        (" unknown. ", "declined"),
        ("**Unknown**", "declined"),
        ("It is UNKNOWN to most that the tower is 31 metres high", "stop"),  # an answer that has the word in it
        ("", "stop"),
    ],
)
def test_a_reply_that_is_the_word_declines(ask, reply, finish):
    assert ask({"kind": "full_context", "decline": "UNKNOWN"}, "?", TEXT, reply=reply).answer.finish == finish


def test_without_a_way_out_nothing_is_declined(ask):
    assert ask("full_context", "?", TEXT, reply="unknown").answer.finish == "stop"


def test_the_reply_is_stripped(ask):
    assert ask("full_context", "?", TEXT, reply=" 31 metres\n").answer.text == "31 metres"


@pytest.mark.parametrize("kind", READING)
def test_braces_in_a_document_or_a_question_are_text(ask, kind):
    text = "A template says {question} and {document} and {choices} and {nothing}."
    asked = ask({"kind": kind, **PROMPTS}, "What does {document} mean?", text)
    assert asked.prompt == f"{text}\n\nQ: What does {{document}} mean?"


def test_a_prompt_of_ones_own(ask):
    route = {"kind": "full_context", "question_prompt": 'Q: {question} {"json": {}} <<{document}>>'}
    assert ask(route, "Why?", TEXT).prompt == f'Q: Why? {{"json": {{}}}} <<{TEXT}>>'


def problems_of(route):
    with pytest.raises(ConfigError) as raised:
        config.build(Pipeline, {"generators": {"main": "scripted"}, "routes": {"it": route}}, "p.yaml")
    return raised.value.problems


def test_prompts_are_checked_when_they_are_loaded():
    found = problems_of(
        {
            "kind": "full_context",
            "question_prompt": "{document} {qestion}",
            "choice_prompt": "{document} {question}",
            "decline": "no",
        }
    )
    assert found == (
        "p.yaml: routes.it: question_prompt must contain {question}.",
        (
            "p.yaml: routes.it: question_prompt has no field {qestion}. Known: choices, decline, document, question. "
            "Nearest: question."
        ),
        "p.yaml: routes.it: question_prompt must contain {decline} where `decline` is set.",
        "p.yaml: routes.it: choice_prompt must contain {choices}.",
        "p.yaml: routes.it: choice_prompt must contain {decline} where `decline` is set.",
    )


def test_closed_book_has_no_place_for_documents():
    [problem] = problems_of({"kind": "closed_book", "question_prompt": "{document} {question}"})
    assert "question_prompt has no field {document}. Known: choices, decline, question." in problem
