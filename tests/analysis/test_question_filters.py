"""Questions listed, filtered and grouped: data sets that share ids, and metrics where less is better."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console
from sweep_folders import cell, example, row, write

from ragvlc.analysis.outcome import outcome
from ragvlc.analysis.question_filters import filtered_questions, grouped_questions
from ragvlc.analysis.questions import one_question, question_list
from ragvlc.core.errors import ConfigError
from ragvlc.results.store import SweepStore


def test_questions_of_two_data_sets_with_one_id_are_two_questions(tmp_path: Path) -> None:
    file = SweepStore(tmp_path).write_examples("1" * 16, [example("q0", question="Which bananas?")])
    cells = [
        cell("full dataset=a", [row("q0", {"m": 1.0})], dataset="a", pipeline="full"),
        cell("full dataset=b", [row("q0", {"m": 0.0})], dataset="b", pipeline="full", examples=file),
    ]
    results = write(tmp_path, [example("q0", question="Which apples?")], cells)
    assert question_list(results)[0].rows == [
        ("q0", "Which apples?", "1.00", "1/1"),
        ("q0", "Which bananas?", "0.00", "0/1"),
    ]
    assert outcome(results)["metrics"]["verdict/questions"] == 2
    chosen, parts = filtered_questions(results, "m", wrong=True)
    assert parts[0].rows == [("q0", "Which bananas?", "-", "0.00")]
    assert grouped_questions(results, "m", "task", chosen)[0].rows == [("qa", "1", "-", "0.00")]
    console = Console(width=120)
    with console.capture() as capture:
        console.print(*one_question(results, "q0"), sep="\n")
    text = capture.get()
    assert text.index("Which apples?") < text.index("1.00") < text.index("Which bananas?") < text.index("0.00")
    with pytest.raises(ConfigError, match=r"no question in common: full dataset=a has 1, full dataset=b has 1"):
        filtered_questions(results, "m", flipped=("full dataset=a", "full dataset=b"))


def test_where_less_is_better_zero_is_not_wrong(tmp_path: Path) -> None:
    rows = [row("q0", {"m": 0.0}), row("q1", {"m": 1.0})]
    results = write(tmp_path, [example("q0"), example("q1")], [cell("full", rows, smaller_is_better=["m"])])
    chosen, _ = filtered_questions(results, "m", wrong=True)
    assert [name for name, _ in chosen] == ["q1"]
    listed = question_list(results)[0]
    assert listed.heads[-1] == "cells that score 0"
    assert [line[-1] for line in listed.rows] == ["1/1", "0/1"]
    with pytest.raises(ConfigError, match="are the same cell, full"):
        filtered_questions(results, "m", flipped=("full", "full"))
