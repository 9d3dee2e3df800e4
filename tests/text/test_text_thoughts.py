"""Thoughts within a reply's text, in every known format, and answers that only speak of their marks."""

from __future__ import annotations

import pytest

from ragvlc.core.replies import THINKING
from ragvlc.text.thoughts import FORMATS, opened_mark, read_text

THOUGHTS = [
    ("<think>\nParis\n</think>\n\nRome", "Rome"),
    ("<think>Paris</think>Rome", "Rome"),
    ("\n\n<think>\nParis\n</think>\nRome", "Rome"),
    ("<THINK>Paris</THINK>Rome", "Rome"),
    ("<think>\n\n</think>\n\nRome", "Rome"),
    ("<thinking effort='1'>Paris</thinking>Rome", "Rome"),
    ("<thinking>Paris</thinking><reflection>Paris?</reflection><output>Rome</output>", "Rome"),
    ("<thought>Paris</thought>\n<answer>Rome</answer>", "Rome"),
    ("<reasoning>Paris</think>Rome", "Rome"),
    ("<think>Paris</think><think>Paris again</think>Rome", "Rome"),
    ("<seed:think>Paris</seed:think>Rome", "Rome"),
    ("<think>Let me write ```python\nParis\n</think>\nRome ```x```", "Rome ```x```"),
    ("Sure.\n<think>\nParis\n</think>\nRome", "Sure.\n\nRome"),
    ("[THINK]Paris[/THINK]Rome", "Rome"),
    ("◁think▷Paris◁/think▷Rome", "Rome"),
    (
        "<|begin_of_thought|>\nParis\n<|end_of_thought|>\n\n<|begin_of_solution|>\nRome\n<|end_of_solution|>",
        "Rome",
    ),
    ("<|START_THINKING|>Paris<|END_THINKING|><|START_RESPONSE|>Rome<|END_RESPONSE|>", "Rome"),
    ("<|channel>thought\nParis<channel|>Rome", "Rome"),
    ("<unused94>thought\nParis<unused95>Rome", "Rome"),
    ("Here is my thought process: Paris.\nHere is my response: Rome", "Rome"),
    ('<details type="reasoning" done="true"><summary>Paris</summary></details>\nRome', "Rome"),
    ("<think />\n\nRome", "Rome"),
    ("</think>\n\nRome", "Rome"),
    ("<longcat_think>Paris</longcat_think>Rome", "Rome"),
    ("<thought_process>Paris</thought_process>\n<answer>Rome</answer>", "Rome"),
    ("<start_working_out>Paris<end_working_out><SOLUTION>Rome</SOLUTION>", "Rome"),
    ("<|thinking|>Paris<|/thinking|>Rome", "Rome"),
    ("<|reasoning_start|>Paris<|reasoning_end|>Rome", "Rome"),
    ("[BEGIN_THINK]Paris[END_THINK]Rome", "Rome"),
    # A thought within a thought, or one that speaks of its closing mark.
    ("<think>Where?<think>Paris</think>or Paris</think>Rome", "Rome"),
    ("<think>I close it with </think> later. Paris</think>Rome", "Rome"),
    # A thought after the answer, or after a first sentence.
    ("Rome<think>Was it Paris?</think>", "Rome"),
    ("<think>Paris</think>Rome<think>Was it Paris?</think>", "Rome"),
    ("Sure! <think>Paris</think>Rome", "Sure! Rome"),
    ("Sure.\n<think>Paris</think> Rome", "Sure.\n Rome"),
    # What is left of a chat template before it.
    ("assistant\n<think>Paris</think>Rome", "Rome"),
    ("<|im_start|>assistant\n<think>Paris</think>Rome", "Rome"),
    # The chat template wrote the opening mark.
    ("Paris it was.</think>", ""),
    ("Paris maybe\n</think>\n\nRome", "Rome"),
    ("Paris maybe</think>Rome", "Rome"),
    ("Paris maybe. </think> Rome", "Rome"),
    ("Paris</think>Paris</think>Rome", "Rome"),
    ("Paris</think>Rome</think>", "Rome"),
    ("Paris[/THINK]Rome", "Rome"),
    # The reply ended in the thought.
    ("<think>\nThe user asks where. Paris, or maybe", ""),
    ("[THINK]Paris", ""),
    ("<think>Paris</think>", ""),
    # Channels, with and without their control tokens.
    ("<|channel|>analysis<|message|>Paris<|end|><|start|>assistant<|channel|>final<|message|>Rome<|return|>", "Rome"),
    ("<|channel|>analysis<|message|>Paris or", ""),
    ("<|start|>assistant<|channel|>final<|message|>Rome", "Rome"),
    ("analysisThe user asks. Paris.assistantfinalRome", "Rome"),
    ("analysisThe user asks. Paris", ""),
    ("analysis\nParis.\n\nassistant\nfinal\n\nRome", "Rome"),
    ("<|channel|>analysis<|message|>Paris<|end|>Rome", "Rome"),
    ("<|channel|>analysis<|message|>Paris<|end|><|start|>assistant", ""),
    ("<|channel|>analysis<|message|>Paris<|end|><|start|>assistant<|channel|>fin", ""),
]
SPOKEN_OF = [
    "The <think> tag opens a thought and </think> closes it.",
    "HTML has no `<think>` element, and no `</think>`.",
    "The closing tag is </think>, as in XML.",
    "It ends with </think>",
    "It ends with </think>.",
    "Use:\n```html\n<think>\nhm\n</think>\n```\nDone",
    "A list:\n<think> opens a thought\n</think> closes it",
    "<p>x</p>\n</details>\nfoo",
    "Dear all,\nHere is my response: Rome",
    "analysis of the text shows Rome",
    "In gpt-oss, `<|channel|>analysis<|message|>` opens the thought.",
    "<answer>Rome</answer>",
    "There are two tags. <think> opens it and </think> closes it.",
    "Two tags.\n<think> opens it, </think>, closes it",
    "The type is List<Thought>, not List<Reasoning>.",
    "Write it as <think>x</think>, then go on.",
    "Rome, the assistant\nsaid.",
    "1 < 2 and [x]",
]


