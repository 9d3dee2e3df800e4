"""Runs a job in the process that holds the models and measures its peak memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from typing import Self, cast

from ragvlc.core import interruption
from ragvlc.core.answer import Failure
from ragvlc.core.errors import EngineError
from ragvlc.core.jobs import Counts, Done, Job
from ragvlc.pipeline import Pipeline
from ragvlc.pool import EnginePool
from ragvlc.resources import Processes, Sampler, device_memory

__all__ = ["JobRunner", "MemoryMeter", "counts_of", "stages"]

_SECONDS = 0.25


class MemoryMeter:
    """Samples the memory of this process and its devices, and records the peak for each running job.

    `process` is the memory of this process and its child processes in bytes; `device` the memory in use on its visible
    GPUs, by any process.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._peaks: dict[int, dict[str, int]] = {}
        self._processes = Processes()
        self._now: dict[str, int] = {}
        self._sampler: Sampler | None = None

    def __enter__(self) -> Self:
        self._sample()
        self._sampler = Sampler(self._sample, _SECONDS)
        return self

    def __exit__(self, *error: object) -> None:
        if self._sampler is not None:
            self._sampler.close()

    @contextmanager
    def peak(self) -> Iterator[dict[str, int]]:
        """Yields a mapping that holds the peak memory during the `with` block, in bytes."""
        seen: dict[str, int] = {}
        with self._lock:
            self._peaks[id(seen)] = seen
        try:
            yield seen
        finally:
            with self._lock:
                del self._peaks[id(seen)]
            _raise(seen, self._now)  # the job may end before the next sample

    def _sample(self) -> None:
        devices = device_memory()
        used = {"device": sum(device.used for device in devices)} if devices else {}
        self._now = {"process": self._processes.memory(), **used}
        with self._lock:
            for seen in self._peaks.values():
                _raise(seen, self._now)


def _raise(seen: dict[str, int], now: dict[str, int]) -> None:
    for place, size in now.items():
        seen[place] = max(size, seen.get(place, 0))


class JobRunner:
    """Runs jobs with the models of a pool.

    Args:
        pool: opened models and shared computations.
        meter: of memory, entered.
    """

    def __init__(self, pool: EnginePool, meter: MemoryMeter) -> None:
        self._pool = pool
        self._meter = meter
        self._warmed: set[str] = set()

    def run(self, job: Job) -> Done:
        """Returns the result of a job; an exception becomes a failure. Raises `Interrupted` after an interruption."""
        pipeline = cast("Pipeline", job.pipeline)
        try:
            if job.cold and job.cell not in self._warmed:
                self._warmed.add(job.cell)  # start-up costs are not charged to any question
                pipeline.answer_example(job.example, seed=job.seed, pool=self._pool, cold=True)
            with self._meter.peak() as memory:
                answer = pipeline.answer_example(job.example, seed=job.seed, pool=self._pool, cold=job.cold)
        except Exception as error:  # noqa: BLE001 - a failed example is a row
            interruption.check()  # what fails because it was interrupted has no result
            stage = "generate" if isinstance(error, EngineError) else "route"
            return Done(job, failure=Failure.of(stage, error))
        return Done(job, answer=replace(answer, memory=memory))


def counts_of(pool: EnginePool) -> Counts:
    """Returns the counts of requests, computations and cache hits of a pool."""
    return Counts(dict(pool.once.asked), dict(pool.once.computed), dict(pool.once.stored))


def stages(jobs: Sequence[Job]) -> Iterator[tuple[slice, set[str]]]:
    """Yields the places of each stage's jobs, and the keys of generators that no later stage uses: they can be closed.

    Each job is looked at once, and none is held.
    """
    found: list[slice] = []
    used: list[set[str]] = []
    start = 0
    for _, group in groupby(jobs, key=lambda job: job.stage):
        pipelines: dict[str, Pipeline] = {}
        size = 0
        for job in group:
            size += 1
            pipelines.setdefault(job.cell, cast("Pipeline", job.pipeline))
        found.append(slice(start, start + size))
        used.append({model.key for pipeline in pipelines.values() for model in pipeline.generators.values()})
        start += size
    later: set[str] = set()
    unused = []
    for own in reversed(used):
        unused.append(own - later)
        later |= own
    yield from zip(found, reversed(unused), strict=True)
