"""A running answer, carried on and compressed at its limit."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from reading_engines import read, sentences

from ragvlc.core.data import Query
from ragvlc.core.errors import WindowExceeded
from ragvlc.routes.refine import Refine

ROUTE = {"kind": "refine", "answer_tokens": 6, "window": 200}


def counting():
    count = iter(range(1000))
    return lambda prompt: f"draft{next(count)}"


def test_each_draft_is_seen_by_the_next_and_the_last_is_the_answer(tmp_path):
    asked = read(ROUTE, "Which?", sentences(60), counting(), tmp_path)
    assert len(asked.prompts) > 3
    for place, prompt in enumerate(asked.prompts):
        assert re.findall(r"draft\d+", prompt) == ([f"draft{place - 1}"] if place else [])
    assert asked.answer.text == f"draft{len(asked.prompts) - 1}"
    assert asked.batches == [1] * len(asked.prompts)


def test_a_draft_beyond_its_limit_is_compressed(tmp_path):
    def reply(prompt):
        return "short" if "too long" in prompt else "one two three four five six seven"

    asked = read(ROUTE, "Which?", sentences(30), reply, tmp_path)
    drafts = [prompt for prompt in asked.prompts if "too long" not in prompt]
    compressing = [request for request in asked.requests if "too long" in request.prompt.text()]
    assert compressing
    assert {request.max_tokens for request in compressing} == {6}
    assert asked.answer.text == "short"
    assert all("part:\nshort" in prompt for prompt in drafts[1:])
    assert sum(asked.answer.facts("compressed")) == len(drafts)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(window=st.integers(40, 600), talk=st.integers(0, 400), form=st.sampled_from(["question", "summary"]))
def test_no_prompt_exceeds_the_window(tmp_path, window, talk, form):
    """The engine asserts the length of every prompt."""
    try:
        read(
            "refine",
            Query("q", "Which?", form=form),
            sentences(20),
            lambda prompt: "talk " * talk,
            tmp_path,
            window=window,
        )
    except WindowExceeded:
        assert window < 200


def test_options_summaries_and_nothing_to_read(tmp_path):
    asked = read(ROUTE, Query("q", "Which?", ("red", "blue")), sentences(30), lambda prompt: "B", tmp_path / "c")
    assert all("A. red\nB. blue" in prompt for prompt in asked.prompts)
    assert read(ROUTE, "Which?", "", lambda prompt: "x", tmp_path / "n").answer.usage.calls == 1


def test_the_compress_prompt_is_checked():
    with pytest.raises(ValidationError, match=r"compress_prompt must contain \{draft\}"):
        Refine(compress_prompt="{question}")
