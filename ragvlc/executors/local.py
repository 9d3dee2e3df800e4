"""Threads of this process that share the loaded models."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from queue import SimpleQueue
from typing import NoReturn, TypeVar, cast

from ragvlc.core import interruption
from ragvlc.core.families import Executor
from ragvlc.core.jobs import Counts, Done, Job, Setup, SetupResult
from ragvlc.core.run import Engines
from ragvlc.executors._answering import JobRunner, MemoryMeter, counts_of, done_with
from ragvlc.pool import EnginePool
from ragvlc.trials import try_setups

ResultT = TypeVar("ResultT")


class Local(Executor):
    """Answers many questions concurrently, so that engines can batch; with `latency: cold`, answers one at a time."""

    @contextmanager
    def open(self, engines: Engines, *, concurrency: int) -> Iterator[_Threads]:
        """Opens the worker threads and the memory meter."""
        pool = cast("EnginePool", engines)
        with MemoryMeter() as meter:
            yield _Threads(pool, meter, concurrency)


class _Threads:
    def __init__(self, pool: EnginePool, meter: MemoryMeter, concurrency: int) -> None:
        self._pool = pool
        self._runner = JobRunner(pool, meter)
        self._concurrency = concurrency

    def work(
        self, jobs: Sequence[Job], *, wanted: Callable[[Job], bool], finish: Callable[[Done], ResultT]
    ) -> Generator[ResultT]:
        """Runs the jobs and yields `finish`'s result for each; `finish` is called in the thread that ran the job."""
        done = 0
        for _, group in groupby(jobs, key=lambda job: job.stage):
            stage = list(group)
            done += len(stage)
            yield from self._run_stage(stage, wanted, finish, 1 if stage[0].cold else self._concurrency)
            if done < len(jobs):
                self._pool.close(done_with(stage, jobs[done:]))

    def _run_stage(
        self, jobs: Sequence[Job], wanted: Callable[[Job], bool], finish: Callable[[Done], ResultT], threads: int
    ) -> Generator[ResultT]:
        waiting, finished, stop = deque(jobs), SimpleQueue[Callable[[], ResultT] | None](), threading.Event()

        def run_jobs() -> None:
            while not (stop.is_set() or interruption.requested()):
                try:
                    job = waiting.popleft()
                except IndexError:
                    break
                if not wanted(job):
                    continue
                try:
                    result = finish(self._runner.run(job))
                except BaseException as error:  # noqa: BLE001 - raised again where the results are read
                    finished.put(partial(_raise, error))
                    break
                finished.put(partial(_same, result))
            finished.put(None)

        left, workers = min(threads, len(jobs)), list[threading.Thread]()
        with interruption.scope():
            try:
                with interruption.scope():  # Ctrl-C reaches the workers before they are waited for
                    for number in range(left):
                        worker = threading.Thread(target=run_jobs, name=f"ragvlc-{number}")
                        worker.start()  # RuntimeError where the system has no more threads
                        workers.append(worker)
                    while left:
                        result = finished.get()
                        if result is None:
                            left -= 1
                        else:
                            yield result()
                    interruption.check()
            finally:
                stop.set()
                for worker in workers:
                    worker.join()

    def try_setups(self, jobs: Sequence[Job], setups: Sequence[Setup], wait_seconds: float) -> list[SetupResult]:  # noqa: ARG002
        """Tries models in this process."""
        return try_setups(self._pool, setups, wait_seconds)

    def counts(self) -> Counts:
        """Returns the counts of requests, computations and cache hits."""
        return counts_of(self._pool)


def _same(result: ResultT) -> ResultT:
    return result


def _raise(error: BaseException) -> NoReturn:
    raise error
