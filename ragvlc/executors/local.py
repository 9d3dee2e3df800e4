"""Threads of this process over models held once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from queue import SimpleQueue
from typing import NoReturn, TypeVar, cast

from ragvlc.core.families import Executor
from ragvlc.core.run import Engines
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
        waiting, finished, stop = deque(jobs), SimpleQueue[Callable[[], ResultT] | None](), threading.Event()

        def take_turns() -> None:
            while not stop.is_set():
                try:
                    job = waiting.popleft()
                except IndexError:
                    break
                if not wanted(job):
                    continue
                try:
                    result = finish(self._desk.answer(job))
                except BaseException as error:  # noqa: BLE001 - raised again by whoever reads the results
                    finished.put(partial(_raise, error))
                    break
                finished.put(partial(_same, result))
            finished.put(None)

        workers = [threading.Thread(target=take_turns, name=f"ragvlc-{n}") for n in range(min(threads, len(jobs)))]
        for worker in workers:
            worker.start()
        left = len(workers)
        try:
            while left:
                result = finished.get()
                if result is None:
                    left -= 1
                else:
                    yield result()
        finally:
            stop.set()
            for worker in workers:
                worker.join()

    def counts(self) -> Counts:
        """Returns what was asked of the pool."""
        return counts_of(self._pool)


def _same(result: ResultT) -> ResultT:
    return result


def _raise(error: BaseException) -> NoReturn:
    raise error
