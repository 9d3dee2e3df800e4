"""Threads of this process over models held once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import groupby
from typing import TypeVar, cast

from ragvlc.core.engines import Engines
from ragvlc.core.families import Executor
from ragvlc.core.work import Counts, Done, Job
from ragvlc.executors._answering import Desk, MemoryMeter, counts_of, done_with
from ragvlc.pool import EnginePool

ResultT = TypeVar("ResultT")


class Local(Executor):
    """Works on many questions at once, so that engines have something to gather; cold ones go one at a time."""

    @contextmanager
    def open(self, engines: Engines, *, concurrency: int) -> Iterator[_Threads]:
        """Opens the workers; there is nothing to close but the watch on memory."""
        pool = cast("EnginePool", engines)
        with MemoryMeter() as meter:
            yield _Threads(pool, meter, concurrency)


class _Threads:
    def __init__(self, pool: EnginePool, meter: MemoryMeter, concurrency: int) -> None:
        self._pool = pool
        self._desk = Desk(pool, meter)
        self._concurrency = concurrency

    def work(
        self, jobs: Sequence[Job], *, wanted: Callable[[Job], bool], finish: Callable[[Done], ResultT]
    ) -> Iterator[ResultT]:
        """Yields what `finish`, called in the thread that did the job, makes of each."""
        done = 0
        for _, group in groupby(jobs, key=lambda job: job.stage):
            stage = list(group)
            done += len(stage)
            yield from self._together(stage, wanted, finish, 1 if stage[0].cold else self._concurrency)
            if done < len(jobs):
                self._pool.close(done_with(stage, jobs[done:]))

    def _together(
        self, jobs: Sequence[Job], wanted: Callable[[Job], bool], finish: Callable[[Done], ResultT], threads: int
    ) -> Iterator[ResultT]:
        stop = threading.Event()

        def do(job: Job) -> list[ResultT]:
            return [] if stop.is_set() or not wanted(job) else [finish(self._desk.answer(job))]

        with ThreadPoolExecutor(threads, thread_name_prefix="ragvlc") as executor:
            futures = [executor.submit(do, job) for job in jobs]
            try:
                for future in as_completed(futures):
                    yield from future.result()
            finally:
                stop.set()
                executor.shutdown(wait=True, cancel_futures=True)

    def counts(self) -> Counts:
        """Returns what was asked of the pool."""
        return counts_of(self._pool)
