"""Five turns over one numbered text."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from reading_engines import read, sentences

from ragvlc.core.data import Query
from ragvlc.core.errors import WindowExceeded
from ragvlc.routes.clarify import Clarify


def turns(prompt):
    if "short clarifying question" in prompt:
        return "Which tower?"
    if "Which numbered paragraphs" in prompt:
        return "[2] and [99] and 3"
    if "Answer the last clarifying" in prompt:
        return "the old one"
    return "No." if "final answer right" in prompt else "31 metres"


def test_five_turns_each_after_what_was_said(tmp_path):
    asked = read({"kind": "clarify", "paragraph_tokens": 20}, "How high?", sentences(20), turns, tmp_path)
    first, second, third, fourth, fifth = asked.prompts
    assert "Clarifying question" not in first
    assert "Clarifying question: Which tower?" in second
    assert "Paragraphs: [2] and [99] and 3" in third
    assert "Answer to the clarifying question: the old one" in fourth
    assert "Final answer: 31 metres" in fifth
    assert asked.answer.text == "31 metres"
    assert list(asked.answer.facts("self_check")) == ["wrong"]
    assert "2 3" in list(asked.answer.facts("paragraphs"))


def test_turns_share_the_text_before_them_so_that_a_prefix_cache_helps(tmp_path):
    asked = read("clarify", "How high?", sentences(20), turns, tmp_path)
    top = asked.prompts[0].partition("To answer the question well")[0].rstrip()
    assert "[1] Sentence number 0" in top
    assert all(prompt.startswith(top) for prompt in asked.prompts)


def test_rounds(tmp_path):
    assert read({"kind": "clarify", "rounds": 3}, "How?", "A cat.", turns, tmp_path).answer.usage.calls == 3 * 3 + 2


def test_a_long_text_loses_paragraphs_in_the_middle_and_keeps_its_numbers(tmp_path):
    route = {"kind": "clarify", "paragraph_tokens": 20, "turn_tokens": 10}
    asked = read(route, "How high?", sentences(200), turns, tmp_path, window=700)
    assert "[1] Sentence number 0" in asked.prompts[0]
    assert "number 199 tells" in asked.prompts[0]
    assert "[...]" in asked.prompts[0]
    assert asked.answer.dropped_tokens > 500


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(window=st.integers(80, 900), talk=st.integers(0, 300), kind=st.sampled_from(["clarify", "self_demo"]))
def test_no_prompt_exceeds_the_window(tmp_path, window, talk, kind):
    """The engine asserts the length of every prompt."""
    query = Query("q", "Which of the sentences?", ("the first one", "the last one"))
    try:
        read(kind, query, sentences(40), lambda prompt: "talk " * talk, tmp_path, window=window)
    except WindowExceeded:
        assert window < 250


def test_prompts_are_checked():
    with pytest.raises(ValidationError, match=r"check_prompt must contain \{turns\}"):
        Clarify(check_prompt="{document} {question}")
