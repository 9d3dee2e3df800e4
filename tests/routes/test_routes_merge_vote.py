"""Every piece answers alone, all at once; most votes win."""

from __future__ import annotations

import re

import pytest
from reading_engines import read, sentences

from ragvlc.core.data import Query

ROUTE = {"kind": "merge_vote", "window": 120, "answer_tokens": 8}


def by_sentence(answers):
    """Returns a worker that answers by the number of the first sentence that it sees."""

    def reply(prompt):
        return answers[int(re.search(r"number (\d+) tells", prompt)[1]) % len(answers)]

    return reply


def test_workers_know_nothing_of_each_other(tmp_path):
    asked = read(ROUTE, "Which?", sentences(60), lambda prompt: "x", tmp_path)
    assert len(asked.batches) == 1
    assert asked.batches[0] == len(asked.prompts) == asked.answer.usage.calls > 3
    seen = [set(re.findall(r"number (\d+) tells", prompt)) for prompt in asked.prompts]
    assert sum(map(len, seen)) == 60 == len(set().union(*seen))


def test_the_majority_wins(tmp_path):
    replies = iter(["blue", "The red.", "red", "green"])
    text = sentences(34)
    asked = read(ROUTE, "Which?", text, lambda prompt: next(replies, "other"), tmp_path)
    assert asked.answer.text == "The red."
    [votes] = asked.answer.facts("votes")
    assert votes == 2


def test_who_declines_does_not_vote_while_anybody_answers(tmp_path):
    route = {**ROUTE, "decline": "unanswerable"}
    replies = iter(["unanswerable", "unanswerable", "red"])
    asked = read(route, "Which?", sentences(30), lambda prompt: next(replies, "Unanswerable."), tmp_path / "a")
    assert asked.answer.text == "red"
    nobody = read(route, "Which?", sentences(30), lambda prompt: "unanswerable", tmp_path / "b")
    assert nobody.answer.finish == "declined"


@pytest.mark.parametrize(("replies", "winner"), [(["A", "(B)", "B. blue"], "(B)"), (["C?", "no idea", "A"], "C?")])
def test_options_are_compared_as_options(tmp_path, replies, winner):
    said = iter(replies)
    asked = read(
        {**ROUTE, "window": 70, "answer_tokens": 4},
        Query("q", "Which?", ("red", "blue", "green")),
        " ".join(f"Aa bb cc dd ee ff gg hh ii jj kk l{n}." for n in range(6)),
        lambda prompt: next(said, "none"),
        tmp_path,
    )
    assert asked.answer.usage.calls >= 3
    assert asked.answer.text == winner
