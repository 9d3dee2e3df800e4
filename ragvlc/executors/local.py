"""Threads of this process that share the loaded models."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from typing import NoReturn, TypeVar, cast

from ragvlc.core import interruption
from ragvlc.core.families import Executor
from ragvlc.core.jobs import Counts, Done, Job, Setup, SetupResult
from ragvlc.core.run import Engines
from ragvlc.executors._answering import JobRunner, MemoryMeter, counts_of, stages
from ragvlc.pool import EnginePool
from ragvlc.trials import try_setups

ResultT = TypeVar("ResultT")

_UNREAD = 1000
"""Results that may wait: while a cell is summed up and tracked, models go on for so many questions."""


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
        for stage, unused in stages(jobs):
            yield from self._run_stage(jobs[stage], wanted, finish, 1 if jobs[stage.start].cold else self._concurrency)
            if stage.stop < len(jobs):
                self._pool.close(unused)

    def _run_stage(
        self, jobs: Sequence[Job], wanted: Callable[[Job], bool], finish: Callable[[Done], ResultT], threads: int
    ) -> Generator[ResultT]:
        """Runs the jobs of a stage. Jobs are made one by one, and at most `_UNREAD` results wait to be read."""
        finished, stop = SimpleQueue[Callable[[], ResultT] | None](), threading.Event()
        places, free = iter(range(len(jobs))), threading.Semaphore(_UNREAD)  # one step of the iterator is atomic

        def run_jobs() -> None:
            while free.acquire() and not (stop.is_set() or interruption.requested()):
                place = next(places, None)
                if place is None:
                    break
                job = jobs[place]
                if not wanted(job):
                    free.release()
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
                        free.release()
                        if result is None:
                            left -= 1
                        else:
                            yield result()
                    interruption.check()
            finally:
                stop.set()
                free.release(max(1, len(workers)))
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
