"""Passages in the order that a model lists: all at once, in windows, and whatever it says."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ragvlc.core.data import Chunk, Example, Hit, Query
from ragvlc.core.errors import WindowExceeded
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.generators.scripted import Scripted
from ragvlc.rerankers.llm_rerank import LlmRerank
from ragvlc.roles import Models
from ragvlc.run import LiveRun
from ragvlc.testing import FunctionEngine, ScriptedPool

WORDS = WordTokenizer()
QUERY = Query("q", "Which is best?")


def hits_of(texts):
    return [
        Hit(Chunk("d", place, 10 * place, 10 * place + len(text), text), -float(place))
        for place, text in enumerate(texts)
    ]


def ranked(part, texts, reply, folder, *, window=8192):
    """Returns the texts in their new order, and the requests."""
    engine = FunctionEngine(reply, window)
    run = LiveRun(Models({"main": Scripted()}, {}), ScriptedPool(engine, folder), Example(QUERY, ()))
    found = run.rerank(part, QUERY, hits_of(texts))
    for request in engine.requests:
        assert len(WORDS.render(request.prompt)) + request.max_tokens <= window
    scores = [hit.score for hit in found]
    assert scores == sorted(scores, reverse=True)
    return [hit.chunk.text for hit in found], engine.requests, run


def by_number(prompt):
    """Ranks passages by the number that they hold, the largest first."""
    shown = re.findall(r"^\[(\d+)\] p(\d+)", prompt, flags=re.MULTILINE)
    return " > ".join(f"[{label}]" for label, _ in sorted(shown, key=lambda pair: -int(pair[1])))


def test_one_prompt_ranks_all(tmp_path):
    texts = [f"p{n} says something" for n in (3, 1, 4, 0, 5, 9, 2, 6)]
    found, requests, _ = ranked(LlmRerank(), texts, by_number, tmp_path)
    assert found == sorted(texts, reverse=True)
    assert len(requests) == 1
    assert requests[0].prompt.text().startswith("[1] p3 says something\n\n[2] p1")


@pytest.mark.parametrize(("together", "calls"), [(4, 9), (8, 4), (20, 1), (100, 1)])
def test_windows_carry_the_best_to_the_front(tmp_path, together, calls):
    texts = [f"p{n:02} x" for n in range(20)]
    found, requests, _ = ranked(LlmRerank(together=together), texts, by_number, tmp_path)
    assert len(requests) == calls
    assert found[: together // 2] == sorted(texts, reverse=True)[: together // 2]
    assert sorted(found) == sorted(texts)


@pytest.mark.parametrize(
    ("reply", "order"),
    [
        ("[2] > [3] > [1]", [1, 2, 0]),
        ("I think 3, then 3 again.", [2, 0, 1]),
        ("[9] > [0] > [2]", [1, 0, 2]),
        ("none of them", [0, 1, 2]),
        ("", [0, 1, 2]),
    ],
)
def test_whatever_is_said_is_a_permutation(tmp_path, reply, order):
    found, _, run = ranked(LlmRerank(), ["a b", "c d", "e f"], lambda prompt: reply, tmp_path)
    assert found == [["a b", "c d", "e f"][place] for place in order]
    [step] = [step for root in run.trace for step in root.walk() if step.name == "llm_rerank"]
    assert step.facts["passages"] == 3


@settings(max_examples=40, deadline=None)
@given(
    window=st.integers(60, 800), count=st.integers(0, 40), words=st.integers(1, 120), keep=st.none() | st.integers(1, 5)
)
def test_prompts_fit_the_window_and_nothing_is_lost(tmp_path_factory, window, count, words, keep):
    texts = [f"p{n} " + "w " * words for n in range(count)]
    try:
        found, _, _ = ranked(LlmRerank(keep=keep), texts, by_number, tmp_path_factory.mktemp("r"), window=window)
    except WindowExceeded:
        assert window < 150
        return
    assert len(found) == min(count, keep or count)
    assert len(set(found)) == len(found)


def test_passages_can_be_shown_in_part(tmp_path):
    _, requests, _ = ranked(LlmRerank(passage_tokens=2), ["a b c d", "e f"], by_number, tmp_path)
    assert requests[0].prompt.text().startswith("[1] a b\n\n[2] e f\n")


def test_one_passage_is_not_asked_about(tmp_path):
    assert ranked(LlmRerank(), ["a b"], by_number, tmp_path)[1] == []


def test_the_prompt_is_checked():
    with pytest.raises(ValidationError, match=r"prompt must contain \{passages\}"):
        LlmRerank(prompt="{question}")
    with pytest.raises(ValidationError, match=r"no field \{passage\}.*Nearest: passages"):
        LlmRerank(prompt="{question} {passages} {passage}")
