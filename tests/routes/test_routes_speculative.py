"""Speculative decoding with a drafter that reads the documents, or some of them."""

from __future__ import annotations

import pytest

from ragvlc.core.data import Document
from ragvlc.memo.disk import Cache
from ragvlc.pipeline import Pipeline
from ragvlc.pool import EnginePool

LONG = Document("l", " ".join(f"w{number}" for number in range(200)))


@pytest.fixture
def ask(tmp_path):
    def ask(target, draft, **settings):
        pipeline = Pipeline(
            generators={"main": {"kind": "scripted", **target}, "draft": {"kind": "scripted", **draft}},
            routes={"it": {"kind": "speculative", **settings}},
        )
        with EnginePool(Cache(tmp_path), reuse=False) as pool:
            return pipeline.answer("Which word?", [LONG], pool=pool)

    return ask


def test_a_drafter_that_reads_the_same_drafts_for_the_same_answer(ask):
    says = {"replies": {"w100": "all of it"}, "default": "a part of it"}
    answer = ask(says, says)
    assert answer.text == "all of it"
    assert answer.usage.drafted == answer.usage.accepted == 4
    assert answer.bills["main"].prompt_tokens == answer.bills["draft"].prompt_tokens


@pytest.mark.parametrize("limit", [20, 60])
def test_a_drafter_that_reads_less_drafts_from_less(ask, limit):
    says = {"replies": {"w100": "all of it"}, "default": "a part of it"}
    answer = ask(says, says, draft_context_tokens=limit, truncation="tail")
    assert answer.text == "all of it"
    assert answer.usage.accepted < answer.usage.drafted
    [read] = [step.facts for step in answer.trace if step.name == "read"]
    assert (read["dropped_tokens"], answer.dropped_tokens) == (0, 0)
    assert 200 - limit <= read["draft_dropped_tokens"] < 200
    assert answer.bills["draft"].prompt_tokens < answer.bills["main"].prompt_tokens - 100
    [span] = answer.context
    assert span.end == len(LONG.text)


def test_a_smaller_window_of_the_drafter(ask):
    answer = ask({"default": "all of it"}, {"default": "all of it", "window": 120})
    assert answer.text == "all of it"
    assert answer.usage.accepted == 4
    assert answer.bills["draft"].prompt_tokens <= 120 - 32


def test_one_role_may_do_both(tmp_path):
    pipeline = Pipeline(
        generators={"main": {"kind": "scripted", "default": "a word"}},
        routes={"it": {"kind": "speculative", "draft": "main", "temperature": 0}},
    )
    with EnginePool(Cache(tmp_path), reuse=False) as pool:
        answer = pipeline.answer("Which word?", [LONG], pool=pool)
    assert answer.text == "a word"
    assert answer.bills["main"] == answer.usage
    assert answer.usage.accepted == 3
    assert pipeline.routes["it"].random is False


def test_a_thought_of_a_decode_state_is_no_part_of_the_answer(ask):
    says = {"default": "<think> w1 or w2 </think> all of it"}
    answer = ask(says, says)
    assert (answer.text, answer.thought, answer.finish) == ("all of it", "w1 or w2", "stop")
    cut = ask(says, says, answer_tokens=3)
    assert (cut.answered, cut.finish) == (False, "length")
    whole = ask({**says, "thinking": "none"}, says)
    assert whole.text == says["default"]
