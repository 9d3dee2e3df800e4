"""Workers on a real Ray cluster of this machine: the same answers, whatever is lost on the way."""

from __future__ import annotations

import sys
import threading
import types
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ray_things import Noting, always, jobs_of, notes, pipeline_of, until

from ragvlc.core.errors import EngineError, MissingExtra
from ragvlc.core.jobs import Done, Job
from ragvlc.executors.ray import Ray
from ragvlc.pipeline import Pipeline
from ragvlc.pool import EnginePool
from ragvlc.testing import check

Opens = Callable[..., Any]


def answered_once(done: list[Done], jobs: list[Job]) -> bool:
    return sorted(one.job.example.id for one in done) == sorted(job.example.id for job in jobs)


def test_one_group_is_shared_by_all_workers_and_counted(opened: Opens, tmp_path: Path) -> None:
    jobs = jobs_of(pipeline_of(tmp_path, seconds=0.05, together=2), 30)
    with opened() as workers:
        done = list(workers.work(jobs, wanted=always, finish=lambda one: one))
        counts = workers.counts()
    assert answered_once(done, jobs)
    by_process = Counter(one.answer.text for one in done)
    assert len(by_process) == 2
    assert min(by_process.values()) >= 10
    assert (counts.asked["generate"], counts.computed["generate"]) == (30, 30)
    assert all(one.answer.memory["process"] > 0 for one in done)
    assert [one.job for one in done if one.job not in jobs] == []


def test_questions_over_the_same_documents_go_to_one_worker(opened: Opens, tmp_path: Path) -> None:
    jobs = jobs_of(pipeline_of(tmp_path, seconds=0.05, together=2), 32, documents=8)
    with opened(concurrency=2) as workers:
        done = list(workers.work(jobs, wanted=always, finish=lambda one: one))
    places = {one.job.group: set() for one in done}
    for one in done:
        places[one.job.group].add(one.answer.text)
    assert sum(len(processes) == 1 for processes in places.values()) >= 6  # the last ones may be divided


