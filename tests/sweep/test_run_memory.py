"""What a run holds does not grow with its rows: jobs are made one by one, few results wait, futures go."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sweep_things import questions, ran, sweep_over, write_set

from ragvlc.core import interruption
from ragvlc.core.answer import Prediction
from ragvlc.core.jobs import Job
from ragvlc.executors import local
from ragvlc.memo.once import Once
from ragvlc.sweep.cell_run import CellRun
from ragvlc.sweep.plan import Cell, plan
from ragvlc.sweep.schedule import schedule
from ragvlc.sweep.scoring import QuestionSet


def living(*kinds: type) -> Counter[str]:
    gc.collect()
    return Counter(type(one).__name__ for one in gc.get_objects() if type(one) in kinds)


class Watching:
    """Counts what lives at some rows of a run."""

    def __init__(self) -> None:
        self.rows = 0
        self.seen: list[Counter[str]] = []

    def planned(self, cells: Sequence[Cell], pending: int, total: int) -> None:
        """Looks at nothing."""

    def row(self, cell: Cell, row: Prediction) -> None:
        """Looks at every hundredth row."""
        self.rows += 1
        if self.rows % 100 == 50:
            self.seen.append(living(Job, Prediction, Future))

    def done(self, cell: Cell, status: str, summary: Any) -> None:
        """Looks at nothing."""

    def known(self, folder: Path) -> None:
        """Looks at nothing."""


def test_neither_jobs_nor_results_nor_futures_grow_with_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_UNREAD", 20)
    data = write_set(tmp_path / "data", questions(400))
    watching = Watching()
    outcome, _ = ran(sweep_over(data, concurrency=4), tmp_path / "runs", watcher=watching)
    assert outcome.complete
    assert watching.rows == 800
    assert len(watching.seen) == 8
    for name in ("Job", "Prediction", "Future"):
        assert max(one[name] for one in watching.seen) < 60, f"{name}: {[one[name] for one in watching.seen]}"


def test_jobs_are_a_sequence_that_makes_the_same_job_each_time(tmp_path: Path) -> None:
    sweep = sweep_over(write_set(tmp_path / "data", questions(30)))
    cells = plan(sweep)
    asked = {cells[0].dataset.key: QuestionSet(cells[0].dataset.load(), sweep.metrics)}
    [own] = asked.values()
    jobs = schedule([(cell, own.examples) for cell in cells], asked)
    assert len(jobs) == 60
    assert jobs[7] == list(jobs)[7]
    assert jobs[-1] == list(jobs)[-1]
    assert list(jobs[10:14]) == list(jobs)[10:14]
    assert len(jobs[3:][2:5]) == 3
    assert jobs[3:][2] == jobs[5]
    assert bool(schedule([(cells[0], ())], asked)) is False
    with pytest.raises(IndexError):
        jobs[60]


# --- results that wait to be read


class Pool:
    """Notes what is closed."""

    def __init__(self) -> None:
        self.closed: list[set[str]] = []

    def close(self, keys: set[str]) -> None:
        """Notes the keys."""
        self.closed.append(keys)


def job(number: int, stage: int = 0, model: str = "m") -> Job:
    pipeline = SimpleNamespace(generators={"main": SimpleNamespace(key=model)})
    return Job(f"cell {model}", cast("Any", pipeline), cast("Any", number), 0, stage=stage)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(local, "_UNREAD", 6)
    workers = local._Threads(cast("Any", Pool()), cast("Any", None), 3)
    monkeypatch.setattr(workers, "_runner", SimpleNamespace(run=lambda job: job))
    return workers


def steady(done: list[int]) -> int:
    """Returns the number of finished jobs once it has stopped to grow."""
    before = -1
    while before != len(done):
        before = len(done)
        time.sleep(0.1)
    return before


def test_workers_wait_while_nobody_reads_their_results(threads: Any) -> None:
    done: list[int] = []

    def finish(found: Any) -> int:
        done.append(found.example)
        return int(found.example)

    results = threads.work([job(n) for n in range(200)], wanted=lambda one: one.example % 10 != 3, finish=finish)
    got = [next(results)]
    assert steady(done) <= 7, "one was read, six wait"
    got += [next(results) for _ in range(20)]
    assert steady(done) <= 27
    got += results
    assert sorted(got) == [n for n in range(200) if n % 10 != 3]


@pytest.mark.parametrize("end", ["closed", "failed", "interrupted"])
def test_workers_that_wait_end_with_the_reader(threads: Any, end: str) -> None:
    before = set(threading.enumerate())  # others may still wait for a server that another test gave up

    def finish(found: Any) -> int:
        if end == "failed" and found.example == 4:
            raise ValueError("no row")
        return int(found.example)

    results = threads.work([job(n) for n in range(200)], wanted=lambda _: True, finish=finish)
    next(results)
    time.sleep(0.2)  # all workers wait
    if end == "closed":
        results.close()
    elif end == "failed":
        with pytest.raises(ValueError, match="no row"):
            list(results)
    else:
        with interruption.scope():
            interruption.request()
            with pytest.raises(interruption.Interrupted):
                list(results)
    assert not [one for one in threading.enumerate() if one not in before and one.name.startswith("ragvlc-")]


def test_a_model_is_closed_after_the_last_stage_that_uses_it(threads: Any) -> None:
    jobs = [*(job(n, 0, "a") for n in range(3)), *(job(n, 1, "b") for n in range(3)), *(job(n, 2, "a") for n in "xyz")]
    list(threads.work(jobs, wanted=lambda _: True, finish=lambda found: found))
    assert threads._pool.closed == [set(), {"b"}]


# --- questions of a block


def test_a_question_is_taken_once(tmp_path: Path) -> None:
    run = CellRun.__new__(CellRun)
    run._open, run.closed, run._failed, run._allowed = [SimpleNamespace(id=name) for name in "abcd"], False, set(), 1  # type: ignore[misc]

    def taken(ids: str) -> str:
        run.take(set(ids))
        return "".join(one.id for one in run.left)

    assert [taken("bd"), taken("abd"), taken(""), taken("abcd"), taken("abcd")] == ["bd", "a", "", "c", ""]


# --- the memo


def test_a_value_is_kept_without_its_future() -> None:
    once = Once()
    before = living(Future)["Future"]
    found = [once.get("s", str(n), lambda n=n: n) for n in range(500)]  # type: ignore[misc]
    assert living(Future)["Future"] - before < 5
    again = [once.get("s", str(n), lambda: -1) for n in range(500)]
    assert [one.value for one in again] == [one.value for one in found] == list(range(500))
    assert {one.reused for one in found} == {False}
    assert {one.reused for one in again} == {True}
    assert (once.asked["s"], once.computed["s"]) == (1000, 500)


def test_threads_that_wait_and_threads_that_come_later_get_the_same_value() -> None:
    once, begun, go = Once(), threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        go.wait(10)
        return "value"

    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(once.get, "s", "k", slow)
        assert begun.wait(10)
        waiting = threads.submit(once.get, "s", "k", lambda: "other")
        time.sleep(0.05)
        go.set()
        assert (first.result().value, first.result().reused) == ("value", False)
        assert (waiting.result().value, waiting.result().reused) == ("value", True)
    later = once.many("s", ["k", "new", "k"], lambda mine: [f"computed {place}" for place in mine])
    assert [(one.value, one.reused) for one in later] == [("value", True), ("computed 1", False), ("value", True)]
    assert once.many("s", ["twice", "twice"], lambda mine: ["one" for _ in mine])[1].value == "one"
