"""Running, stopping, running again: only what is missing is asked, and the results are those of one quiet run."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import sweep_things as things
from sweep_things import (
    FULL,
    ORACLE,
    RAG,
    SAMPLED,
    asked_about,
    questions,
    ran,
    reader,
    standing,
    sweep_over,
    write_set,
)

from ragvlc.analysis.results import Results
from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.errors import EngineError, StoreError
from ragvlc.core.families import Route
from ragvlc.results.store import SweepStore
from ragvlc.sweep.runner import Outcome
from ragvlc.sweep.tracking import rescore, send

ALL = [f"q{n}" for n in range(12)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_set(tmp_path / "things", questions())


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def failing_on(*numbers: int, transient: bool = False) -> Callable[[str], str]:
    def reply(prompt: str) -> str:
        if int(re.findall(r"thing (\d+)\?", prompt)[-1]) in numbers:
            raise EngineError("on purpose", transient=transient)
        return reader(prompt)

    return reply


def cell_of(outcome: Outcome, name: str) -> Any:
    return next(cell for cell in outcome.results().cells if cell.name == name)


def lines(outcome: Outcome, name: str) -> list[dict[str, Any]]:
    file = outcome.folder / cell_of(outcome, name).facts["key"] / "predictions.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


# --- a quiet run


def test_a_run_answers_everything_and_says_so(data: Path, runs: Path) -> None:
    outcome, engine = ran(sweep_over(data), runs)
    assert outcome.complete
    assert set(outcome.status.values()) == {"complete"}
    full, rag = outcome.results().cells
    assert list(full.rows) == list(rag.rows) == ALL
    assert full.complete
    assert {row.answer.text for row in full.rows.values() if row.answer} == set(things.COLOURS)
    assert full.summary["metrics"]["contains"]["mean"] == 1.0
    assert len(engine.requests) == 24
    assert outcome.counts.asked["generate"] == outcome.counts.computed["generate"] == 24
    assert outcome.untracked is None


def test_a_second_run_asks_nothing_and_changes_nothing(data: Path, runs: Path) -> None:
    first, _ = ran(sweep_over(data), runs)
    before = {path: path.read_bytes() for path in first.folder.rglob("*.json*")}
    second, engine = ran(sweep_over(data), runs)
    assert engine.requests == []
    assert second.complete
    assert {path: path.read_bytes() for path in first.folder.rglob("*.json*")} == before


def test_questions_over_one_document_are_asked_together(data: Path, runs: Path) -> None:
    _, engine = ran(sweep_over(data, pipelines={"full": FULL}, concurrency=1), runs)
    assert asked_about(engine) == [f"q{n}" for d in range(3) for n in range(d, 12, 3)]


def test_questions_are_in_work_together_but_no_more_than_allowed(data: Path, runs: Path) -> None:
    met = threading.Barrier(3, timeout=20)

    def together(prompt: str) -> str:
        met.wait()  # breaks, and fails the question, unless three are here at once
        return reader(prompt)

    outcome, engine = ran(sweep_over(data, pipelines={"full": FULL}, concurrency=3), runs, together)
    assert outcome.complete
    assert cell_of(outcome, "full").summary["failed"] == 0
    assert engine.most_at_once == 3


def test_results_do_not_depend_on_concurrency(data: Path, tmp_path: Path) -> None:
    def found(name: str, concurrency: int) -> dict[str, Any]:
        sweep = sweep_over(
            data,
            concurrency=concurrency,
            pipelines={"full": FULL, "rag": RAG, "oracle": ORACLE},
            axes={"routes.rag.order": ["random", "document"]},
            repeats=2,
        )
        return standing(ran(sweep, tmp_path / name)[0].folder)

    assert found("one", 1) == found("eight", 8)


def test_repeats_sample_anew_and_repeat_when_run_again(data: Path, tmp_path: Path) -> None:
    from ragvlc.sweep.runner import run_sweep

    sweep = sweep_over(data, pipelines={"sampled": SAMPLED}, repeats=2)
    first, second = (run_sweep(sweep, tmp_path / name) for name in ("a", "b"))
    assert standing(first.folder) == standing(second.folder)
    one, two = first.results().cells
    replies = [row.answer.text for cell in (one, two) for row in cell.rows.values() if row.answer]
    assert len(set(replies)) == 24, "another seed for each question and repeat"


# --- running again


def test_a_raised_limit_keeps_the_rows_there_are(data: Path, runs: Path) -> None:
    def limited(limit: int | None) -> Any:
        return sweep_over(data, pipelines={"full": FULL}, dataset={"kind": "jsonl", "path": str(data), "limit": limit})

    _, engine = ran(limited(4), runs)
    first = asked_about(engine)
    outcome, engine = ran(limited(9), runs)
    assert len(first) == 4
    assert len(asked_about(engine)) == 5
    assert not set(first) & set(asked_about(engine))
    assert len(cell_of(outcome, "full").rows) == 9
    outcome, engine = ran(limited(4), runs)
    assert engine.requests == []
    assert set(cell_of(outcome, "full").rows) == set(first)
    assert cell_of(outcome, "full").summary["questions"] == 4


def test_an_edited_metric_scores_again_without_asking(data: Path, runs: Path) -> None:
    ran(sweep_over(data, metrics=[things.Length()]), runs)
    outcome, engine = ran(sweep_over(data, metrics=[things.Length(offset=100), "contains"]), runs)
    assert engine.requests == []
    rows = cell_of(outcome, "full").rows
    assert rows["q0"].scores == {things.Length().label: 103.0, "contains": 1.0}
    assert outcome.complete


def test_a_changed_reference_scores_again_and_asks_only_controls(data: Path, runs: Path) -> None:
    sweep = sweep_over(data, pipelines={"full": FULL, "oracle": ORACLE})
    ran(sweep, runs)
    changed = questions()
    changed[3]["answers"] = ["purple"]
    write_set(data, changed)
    outcome, engine = ran(sweep, runs)
    assert asked_about(engine) == ["q3"]
    assert cell_of(outcome, "full").rows["q3"].scores == {"contains": 0.0}
    assert len(lines(outcome, "full")) == 13, "one row scored again"
    assert outcome.counts.computed["generate"] == 1


def test_a_changed_question_is_owed_and_its_old_row_counts_no_more(data: Path, runs: Path) -> None:
    sweep = sweep_over(data, pipelines={"full": FULL})
    ran(sweep, runs)
    changed = questions()
    changed[5]["question"] = "Tell me: what colour is thing 5?"
    write_set(data, changed)
    outcome, engine = ran(sweep, runs)
    assert asked_about(engine) == ["q5"]
    assert outcome.complete
    assert cell_of(outcome, "full").examples["q5"]["question"].startswith("Tell me")


def test_rows_of_questions_that_changed_are_in_no_table(data: Path, runs: Path) -> None:
    """The new questions are on disk before the first new answer is: a report in between must not mix the two."""
    sweep = sweep_over(data, pipelines={"full": FULL})
    ran(sweep, runs)
    changed = questions()
    changed[5]["question"] = "Tell me: what colour is thing 5?"
    write_set(data, changed)
    with pytest.raises(KeyboardInterrupt):
        ran(sweep, runs, watcher=things.Interrupting(1), reply=failing_on(5))
    [cell] = Results.load(runs / "things").cells
    assert cell.rows["q5"].failure is not None
    with SweepStore(runs / "things") as store:
        rows = (store.folder / cell.facts["key"] / "predictions.jsonl").read_bytes().splitlines(keepends=True)
        (store.folder / cell.facts["key"] / "predictions.jsonl").write_bytes(b"".join(rows[:12]))
    [cell] = Results.load(runs / "things").cells
    assert "q5" not in cell.rows
    assert not cell.complete


def test_a_torn_line_is_asked_again(data: Path, runs: Path) -> None:
    sweep = sweep_over(data, pipelines={"full": FULL})
    first, _ = ran(sweep, runs)
    whole = standing(first.folder)
    folder = first.folder / first.results().cells[0].facts["key"]
    text = (folder / "predictions.jsonl").read_bytes()
    (folder / "predictions.jsonl").write_bytes(text[:-20])
    (folder / "summary.json").unlink()
    torn = json.loads(text.splitlines()[-1])["id"]
    second, engine = ran(sweep, runs)
    assert asked_about(engine) == [torn]
    assert standing(second.folder) == whole


def test_a_cell_without_its_summary_is_added_up_again_without_asking(data: Path, runs: Path) -> None:
    sweep = sweep_over(data)
    first, _ = ran(sweep, runs)
    whole = standing(first.folder)
    for file in first.folder.rglob("summary.json"):
        file.unlink()
    assert all(cell.complete for cell in Results.load(first.folder).cells)  # counted from the rows
    second, engine = ran(sweep, runs)
    assert engine.requests == []
    assert standing(second.folder) == whole


# --- failures


def test_a_failed_question_is_a_row_that_scores_zero_where_a_metric_applies(data: Path, runs: Path) -> None:
    asked = questions()
    asked[2] |= {"answers": [], "unanswerable": True}
    write_set(data, asked)
    sweep = sweep_over(data, pipelines={"full": FULL}, max_failures=0.5, metrics=["contains", "exact_match"])
    outcome, _ = ran(sweep, runs, failing_on(1, 2))
    cell = cell_of(outcome, "full")
    assert outcome.complete
    assert cell.rows["q1"].answer is None
    assert cell.rows["q1"].failure is not None
    assert (cell.rows["q1"].failure.stage, cell.rows["q1"].failure.type) == ("generate", "EngineError")
    assert cell.rows["q1"].scores == {"contains": 0.0, "exact_match": 0.0}
    assert cell.rows["q2"].scores == {"contains": None, "exact_match": 0.0}, "silence must not score as a right refusal"
    assert cell.summary["failed"] == 2
    assert cell.summary["metrics"]["contains"] == {**cell.summary["metrics"]["contains"], "mean": 10 / 11, "n": 11}


def test_other_failures_stay_until_they_are_asked_for(data: Path, runs: Path) -> None:
    sweep = sweep_over(data, pipelines={"full": FULL}, max_failures=0.5)
    ran(sweep, runs, failing_on(1, 2))
    outcome, engine = ran(sweep, runs)
    assert engine.requests == []
    assert cell_of(outcome, "full").summary["failed"] == 2
    outcome, engine = ran(sweep, runs, retry_failed=True)
    assert sorted(asked_about(engine)) == ["q1", "q2"]
    assert cell_of(outcome, "full").summary["failed"] == 0
    assert cell_of(outcome, "full").rows["q1"].scores == {"contains": 1.0}


def test_passing_failures_are_owed_on_the_next_run(data: Path, runs: Path) -> None:
    sweep = sweep_over(data, pipelines={"full": FULL}, max_failures=0.5)
    outcome, _ = ran(sweep, runs, failing_on(1, 2, transient=True))
    assert set(outcome.status.values()) == {"pending"}
    assert not outcome.complete
    assert not cell_of(outcome, "full").complete
    outcome, engine = ran(sweep, runs)
    assert sorted(asked_about(engine)) == ["q1", "q2"]
    assert outcome.complete


def test_too_many_failures_stop_a_cell_and_the_others_go_on(data: Path, runs: Path) -> None:
    other = {**FULL, "description": "", "routes": {"full": {"kind": "full_context", "answer_tokens": 31}}}
    sweep = sweep_over(data, pipelines={"full": FULL, "other": other}, max_failures=0.1, concurrency=1)
    left = [3]

    def reply(prompt: str) -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise EngineError("on purpose")
        return reader(prompt)

    outcome, engine = ran(sweep, runs, reply)
    full, second = outcome.results().cells
    assert [outcome.status[cell.facts["key"]] for cell in (full, second)] == ["stopped", "complete"]
    assert not full.complete
    assert second.complete
    assert len(full.rows) == 2, "two failures of twelve are more than a tenth; the rest is not asked"
    assert len(second.rows) == 12
    outcome, engine = ran(sweep, runs)
    assert engine.requests == [], "stopped cells wait for whoever mends the cause"
    assert outcome.status[full.facts["key"]] == "stopped"
    outcome, _ = ran(sweep, runs, retry_failed=True)
    assert outcome.complete


def test_nothing_is_written_to_a_stopped_cell_after_it_was_added_up(data: Path, runs: Path) -> None:
    """Leaving the loop must end the work: questions that go on in the background would be billed and lost."""

    def slow(prompt: str) -> str:
        time.sleep(0.02)
        raise EngineError("on purpose")

    outcome, engine = ran(sweep_over(data, pipelines={"full": FULL}, concurrency=2), runs, slow)
    asked = len(engine.requests)
    written = len(lines(outcome, "full"))
    time.sleep(0.3)
    assert len(engine.requests) == asked < 12
    assert len(lines(outcome, "full")) == written


def test_a_raised_max_failures_goes_on_with_a_stopped_cell(data: Path, runs: Path) -> None:
    pipelines = {"full": FULL}
    ran(sweep_over(data, pipelines=pipelines, max_failures=0.0, concurrency=1), runs, failing_on(0))
    outcome, engine = ran(sweep_over(data, pipelines=pipelines, max_failures=0.5), runs)
    assert outcome.complete
    assert "q0" not in asked_about(engine)
    assert cell_of(outcome, "full").summary["failed"] == 1


def test_a_metric_that_raises_is_a_failure_and_is_scored_again_later(data: Path, runs: Path) -> None:
    def sweep(*, broken: bool) -> Any:
        return sweep_over(data, pipelines={"full": FULL}, metrics=[things.Picky(broken=broken)], max_failures=1)

    outcome, _ = ran(sweep(broken=True), runs)
    cell = cell_of(outcome, "full")
    assert cell.summary["failed"] == 2
    row = cell.rows["q1"]
    assert row.failure is not None
    assert (row.failure.stage, row.failure.type, row.scores) == ("score", "ZeroDivisionError", {})
    assert row.answer is not None, "the answer is kept"
    rescore(sweep(broken=True), runs)
    assert len(lines(outcome, "full")) == 12, "failing again in the same way adds no rows"
    outcome, engine = ran(sweep(broken=False), runs)
    assert engine.requests == []
    assert cell_of(outcome, "full").rows["q1"].scores == {things.Picky().label: 1.0}
    assert cell_of(outcome, "full").summary["failed"] == 0


def test_a_mended_metric_completes_a_cell_that_its_failures_stopped(data: Path, runs: Path) -> None:
    def sweep(*, broken: bool) -> Any:
        return sweep_over(data, pipelines={"full": FULL}, metrics=[things.Picky(broken=broken)], max_failures=0)

    outcome, _ = ran(sweep(broken=True), runs)
    assert set(outcome.status.values()) == {"stopped"}
    outcome, _ = ran(sweep(broken=False), runs)
    assert outcome.complete
    assert len(cell_of(outcome, "full").rows) == 12


def test_retrying_a_failure_to_score_asks_nothing(data: Path, runs: Path) -> None:
    sweep = sweep_over(data, pipelines={"full": FULL}, metrics=[things.Picky()], max_failures=1)
    ran(sweep, runs)
    _, engine = ran(sweep, runs, retry_failed=True)
    assert engine.requests == []


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_score_that_is_no_number_is_a_failure(data: Path, runs: Path, value: str) -> None:
    metric = things.Picky(value=value)
    outcome, _ = ran(sweep_over(data, pipelines={"full": FULL}, metrics=[metric], max_failures=1), runs)
    failure = cell_of(outcome, "full").rows["q1"].failure
    assert failure is not None
    assert "finite number" in failure.message
    assert outcome.complete


class Mute(things.Metric):
    """Fails on silence, which failed questions are scored as."""

    def score(self, answer: Answer, example: Example) -> float | None:
        return 1 / len(answer.text)


def test_a_metric_that_cannot_score_a_failed_question_ends_no_run(data: Path, runs: Path) -> None:
    sweep = sweep_over(data, pipelines={"full": FULL}, metrics=[Mute()], max_failures=0.5)
    outcome, _ = ran(sweep, runs, failing_on(1))
    row = cell_of(outcome, "full").rows["q1"]
    assert row.failure is not None
    assert row.failure.message == "on purpose", "the cause, not what came of it"


class Odd(Route):
    """Notes something in its trace that JSON does not have."""

    def answer(self, query: Any, documents: Any, run: Any) -> Answer:
        with run.step("odd", what=object()):
            pass
        return Answer("red", trace=run.trace)


def test_a_trace_that_cannot_be_written_is_a_failed_row(data: Path, runs: Path) -> None:
    sweep = sweep_over(
        data, pipelines={"odd": {"generators": {"main": "scripted"}, "routes": {"odd": Odd()}}}, max_failures=1
    )
    outcome, _ = ran(sweep, runs)
    failures = [row.failure for row in cell_of(outcome, "odd").rows.values()]
    assert [failure.type for failure in failures if failure] == ["TypeError"] * 12


# --- interruptions


def test_two_runs_in_one_folder_are_refused(data: Path, runs: Path) -> None:
    with SweepStore(runs / "things"), pytest.raises(StoreError, match="another process is running this sweep"):
        ran(sweep_over(data), runs)


@pytest.mark.parametrize("after", [1, 7, 12, 13, 20])
def test_an_interrupted_run_goes_on_to_the_same_results(data: Path, tmp_path: Path, after: int) -> None:
    sweep = sweep_over(data, axes={"routes.rag.order": ["random", "document"]})
    quiet, _ = ran(sweep, tmp_path / "quiet")
    with pytest.raises(KeyboardInterrupt):
        ran(sweep, tmp_path / "broken", watcher=things.Interrupting(after))
    kept = sum(len(cell.rows) for cell in Results.load(tmp_path / "broken" / "things").cells)
    assert kept >= after
    outcome, engine = ran(sweep, tmp_path / "broken")
    assert len(engine.requests) <= 36 - kept
    assert standing(outcome.folder) == standing(quiet.folder)


def test_an_interrupted_run_ends_its_work_and_frees_its_folder(data: Path, runs: Path) -> None:
    def slow(prompt: str) -> str:
        time.sleep(0.02)
        return reader(prompt)

    sweep = sweep_over(data, pipelines={"full": FULL}, concurrency=2)
    with pytest.raises(KeyboardInterrupt) as caught:  # holds the frames, as a program that reports the error would
        ran(sweep, runs, slow, watcher=things.Interrupting(1))
    rows = len(Results.load(runs / "things").cells[0].rows)
    time.sleep(0.3)
    assert len(Results.load(runs / "things").cells[0].rows) == rows < 12
    assert issubclass(caught.type, KeyboardInterrupt)
    assert caught.value.stored == rows
    assert caught.value.total == 12
    assert ran(sweep, runs)[0].complete


# --- the tracker


@pytest.mark.parametrize("place", ["open", "cell", "exit"])
def test_a_trackers_outage_costs_nothing_and_is_told(
    data: Path, tmp_path: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    quiet, _ = ran(sweep_over(data), tmp_path / "quiet")
    outcome, _ = ran(sweep_over(data, tracker=things.Telling(fails_at=place)), tmp_path / "outage")
    assert outcome.complete
    what = "the end of the sweep" if place == "exit" else "2 of 2 cells"
    assert outcome.untracked == f"{what}: ConnectionError: no server at {place}"
    assert "not sent to the tracker" in caplog.text
    assert standing(outcome.folder) == standing(quiet.folder)


def test_a_tracker_hears_of_every_cell_and_of_stored_ones_again(data: Path, runs: Path) -> None:
    tracker = things.Telling()
    sweep = sweep_over(data, tracker=tracker)
    outcome, _ = ran(sweep, runs)
    assert sweep.tracker.told == ["open", "cell", "cell", "exit"]  # type: ignore[attr-defined]
    assert send(sweep, runs) is None
    assert sweep.tracker.told[4:] == ["open", "cell", "cell", "exit"]  # type: ignore[attr-defined]
    assert outcome.untracked is None
    assert "ConnectionError" in str(send(sweep_over(data, tracker=things.Telling(fails_at="cell")), runs))


# --- scoring again and sending without a model


def test_score_works_from_disk_alone(data: Path, runs: Path) -> None:
    ran(sweep_over(data), runs)
    folder = rescore(sweep_over(data, metrics=["exact_match"]), runs)
    [full, rag] = Results.load(folder).cells
    assert full.metrics == ("exact_match",)
    assert full.complete
    assert full.rows["q0"].scores == {"exact_match": 1.0}
    assert len(rag.rows) == 12


def test_score_keeps_clear_of_a_torn_line(data: Path, runs: Path) -> None:
    outcome, _ = ran(sweep_over(data, pipelines={"full": FULL}), runs)
    file = outcome.folder / outcome.results().cells[0].facts["key"] / "predictions.jsonl"
    file.write_bytes(file.read_bytes()[:-20])
    [cell] = Results.load(rescore(sweep_over(data, pipelines={"full": FULL}, metrics=["exact_match"]), runs)).cells
    assert len(cell.rows) == 11
    assert not cell.complete


@pytest.mark.parametrize("act", [rescore, send])
def test_nothing_stored_is_an_error_and_leaves_no_folder(data: Path, runs: Path, act: Callable[..., object]) -> None:
    with pytest.raises(StoreError, match="no results here"):
        act(sweep_over(data), runs)
    assert not (runs / "things").exists()


# --- what is told on the way


class Listening(things.Interrupting):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__(0)
        self.heard: list[Any] = []

    def planned(self, cells: Any, pending: int, total: int) -> None:
        self.heard.append(("planned", len(cells), pending, total))

    def row(self, cell: Any, prediction: Any) -> None:
        self.heard.append(("row", cell.name))

    def done(self, cell: Any, status: str, summary: Mapping[str, Any]) -> None:
        self.heard.append(("done", cell.name, status, summary["answered"]))


def test_a_watcher_hears_of_every_row(data: Path, runs: Path) -> None:
    ran(sweep_over(data, pipelines={"full": FULL}), runs)
    watcher = Listening()
    ran(sweep_over(data), runs, watcher=watcher)
    assert watcher.heard[:2] == [("planned", 2, 12, 24), ("done", "full", "complete", 12)]
    assert watcher.heard[2:] == [("row", "rag")] * 12 + [("done", "rag", "complete", 12)]


def test_files_about_the_sweep_that_cannot_be_made_cost_a_sentence_and_no_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def make(folder: Path) -> dict[str, Path]:
        raise StoreError("no space for figures")

    outcome, _ = ran(sweep_over(write_set(tmp_path / "set", questions())), tmp_path / "runs", finish=make)
    assert outcome.complete
    assert outcome.untracked is not None
    assert outcome.untracked.endswith("not created: no space for figures")
    assert "results are safe on disk, but files about the sweep were not created" in caplog.text
    assert all(record.exc_info is None for record in caplog.records if record.levelname != "DEBUG")


@pytest.mark.parametrize("error", [MemoryError(), OSError(28, "No space left"), RuntimeError("can't start new thread")])
def test_a_question_that_failed_for_want_of_memory_threads_or_disk_is_asked_again(
    tmp_path: Path, error: Exception
) -> None:
    sweep = sweep_over(write_set(tmp_path / "set", questions()), pipelines={"full": things.FULL}, max_failures=1.0)

    def failing(prompt: str) -> str:
        if "thing 3?" in prompt:
            raise error
        return reader(prompt)

    first, _ = ran(sweep, tmp_path / "runs", failing)
    assert list(first.status.values()) == ["pending"]
    again, engine = ran(sweep, tmp_path / "runs")
    assert again.complete
    assert asked_about(engine) == ["q3"]
