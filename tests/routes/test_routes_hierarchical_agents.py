"""Workers report what is useful, all at once; the manager sees every useful note."""

from __future__ import annotations

import re

import pytest
from reading_engines import WORDS, echo, lossy, read, sentences

ROUTE = {"kind": "hierarchical_agents", "note_tokens": 24, "window": 300, "answer_tokens": 8}


@pytest.mark.parametrize("nothing", ["NONE", "none.", "", "The text does not mention it."])
def test_only_useful_notes_reach_the_manager(tmp_path, nothing):
    def reply(prompt):
        if "notes alone" in prompt:
            return "answer"
        numbers = re.findall(r"number (\d+) tells", prompt)
        return f"note {numbers[0]}" if "number 5 tells" in prompt or "number 50 tells" in prompt else nothing

    asked = read(ROUTE, "Which?", sentences(90), reply, tmp_path)
    *workers, manager = asked.prompts
    assert asked.batches == [len(workers), 1]
    assert len(re.findall(r"note \d+", manager)) == 2
    assert list(asked.answer.facts("useful")) == [2]
    assert "Sentence number" not in manager


@pytest.mark.parametrize("place", [0, 30, 59])
def test_a_planted_fact(tmp_path, place):
    text = sentences(60, planted=place)
    assert read(ROUTE, "Which?", text, echo, tmp_path / "e").answer.text == "amber7"
    assert read(ROUTE, "Which?", text, lossy, tmp_path / "l").answer.text == "unknown"


def test_notes_beyond_the_managers_window_are_shortened_the_longest_first(tmp_path):
    def reply(prompt):
        return "short one" if "number 0 tells" in prompt else f"n{len(prompt)} " + "talk " * 23

    asked = read(ROUTE, "Which?", sentences(300), reply, tmp_path)
    manager = asked.requests[-1]
    assert len(WORDS.render(manager.prompt)) + manager.max_tokens <= 300
    assert "short one\n" in manager.prompt.text()
    assert sum(asked.answer.facts("shortened")) == sum(asked.answer.facts("useful")) - 1


def test_nothing_useful_leaves_the_manager_without_notes(tmp_path):
    asked = read(ROUTE, "Which?", sentences(20), lambda prompt: "NONE", tmp_path)
    assert "noted:\n\n\n\n" in asked.prompts[-1]
