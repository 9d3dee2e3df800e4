"""Prompts counted from a trace, and the table of agents."""

from __future__ import annotations

import math

import pytest
import sweep_folders as made

from ragvlc.analysis.agents import agents
from ragvlc.core.answer import Answer, Step, Usage
from ragvlc.results.attention import attention_pairs, chain_pairs
from ragvlc.results.row_form import steps_form
from ragvlc.results.trace_facts import TraceFacts


def facts_of(answer: Answer) -> TraceFacts:
    return TraceFacts(steps_form(answer.trace))


def call(prompt: int, new: int = 2, **facts) -> Step:
    return Step("call", {"prompt_tokens": prompt, "completion_tokens": new, **facts})


CHAIN = Answer(
    "x",
    trace=(
        Step("split", {"agents": 2, "paths": 1}),
        Step(
            "worker", usage=Usage(100, 0, 5, 1), steps=(Step("read", usage=Usage(100, 0, 5, 1), steps=(call(100, 5),)),)
        ),
        Step("worker", usage=Usage(80, 0, 5, 1), steps=(Step("read", usage=Usage(80, 0, 5, 1), steps=(call(80, 5),)),)),
        Step("manager", usage=Usage(20, 0, 2, 1), steps=(call(20),)),
    ),
    usage=Usage(200, 0, 12, 3),
)
FULL = Answer(
    "x",
    trace=(Step("route"), Step("read", usage=Usage(50, 0, 2, 1), steps=(Step("answer", usage=Usage(50, 0, 2, 1)),))),
    usage=Usage(50, 0, 2, 1),
)


def test_pairs_are_the_triangle_numbers_of_prompts():
    assert attention_pairs([]) == 0
    assert attention_pairs([1, 4]) == 1 + 10
    assert chain_pairs(10, 4) == 3 * 10


@pytest.mark.parametrize(("answer", "lengths"), [(CHAIN, [100, 80, 20]), (FULL, [50]), (Answer("x"), [])])
def test_each_prompt_is_counted_once(answer, lengths):
    assert facts_of(answer).lengths == lengths
    assert facts_of(answer).pairs(answer.usage) == attention_pairs(lengths)


def test_a_trace_that_does_not_tell_calls_apart_has_no_count():
    step = Step("read", usage=Usage(100, 0, 4, 2))
    assert math.isnan(facts_of(Answer("x", trace=(step,))).pairs(Usage(100, 0, 4, 2)))


def test_what_agents_did():
    found = facts_of(CHAIN)
    assert (found.agents, found.paths) == (2, 1)
    assert (facts_of(FULL).agents, facts_of(FULL).paths) == (0, 1)


def results(folder, *answers):
    """Returns a folder with a cell for each answer, loaded."""
    questions = [made.example("q0", "c0", question="What?", documents=["d"], references=["x"])]
    cells = [
        made.cell(name, [made.row("q0", {"m": 1.0}, text=answer.text, usage=answer.usage, trace=answer.trace)])
        for name, answer in answers
    ]
    return made.write(folder, questions, cells, metrics=("m",), baseline=answers[0][0])


def test_the_table_shows_chains_beside_full_context(tmp_path):
    table = agents(results(tmp_path, ("full", FULL), ("chain", CHAIN)))
    shown = {name: [entry.text for entry in entries] for name, entries in table.rows}
    assert shown == {
        "full": ["-", "-", "1.0", "50", "2.0", "0.00"],
        "chain": ["2.0", "1.0", "3.0", "67", "4.0", "0.01"],
    }


def test_what_was_lost_on_the_way_stands_beside_the_agents(tmp_path):
    """A loss under another metric counts as well; a metric of a like name does not."""
    labels = ("m", "information_loss_contains", "best_path", "best_pathology")
    scores = dict(zip(labels, (0.25, 0.5, 0.75, 1.0), strict=True))
    trace = {"trace": CHAIN.trace, "usage": CHAIN.usage}
    questions = [made.example("q0", "c0", question="What?", documents=["d"], references=["x"])]
    found = made.write(tmp_path, questions, [made.cell("chain", [made.row("q0", scores, **trace)])], metrics=labels)
    table = agents(found)
    assert table.heads[-2:] == labels[1:3]
    assert [entry.text for entry in table.rows[0][1][-2:]] == ["0.50", "0.75"]
    assert "Information loss:" in table.note
    assert "Quote survival" not in table.note


def test_without_agents_there_is_no_table(tmp_path):
    assert agents(results(tmp_path, ("full", FULL), ("again", FULL))) is None
