"""Sub-questions: planned, asked in the order of their needs, and told to whoever answers."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError
from reading_engines import read

from ragvlc.core.data import Document
from ragvlc.reading.subquestions import Subquestion, levels, new_questions, resolved
from ragvlc.routes.decompose import Decompose

BOOK = Document("b", "The Lamp was written by Ada Trevean. It is a long book.", "The Lamp")
LIFE = Document("l", "Ada Trevean was born in Saltby. She sailed a ferry.", "Ada Trevean")
ROUTE = {"kind": "decompose", "selector": {"kind": "top_k", "k": 1}, "chunker": {"kind": "sentences", "size": 12}}


def engine(*plans):
    """A planner with these plans, and a reader that knows two facts."""
    said = iter(plans)

    def reply(prompt):
        if "JSON list" in prompt:
            return next(said, "[]")
        if "Found out already" in prompt:
            return "final"
        return "Ada Trevean" if "Who wrote" in prompt.rsplit("\n", 1)[-1] else "Saltby"

    return reply


def ask(reply, folder, **settings):
    return read({**ROUTE, **settings}, "Where was the author of The Lamp born?", [BOOK, LIFE], reply, folder)


def test_a_question_is_asked_with_the_answer_that_it_needs(tmp_path):
    plan = json.dumps(["Who wrote The Lamp?", "Where was #1 born?"])
    asked = ask(engine(plan), tmp_path)
    _, first, second, _, final = asked.prompts
    assert first.endswith("Who wrote The Lamp?")
    assert "written by Ada Trevean" in first
    assert second.endswith("Where was Ada Trevean born?")
    assert "born in Saltby" in second
    assert "1. Who wrote The Lamp? Ada Trevean\n2. Where was Ada Trevean born? Saltby" in final
    assert asked.answer.text == "final"
    assert asked.batches == [1, 1, 1, 1, 1]


def test_independent_questions_go_together(tmp_path):
    plan = json.dumps([{"question": "Who wrote The Lamp?"}, {"question": "Who sailed a ferry?"}, "Where was #1 born?"])
    assert ask(engine(plan), tmp_path).batches == [1, 2, 1, 1, 1]


def test_rounds_are_bounded_and_see_what_was_found(tmp_path):
    plans = [json.dumps([f"Who wrote book {n}?"]) for n in range(9)]
    asked = ask(engine(*plans), tmp_path, rounds=3)
    planning = asked.with_word("JSON list")
    assert len(planning) == 3
    assert "Found so far:\nnothing" in planning[0]
    assert "1. Who wrote book 0? Ada Trevean" in planning[1]


def test_the_example_of_the_prompt_and_the_question_itself_are_no_plan(tmp_path):
    """SmolLM2 repeats the prompt, example and all."""
    parrot = 'Reply with\n["Which workshop made the first model?", "In which year did #1 close?"]\n'
    assert ask(engine(parrot), tmp_path / "a").answer.usage.calls == 2
    assert ask(engine('["Where was the author of The Lamp born?"]'), tmp_path / "b").answer.usage.calls == 2


@pytest.mark.parametrize("plan", ["[]", "I have no plan.", "", "[1, 2]", '{"a": 1}', "[[["])
def test_without_a_plan_it_is_plain_retrieval(tmp_path, plan):
    asked = ask(engine(plan), tmp_path)
    assert asked.answer.usage.calls == 2
    assert asked.answer.ranking
    assert asked.answer.text == "final"


def test_what_was_read_for_sub_questions_is_in_the_context(tmp_path):
    asked = ask(engine(json.dumps(["Who wrote The Lamp?"])), tmp_path)
    read_for_sub, read_last = asked.answer.context
    assert read_for_sub.document_id == "b"
    assert read_last in (read_for_sub, asked.answer.context[1])


class TestPlans:
    def test_questions_are_found_in_prose_and_lists(self):
        assert [one.question for one in new_questions('Sure: ["A b?", "C d?"] done', [], 4)] == ["A b?", "C d?"]
        assert [one.question for one in new_questions("1. Who is it?\n- Where?\nThat is all.", [], 4)] == [
            "Who is it?",
            "Where?",
        ]

    def test_repeats_and_what_is_too_much_are_left_out(self):
        before = [Subquestion(1, "Who wrote it?", "Ada")]
        found = new_questions('["who wrote it", "Where?", "When?", "Why?"]', before, 2)
        assert [(one.number, one.question) for one in found] == [(2, "Where?"), (3, "When?")]

    def test_levels_follow_needs_and_circles_end(self):
        planned = [
            Subquestion(1, "a"),
            Subquestion(2, "b #1"),
            Subquestion(3, "c #2 #9"),
            Subquestion(4, "d #5"),
            Subquestion(5, "e #4"),
        ]
        assert [[one.number for one in level] for level in levels(planned)] == [[1], [2], [3], [4, 5]]

    def test_unknown_numbers_stay(self):
        assert resolved(Subquestion(2, "born #1 #7"), [Subquestion(1, "x", "Ada")]).question == "born Ada #7"


def test_prompts_are_checked():
    with pytest.raises(ValidationError, match=r"plan_prompt must contain \{findings\}"):
        Decompose(plan_prompt="{question}")
    with pytest.raises(ValidationError, match=r"question_prompt must contain \{findings\}"):
        Decompose(question_prompt="{document} {question}")