@pytest.mark.parametrize(("text", "answer"), THOUGHTS)
def test_a_thought_is_no_part_of_the_answer(text: str, answer: str) -> None:
    found = read_text(text)
    assert found.answer == answer
    assert found.marked
    assert "Paris" in found.thought or "Paris" not in text


@pytest.mark.parametrize("text", SPOKEN_OF)
def test_an_answer_that_speaks_of_marks_is_whole(text: str) -> None:
    found = read_text(text)
    assert (found.answer, found.thought, found.marked) == (text, "", False)


def test_an_answer_after_a_thought_may_speak_of_its_closing_mark() -> None:
    answer = "It is closed by </think>\nas in XML, or by `</think>`."
    assert read_text(f"<think>Paris</think>\n{answer}").answer == answer


@pytest.mark.parametrize(("text", "unclosed"), [("<think>a", True), ("<think>a</think>b", False), ("a", False)])
def test_a_reply_that_ended_in_its_thought_is_known(text: str, unclosed: bool) -> None:
    assert read_text(text).unclosed is unclosed


def test_a_call_in_a_channel_is_no_answer() -> None:
    found = read_text("<|channel|>commentary to=functions.search <|constrain|>json<|message|>{}<|call|>")
    assert (found.answer, found.tool_call) == ("", True)


def test_a_thought_that_the_template_opened_ends_at_its_closing_mark() -> None:
    assert read_text("Paris, the <b>.</think>Rome", opened=True).answer == "Rome"
    assert read_text("Paris", opened=True).unclosed
    assert read_text("<think>Paris</think>Rome", opened=True).answer == "Rome"
    assert read_text("Paris", "opened").answer == ""


def test_one_format_reads_no_other() -> None:
    assert read_text("<think>Paris</think>Rome", "brackets").answer == "<think>Paris</think>Rome"
    assert read_text("<think>Paris</think>Rome", "none").answer == "<think>Paris</think>Rome"
    assert read_text("<plan>Paris</plan>Rome", "<plan> </plan>").answer == "Rome"
    assert read_text("I saw:\n<scratchpad>\nParis\n</scratchpad>\nRome", "scratchpad").answer == "I saw:\n\nRome"
    assert read_text("analysisParis.assistantfinalRome", "harmony").answer == "Rome"


def test_every_known_format_may_be_named() -> None:
    assert {"auto", "none", "opened", *FORMATS} == set(THINKING)


@pytest.mark.parametrize(
    ("template", "mark"),
    [
        ("<|im_start|>assistant\n<think>\n", "<think>"),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", ""),
        ("[THINK]", "[THINK]"),
        ("<|im_start|>assistant\n", ""),
    ],
)
def test_a_template_that_opens_a_thought_is_known(template: str, mark: str) -> None:
    assert opened_mark(template) == mark


def test_where_the_answer_begins_is_known() -> None:
    text = "<think>Paris</think>Rome"
    start = read_text(text).start
    assert start is not None
    assert text[start:] == "Rome"
    assert read_text("Sure.\n<think>\nParis\n</think>\nRome").start is None
