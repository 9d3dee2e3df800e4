"""Work in the order in which it shares most, cold cells, and what each cell is charged."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import sweep_things as things
from sweep_things import FULL, RAG, asked_about, questions, ran, sweep_over, write_set

from ragvlc.core.answer import Answer, Prediction, Timing, Usage
from ragvlc.core.engines import Generation, Request
from ragvlc.generators.scripted import Scripted
from ragvlc.results.columns import columns_of
from ragvlc.results.summary import summarise
from ragvlc.sweep.plan import plan
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.schedule import schedule
from ragvlc.sweep.scoring import QuestionSet


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_set(tmp_path / "data", questions())


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def other_model(pipeline: dict[str, Any]) -> dict[str, Any]:
    return {**pipeline, "generators": {"main": {"kind": "scripted", "default": "blue"}}}


def jobs_of(sweep: Any, *, without: Sequence[str] = ()) -> Any:
    cells = plan(sweep)
    asked = {cell.dataset.key: QuestionSet(cell.dataset.load(), sweep.metrics) for cell in cells}
    pending = [
        (cell, [one for one in asked[cell.dataset.key].examples if one.id not in without or cell.name != "full"])
        for cell in cells
    ]
    return schedule(pending, asked), {cell.key: cell.name for cell in cells}


def runs_of(values: Sequence[Any]) -> list[Any]:
    return [value for value, _ in groupby(values)]


def test_models_then_documents_then_cells(data: Path) -> None:
    pipelines = {"full": FULL, "other": other_model(FULL), "rag": RAG}
    jobs, names = jobs_of(sweep_over(data, pipelines=pipelines))
    assert len(jobs) == 36
    assert runs_of([names[job.cell] == "other" for job in jobs]) == [False, True], "one model after the other"
    assert runs_of([job.stage for job in jobs]) == [0, 1]
    first = jobs[:24]
    documents = [job.example.documents[0].id for job in first]
    assert runs_of(documents) == ["d0", "d1", "d2"]
    assert runs_of([names[job.cell] for job in first]) == ["full", "rag"] * 3
    assert [job.example.id for job in first[:4]] == ["q0", "q3", "q6", "q9"]


def test_what_is_left_keeps_its_order(data: Path) -> None:
    whole, names = jobs_of(sweep_over(data))
    gone = {"q0", "q4", "q11"}
    left, _ = jobs_of(sweep_over(data), without=tuple(gone))
    places = [(job.cell, job.example.id) for job in whole]
    assert [(job.cell, job.example.id) for job in left] == [
        (cell, name) for cell, name in places if names[cell] != "full" or name not in gone
    ]


def test_a_sweep_is_worked_off_in_that_order(data: Path, runs: Path) -> None:
    _, engine = ran(sweep_over(data, concurrency=1), runs)
    jobs, _ = jobs_of(sweep_over(data))
    assert asked_about(engine) == [job.example.id for job in jobs]


def test_an_interrupted_sweep_has_answered_the_same_questions_everywhere(data: Path, runs: Path) -> None:
    sweep = sweep_over(data, concurrency=1)
    with pytest.raises(KeyboardInterrupt):
        ran(sweep, runs, watcher=things.Interrupting(9))
    from ragvlc.analysis.results import Results

    full, rag = Results.load(runs / "things").cells
    assert {"q0", "q3", "q6", "q9"} <= set(full.rows) & set(rag.rows)


# --- engines


class Noted(Scripted):
    """Notes what is opened and closed, and who is open at the same time."""

    def open(self) -> Any:
        inner = super().open()
        name = str(self.default)
        EVENTS.append(("open", name))

        class Engine:
            window = inner.window
            generate = staticmethod(inner.generate)

            @staticmethod
            def close() -> None:
                EVENTS.append(("close", name))

        return Engine()


EVENTS: list[tuple[str, str]] = []


def test_a_model_that_no_later_stage_needs_is_closed_before_the_next_opens(data: Path, runs: Path) -> None:
    EVENTS.clear()
    kind = f"{__name__}:Noted"
    pipelines = {
        f"{route['routes'].keys()}{default}": {**route, "generators": {"main": {"kind": kind, "default": default}}}
        for default in ("red", "blue")
        for route in (FULL, RAG)
    }
    assert run_sweep(sweep_over(data, pipelines=pipelines), runs).complete
    # The model of the later stage is tried before the first question, and is not open beside the first stage's.
    tried = [("open", "blue"), ("close", "blue")]
    assert [*tried, ("open", "red"), ("close", "red"), ("open", "blue"), ("close", "blue")] == EVENTS


# --- cold cells


class Crowded(Scripted):
    """Notes how many ask at the same time, and the requests."""

    def open(self) -> Any:
        inner, lock = super().open(), threading.Lock()
        inside: list[int] = []

        class Engine:
            window = inner.window

            @staticmethod
            def generate(requests: Sequence[Request]) -> list[Generation]:
                with lock:
                    inside.append(1)
                    CROWDS.append((len(inside), requests[0].cold))
                time.sleep(0.01)
                found = inner.generate(requests)
                with lock:
                    inside.pop()
                return found

            @staticmethod
            def close() -> None:
                """Has nothing."""

        return Engine()


CROWDS: list[tuple[int, bool]] = []


def crowded(pipeline: dict[str, Any]) -> dict[str, Any]:
    return {**pipeline, "generators": {"main": {"kind": f"{__name__}:Crowded", "default": "red"}}}


def test_cold_questions_come_alone_and_compute_everything(data: Path, runs: Path) -> None:
    CROWDS.clear()
    axes = {"latency": ["cold", "warm"]}
    sweep = sweep_over(data, pipelines={"full": crowded(FULL), "rag": crowded(RAG)}, axes=axes)
    outcome = run_sweep(sweep, runs)
    names = ["full latency=cold", "full latency=warm", "rag latency=cold", "rag latency=warm"]
    cells = {cell.name: cell for cell in outcome.results().cells}
    assert list(cells) == names
    warm, cold = CROWDS[:24], CROWDS[24:]
    assert {flag for _, flag in warm} == {False}
    assert max(count for count, _ in warm) > 1
    assert cold == [(1, True)] * 26, "one at a time, none shared; the first of each cell twice: to warm up"
    for name, cell in cells.items():
        assert cell.cold == name.endswith("cold")
        assert not any(row.answer.reused for row in cell.rows.values()) or not cell.cold
        assert ("cold_answer_seconds_median" in cell.summary) == cell.cold
    full = [cells[name] for name in names[:2]]
    assert full[0].facts["key"] != full[1].facts["key"]
    assert [row.answer.text for row in full[0].rows.values()] == [row.answer.text for row in full[1].rows.values()]
    again = run_sweep(sweep_over(data, name="again", pipelines={"full": crowded(FULL)}, latency="cold"), runs)
    assert again.counts.stored == {} or not any(again.counts.stored.get(stage) for stage in ("generate", "rank"))


def test_the_report_has_latencies_of_cold_cells_only(data: Path, runs: Path) -> None:
    from ragvlc.analysis import tables

    outcome = run_sweep(sweep_over(data, axes={"latency": ["cold", "warm"]}), runs)
    table = tables.latency(outcome.results())
    assert table is not None
    assert [name for name, _ in table.rows] == ["full latency=cold", "rag latency=cold"]
    assert "answer\nmedian" in table.heads
    warm = run_sweep(sweep_over(data, name="warm"), runs)
    assert tables.latency(warm.results()) is None


def test_the_memory_of_a_cell_is_kept(data: Path, runs: Path) -> None:
    import psutil

    held = psutil.Process().memory_info().rss
    summary = run_sweep(sweep_over(data), runs).results().cells[0].summary
    assert 0.5 * held < summary["process_bytes"] < 20 * held


# --- what a cell is charged


def rows_of(*answers: tuple[int, float, int]) -> dict[str, Prediction]:
    return {
        f"q{n}": Prediction(
            f"q{n}",
            answer=Answer(
                "", usage=Usage(100, cached, 5, calls), timing=Timing(engine_seconds=1.0, phases={"saved": saved})
            ),
        )
        for n, (cached, saved, calls) in enumerate(answers)
    }


def facts(groups: str) -> list[dict[str, Any]]:
    return [{"id": f"q{n}", "group": group, "cluster": group} for n, group in enumerate(groups)]


def charged(groups: str, *answers: tuple[int, float, int]) -> dict[str, Any]:
    asked = facts(groups)
    return summarise(asked, columns_of(rows_of(*answers), asked), [])


def test_a_cell_pays_for_a_beginning_that_another_cell_computed() -> None:
    alone = charged("aab", (0, 0, 1), (90, 3.0, 1), (0, 0, 1))
    assert (alone["engine_seconds"], alone["cached_tokens"]) == (1.0, 30)
    assert (alone["prefix_seconds_owed"], alone["prefix_seconds_saved"]) == (0, 3.0)
    behind = charged("aab", (80, 2.5, 1), (90, 3.0, 1), (0, 0, 1))
    assert behind["engine_seconds"] == pytest.approx((3 + 3.0) / 3)
    assert behind["cached_tokens"] == pytest.approx(80 / 3)
    assert (behind["prefix_seconds_owed"], behind["prefix_seconds_saved"]) == (3.0, 2.5)


def test_answers_of_several_calls_are_left_as_they_are() -> None:
    chained = charged("aa", (80, 2.5, 3), (90, 3.0, 3))
    assert (chained["engine_seconds"], chained["prefix_seconds_owed"]) == (1.0, 0)


@pytest.mark.parametrize(("count", "median", "high"), [(1, 1.0, 1.0), (2, 1.5, 1.95), (21, 11.0, 20.0)])
def test_percentiles_lie_between_the_seconds_measured(count: int, median: float, high: float) -> None:
    timed = {
        f"q{n}": Prediction(
            f"q{n}", answer=Answer("", timing=Timing(0, 0.5 * n, n - 0.5, {"search": 0.25, "rerank": 0.25}))
        )
        for n in range(1, count + 1)
    }
    asked = [{"id": name, "cluster": name} for name in timed]
    found = summarise(asked, columns_of(timed, asked), [], cold=True)
    assert found["cold_answer_seconds_median"] == pytest.approx(median)
    assert found["cold_answer_seconds_p95"] == pytest.approx(high)
    assert found["cold_first_token_seconds_median"] == pytest.approx(median / 2)
