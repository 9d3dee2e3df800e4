"""Rows read as columns say what the rows say, and a run holds no row that it has written."""

from __future__ import annotations

import gc
import math
from dataclasses import fields
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from sweep_folders import cell, example, failed, row, write
from sweep_things import FULL, RAG, questions, sweep_over, write_set

from ragvlc.analysis.results import Results
from ragvlc.core.answer import UNSENT_TEMPERATURE, Answer, Prediction, Step, Timing, Usage
from ragvlc.core.answer_shapes import FactsShape
from ragvlc.core.errors import StoreError
from ragvlc.results.loading import CellResult
from ragvlc.results.row_form import FactsForm, UsageForm, steps_form
from ragvlc.results.store import CellStore
from ragvlc.results.trace_facts import TraceFacts
from ragvlc.results.unanswered import cause, unanswered
from ragvlc.sweep.plan import Cell
from ragvlc.sweep.runner import run_sweep

GOLDEN = Path(__file__).parents[1] / "golden"


def known(value: float) -> float | None:
    return None if math.isnan(value) else value


def check(found: CellResult) -> None:
    """Compares every column with the rows, read one by one."""
    columns = found.columns
    assert list(columns.ids) == list(found.rows)
    for place, (name, one) in enumerate(found.rows.items()):
        assert one.example_id == name
        assert {label: columns.scored(label)[place] for label in one.scores} == one.scores
        assert columns.flags[place] == one.flags
        assert columns.scored_by[place] == set(one.scored_by)
        assert columns.failures.get(place) == one.failure
        assert columns.marks["answered"][place] == (one.answer is not None)
        if one.answer is not None:
            check_answer(found, place, one.answer)


def prompts(step: Step) -> list[int]:
    """Returns the lengths of the prompts in a step, as far as it records them."""
    if "prompt_tokens" in step.facts:
        return [step.facts["prompt_tokens"]]
    inner = [length for below in step.steps for length in prompts(below)]
    return inner or [step.usage.prompt_tokens] * (step.usage.calls == 1)


