"""Examples about the document itself, then paragraphs, then the answer."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError
from reading_engines import read, sentences

from ragvlc.routes.self_demo import SelfDemo

ROUTE = {"kind": "self_demo", "paragraph_tokens": 20}


def pairs(prompt):
    """Writes an example about what it sees, and answers with paragraphs and answer."""
    if "Reply in two lines" in prompt:
        number = re.search(r"number ([0-9]+)", prompt)[1]
        return f"Question: What tells sentence {number}?\n\nAnswer: nothing\n\nQuestion: And more?"
    return " [2]\nAnswer: the second one"


def test_examples_stand_between_the_text_and_the_question(tmp_path):
    asked = read(ROUTE, "Which one?", sentences(40), pairs, tmp_path)
    *writing, final = asked.prompts
    assert asked.batches == [3, 1]
    numbers = [re.search(r"number (\d+)", prompt)[1] for prompt in writing]
    assert len(set(numbers)) == 3
    for number in numbers:
        paragraph = re.search(rf"\[(\d+)\]  ?Sentence number {number} ", final)[1]
        assert f"Question: What tells sentence {number}?\nParagraphs: [{paragraph}]\nAnswer: nothing" in final
    assert final.index("Sentence number 39") < final.index("What tells") < final.index("Which one?")
    assert asked.answer.text == "the second one"
    assert "2" in list(asked.answer.facts("paragraphs"))


def test_paragraphs_are_drawn_by_the_seed(tmp_path):
    def drawn(seed, folder):
        asked = read(ROUTE, "Which one?", sentences(60), pairs, tmp_path / folder, seed=seed)
        return tuple(re.findall(r"What tells sentence (\d+)", asked.prompts[-1]))

    assert drawn(1, "a") == drawn(1, "b")
    assert len({drawn(seed, str(seed)) for seed in range(5)}) > 1
    assert SelfDemo().random is True


def test_what_is_no_example_is_left_out_and_a_reply_without_a_cue_is_the_answer(tmp_path):
    asked = read(ROUTE, "Which one?", sentences(40), lambda prompt: "just words", tmp_path)
    assert "Paragraphs: [" not in asked.prompts[-1]
    assert list(asked.answer.facts("written")) == [0]
    assert asked.answer.text == "just words"


@pytest.mark.parametrize("text", ["", "A cat."])
def test_fewer_paragraphs_than_examples(tmp_path, text):
    asked = read(ROUTE, "Which one?", text, lambda prompt: "x", tmp_path)
    assert asked.answer.usage.calls == (2 if text else 1)


def test_prompts_are_checked():
    with pytest.raises(ValidationError, match=r"write_prompt must contain \{document\}"):
        SelfDemo(write_prompt="x")
    with pytest.raises(ValidationError, match=r"question_prompt must contain \{demonstrations\}"):
        SelfDemo(question_prompt="{document} {question}")