def test_a_killed_worker_costs_nothing_but_time(
    opened: Opens, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = jobs_of(pipeline_of(tmp_path, seconds=0.02, kills=r"thing 9\?"), 40, documents=2)
    with opened() as workers:
        done = list(workers.work(jobs, wanted=always, finish=lambda one: one))
        assert workers.counts().asked["generate"] >= 40 - 2 * 5  # of the dead one as far as it told
    assert (tmp_path / "killed").exists()
    assert answered_once(done, jobs)
    assert [one.failure for one in done if one.failure] == []
    assert sum("was lost" in record.message for record in caplog.records) == 1


def test_a_question_that_kills_every_worker_fails_alone(opened: Opens, tmp_path: Path) -> None:
    jobs = jobs_of(pipeline_of(tmp_path, kills=r"thing (4|7)\?", once=False), 12)
    with opened(retries=2, concurrency=3) as workers:
        done = list(workers.work(jobs, wanted=always, finish=lambda one: one))
    assert answered_once(done, jobs)
    failed = {one.job.example.id: one.failure for one in done if one.failure}
    assert sorted(failed) == ["q4", "q7"]
    assert {(failure.type, failure.transient) for failure in failed.values()} == {("WorkerLost", True)}
    assert "lost 3 times" in failed["q4"].message


def test_workers_that_never_answer_end_the_work(opened: Opens, tmp_path: Path) -> None:
    jobs = jobs_of(pipeline_of(tmp_path, kills="thing", once=False), 60)
    done: list[Done] = []
    with opened(retries=1, concurrency=2, workers=1) as workers, pytest.raises(EngineError, match="was lost"):
        list(workers.work(jobs, wanted=always, finish=done.append))
    assert len(done) < 10


def test_cold_questions_go_one_at_a_time_in_one_worker(opened: Opens, tmp_path: Path) -> None:
    jobs = jobs_of(pipeline_of(tmp_path, seconds=0.02), 6, documents=3, cold=True)
    with opened() as workers:
        done = list(workers.work(jobs, wanted=always, finish=lambda one: one))
    assert answered_once(done, jobs)
    assert len({one.answer.text for one in done}) == 1
    words = [word for word, *_ in notes(tmp_path) if word in ("begin", "end")]
    assert words == ["begin", "end"] * 7  # one more to warm up


def test_stages_follow_each_other_and_close_what_is_not_needed(opened: Opens, tmp_path: Path) -> None:
    stages = [
        jobs_of(pipeline_of(tmp_path, name=name, together=2 + 2 * stage), 16, cell=name, stage=stage)
        for stage, name in enumerate(["first", "second"])
    ]
    with opened() as workers:
        done = list(workers.work([*stages[0], *stages[1]], wanted=always, finish=lambda one: one))
        closed = [name for word, name, *_ in notes(tmp_path) if word == "close"]
        assert closed == ["first", "first"]
    assert len(done) == 32
    noted = notes(tmp_path)
    assert max(when for word, name, _, when in noted if name == "first") < min(
        when for word, name, _, when in noted if (word, name) == ("begin", "second")
    )
    assert sum(word == "close" and name == "second" for word, name, *_ in noted) == 2


def test_what_is_not_wanted_is_not_done(opened: Opens, tmp_path: Path) -> None:
    jobs = jobs_of(pipeline_of(tmp_path), 20)
    done: list[Done] = []
    with opened(workers=1, concurrency=1) as workers:
        list(workers.work(jobs, wanted=lambda job: len(done) < 3, finish=done.append))
    assert 3 <= len(done) <= 8
    assert sum(word == "begin" for word, *_ in notes(tmp_path)) == len(done)


def test_closing_finishes_what_is_in_work_and_no_more(opened: Opens, tmp_path: Path) -> None:
    jobs = jobs_of(pipeline_of(tmp_path, seconds=0.3), 40)
    done: list[Done] = []
    with opened(concurrency=2) as workers:
        work = workers.work(jobs, wanted=always, finish=done.append)
        next(work)
        work.close()
        begun = sum(word == "begin" for word, *_ in notes(tmp_path))
        assert begun == len(done) < 12
        again = list(workers.work(jobs[:4], wanted=always, finish=lambda one: one))
    assert answered_once(again, jobs[:4])


def test_an_error_of_finish_comes_out_when_work_has_ended(opened: Opens, tmp_path: Path) -> None:
    jobs = jobs_of(pipeline_of(tmp_path, seconds=0.05), 40)
    finished: list[str] = []
    lock = threading.Lock()

    def finish(done: Done) -> None:
        with lock:
            finished.append(done.job.example.id)
            if len(finished) == 3:
                raise OSError("disk full")

    with opened(concurrency=2) as workers, pytest.raises(OSError, match="disk full"):
        list(workers.work(jobs, wanted=always, finish=finish))
    begun = sum(word == "begin" for word, *_ in notes(tmp_path))
    assert begun == len(finished) < 20


def test_no_place_is_one_clear_error(opened: Opens, tmp_path: Path) -> None:
    jobs = jobs_of(pipeline_of(tmp_path), 2)
    problem = r"within 1 seconds\. Each needs 2 GPUs and 0\.1 CPUs on one node; .* has 0 GPUs and 4 CPUs"
    with opened(gpus=2, wait_seconds=1) as workers, pytest.raises(EngineError, match=problem):
        list(workers.work(jobs, wanted=always, finish=lambda one: one))


def test_work_begins_with_the_workers_that_have_started(
    opened: Opens, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = jobs_of(pipeline_of(tmp_path), 4)
    with opened(workers=2, cpus=3) as workers:
        done = list(workers.work(jobs, wanted=always, finish=lambda one: one))
        workers._workers._needs = replace(workers._workers._needs, wait_seconds=1e-6)
        done += list(workers.work(jobs, wanted=always, finish=lambda one: one))
    assert answered_once(done, [*jobs, *jobs])
    assert "1 of 2 workers have started" in caplog.text


def test_a_kind_that_workers_cannot_import(opened: Opens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("only_in_this_process")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    module.Here = type("Here", (Noting,), {"__module__": module.__name__, "__annotations__": {}})  # type: ignore[attr-defined]
    main = module.Here(folder=str(tmp_path))
    pipeline = Pipeline.model_validate({"generators": {"main": main}, "routes": {"full": "full_context"}})
    with opened() as workers, pytest.raises(EngineError, match=r"only_in_this_process.*PYTHONPATH"):
        list(workers.work(jobs_of(pipeline, 2), wanted=always, finish=lambda one: one))


def test_modules_and_variables_reach_workers(
    opened: Opens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    code = "from ray_things import Noting\nclass Outside(Noting): pass\n"
    (tmp_path / "ragvlc_outside_kind.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("KEY_OF_A_SERVER", "key-1")
    fields = {"kind": "ragvlc_outside_kind:Outside", "warns": True, "secret_env": "KEY_OF_A_SERVER"}
    jobs = jobs_of(pipeline_of(tmp_path, **fields), 2)
    with opened(workers=1) as workers:
        done = list(workers.work(jobs, wanted=always, finish=lambda one: one))
    assert {one.answer.text.split()[1] for one in done} == {"key-1"}
    assert "a worker is worried (worker " in caplog.text
    assert list((tmp_path / "store" / "answers").rglob("*.json"))  # the store of this process, not the user's


def test_a_pipeline_that_was_used_here_travels(opened: Opens, tmp_path: Path) -> None:
    pipeline = pipeline_of(tmp_path)
    job = jobs_of(pipeline, 1)[0]
    with pipeline:
        pipeline.answer(job.example.query, job.example.documents)  # opens models and notes keys by addresses
        with opened(workers=1) as workers:
            done = list(workers.work([job], wanted=always, finish=lambda one: one))
        assert done[0].answer is not None
        assert pipeline._pool is not None


def test_nothing_to_do_starts_nothing(tmp_path: Path) -> None:
    spec = Ray(address="127.0.0.1:1")
    with EnginePool() as pool, spec.open(pool, concurrency=2) as workers:
        assert list(workers.work([], wanted=always, finish=lambda one: one)) == []
        assert workers.counts().asked == {}


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with EnginePool() as pool, pytest.raises(MissingExtra, match=r"ragvlc\[ray\]"), Ray().open(pool, concurrency=1):
        pass


def test_workers_are_gone_afterwards(opened: Opens, tmp_path: Path) -> None:
    import psutil

    jobs = jobs_of(pipeline_of(tmp_path), 4)
    with opened() as workers:
        done = list(workers.work(jobs, wanted=always, finish=lambda one: one))
    processes = {int(one.answer.text) for one in done}
    assert until(lambda: not any(psutil.pid_exists(process) for process in processes))


@pytest.mark.usefixtures("cluster")
def test_it_keeps_the_contract_of_executors() -> None:
    check("ray", workers=2, cpus=0.1)