def check_answer(found: CellResult, place: int, answer: Answer) -> None:
    numbers = {name: known(column[place]) for name, column in found.columns.numbers.items()}
    for name in ("prompt_tokens", "cached_tokens", "completion_tokens", "thought_tokens", "calls"):
        assert numbers[name] == getattr(answer.usage, name)
    for name in ("queue_seconds", "first_token_seconds", "engine_seconds"):
        assert numbers[name] == getattr(answer.timing, name)
    assert numbers["agents"] == max(answer.facts("agents"), default=0)
    assert numbers["paths"] == max(answer.facts("paths"), default=1)
    lengths = [length for root in answer.trace for length in prompts(root)]
    whole = len(lengths) == answer.usage.calls and sum(lengths) == answer.usage.prompt_tokens
    assert numbers["attention_pairs"] == (sum(n * (n + 1) // 2 for n in lengths) if whole else None)
    assert numbers["dropped_tokens"] == answer.dropped_tokens
    assert numbers["search_seconds"] == answer.timing.phases.get("search", 0.0)
    marks = {name: bool(column[place]) for name, column in found.columns.marks.items()}
    assert (marks["replied"], marks["reused"]) == (answer.answered, answer.reused)
    assert marks["sampled_by_server"] == answer.sampled_by_server
    words = {name: column[place] for name, column in found.columns.words.items()}
    assert (words["route"], words["finish"]) == (answer.route, answer.finish)
    assert words["cause"] == (cause(answer) if unanswered(answer) else "")


@pytest.mark.parametrize("version", sorted(path.name for path in GOLDEN.iterdir() if (path / "run").is_dir()))
def test_columns_of_earlier_versions_say_what_their_rows_say(version: str) -> None:
    found = Results.load(GOLDEN / version / "run")
    assert found.cells
    for one in found.cells:
        check(one)


def test_columns_of_a_run_say_what_its_rows_say(tmp_path: Path) -> None:
    data = write_set(tmp_path / "data", questions())
    for one in run_sweep(sweep_over(data), tmp_path / "runs").results().cells:
        assert one.rows
        check(one)


def test_columns_of_answers_with_everything_say_what_the_rows_say(tmp_path: Path) -> None:
    steps = (
        Step("route", {"reason": "learned", "score": 0.25, "favours": "full"}),
        Step("read", {"dropped_tokens": 7, "no_answer": 2, "agents": 3, "paths": 2, "temperature_unsent": True}),
        Step("answer", {"thoughts_read": True}, Usage(90, 10, 5, 1), 0.5, (Step("index", {"index": "i"}),)),
    )
    timing = Timing(0.5, 0.25, 2.0, {"search": 0.125, "rerank": 1.0, "saved": 3.0})
    full = row("a", {"m": 0.5}, trace=steps, timing=timing, usage=Usage(90, 10, 5, 1, thought_tokens=2), reused=True)
    empty = row("b", {"m": None}, text="", finish="length", thought="well")
    rows = [full, empty, failed("c", {"m": 0.0})]
    [found] = write(tmp_path, [example(name) for name in "abcd"], [cell("rag", rows)]).cells
    check(found)
    assert found.columns.numbers["signal"][0] == 0.25
    assert found.columns.words["favours"][0] == "full"
    assert found.summary["no_answer_causes"] == {"thinking_cut": 1}
    assert found.summary["dropped_tokens"] == fmean([7, 0])
    assert (found.summary["empty_replies"], found.summary["thoughts_read"]) == (2, 1)


def test_of_several_rows_the_last_counts_and_leaves_nothing_of_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    write(folder, [example("a"), example("b")], [cell("rag", [row("a", {"m": 1.0, "old": 1.0}), row("b", {"m": 1.0})])])
    store = CellStore(folder / ("0" * 16))
    store.append(failed("a", {"m": 0.0}))
    store.forget()
    [found] = Results.load(folder).cells
    check(found)
    assert found.scores("m") == {"a": 0.0, "b": 1.0}
    assert found.scores("old") == {"a": None, "b": None}
    assert found.summary["failed"] == 1


def test_a_file_that_is_replaced_while_its_rows_are_read_is_noticed(tmp_path: Path) -> None:
    [found] = write(
        tmp_path, [example("a"), example("b")], [cell("rag", [row(name, {"m": 1.0}) for name in "ab"])]
    ).cells
    lines = tmp_path / ("0" * 16) / "predictions.jsonl"
    lines.write_bytes(b"".join(reversed(lines.read_bytes().splitlines(keepends=True)))[5:])
    with pytest.raises(StoreError, match="changed while they were read"):
        list(found.rows.values())


def rows_in_memory() -> int:
    gc.collect()
    return sum(isinstance(one, (Answer, Prediction)) for one in gc.get_objects())


class Counting:
    """Counts the rows and answers that a run has in memory at the end of its last cell, when none is in flight."""

    def __init__(self) -> None:
        self.before = rows_in_memory()  # of other tests
        self.held = 0
        self.rows = 0

    def planned(self, cells: Any, pending: int, total: int) -> None:
        """Counts nothing."""

    def row(self, cell: Cell, prediction: Prediction) -> None:
        self.rows += 1

    def done(self, cell: Cell, status: str, summary: Any) -> None:
        assert status == "complete"
        self.held = rows_in_memory() - self.before


@pytest.mark.parametrize("count", [40, 160])
def test_a_run_holds_no_row_that_it_has_written(tmp_path: Path, count: int) -> None:
    data = write_set(tmp_path / "data", questions(count))
    for again in (False, True):  # the second run finds all rows, and holds none either
        watcher = Counting()
        sweep = sweep_over(data, cache=False, concurrency=2, pipelines={"full": FULL, "rag": RAG})
        run_sweep(sweep, tmp_path / "runs", watcher=watcher)
        assert watcher.held < 20
        assert watcher.rows == (0 if again else 2 * count)


def test_a_call_without_prompt_tokens_is_one_of_length_zero():
    facts = TraceFacts(steps_form((Step("generate", usage=Usage(calls=1)),)))  # zeros are left out of rows
    assert facts.pairs(Usage(calls=1)) == 0


def test_the_forms_of_rows_have_the_fields_of_what_is_stored():
    assert UsageForm.__struct_fields__ == tuple(field.name for field in fields(Usage))
    assert FactsShape.__annotations__.keys() | {UNSENT_TEMPERATURE} <= set(FactsForm.__struct_fields__)
