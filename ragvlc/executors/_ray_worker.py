"""A worker process of the Ray executor: it holds models and answers many questions concurrently."""

from __future__ import annotations

import logging
import os
import pickle
import socket
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Any, TypeVar

from ragvlc.core import interruption
from ragvlc.core.answer import Answer, Failure
from ragvlc.core.component import Component
from ragvlc.core.data import Document, Example
from ragvlc.core.jobs import Counts, Job, SetupResult
from ragvlc.executors._answering import JobRunner, MemoryMeter, counts_of
from ragvlc.pool import EnginePool
from ragvlc.trials import try_setups

__all__ = ["JobMessage", "JobReply", "SentCell", "Worker", "WorkerInfo", "WorkerSetup"]

log = logging.getLogger("ragvlc")
ValueT = TypeVar("ValueT")

_GROUPS_CACHED = 32
_MOST_WARNINGS = 20


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """The settings that a worker starts with.

    Attributes:
        environment: variables to set.
        path: folders to search for modules, after those of the worker itself.
        reuse: of its `EnginePool`.
    """

    environment: Mapping[str, str]
    path: tuple[str, ...]
    reuse: bool


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """The version, host and process of a worker that is ready."""

    version: str
    host: str
    process: int


@dataclass(frozen=True, slots=True)
class SentCell:
    """The data shared by all jobs of a cell, sent once to each worker. `environment` holds API keys."""

    pipeline: Component
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class JobMessage:
    """A job as sent to a worker; data shared by several jobs is referenced in Ray's object store.

    Attributes:
        number: of its call of `work`.
        key: of the cell.
        cell: reference to a pickled `SentCell`.
        group: name of the documents.
        documents: reference to the documents.
        example: the question without its documents.
    """

    number: int
    key: str
    cell: Any
    group: str
    documents: Any
    example: Example
    seed: int
    cold: bool


@dataclass(frozen=True, slots=True)
class JobReply:
    """The reply to a job.

    Attributes:
        counts: of all the worker's work so far.
        serial: number of the reply, which tells the latest counts.
        warnings: level and text of warnings since the last reply.
        load_error: why this worker cannot run any job of the cell; empty if it can.
    """

    answer: Answer | None
    failure: Failure | None
    counts: Counts
    serial: int
    warnings: tuple[tuple[int, str], ...] = ()
    load_error: str = ""


class Worker:
    """Answers jobs in a worker process; models are loaded on first use. Ray calls `answer` from several threads."""

    def __init__(self, setup: WorkerSetup) -> None:
        os.environ.update(setup.environment)
        sys.path += [folder for folder in setup.path if folder not in sys.path]
        self._pool = EnginePool(reuse=setup.reuse)
        self._meter = MemoryMeter().__enter__()
        self._runner = JobRunner(self._pool, self._meter)
        self._warnings = _WarningBuffer()
        log.addHandler(self._warnings)
        self._cells: OrderedDict[str, SentCell] = OrderedDict()
        self._documents: OrderedDict[str, tuple[Document, ...]] = OrderedDict()
        self._loading = threading.Lock()
        self._counting = threading.Lock()
        self._serial = 0
        self._cancelled = 0

    def info(self) -> WorkerInfo:
        """Returns the version, host and process of this worker."""
        return WorkerInfo(metadata.version("ragvlc"), socket.gethostname(), os.getpid())

    def answer(self, message: JobMessage) -> JobReply | None:
        """Returns the reply to a job, or None if its call of `work` was cancelled or interrupted."""
        if message.number <= self._cancelled:
            return None
        try:
            cell = self._cached(self._cells, message.key, lambda: self._cell(message), 0)
        except (ImportError, AttributeError) as error:
            text = f"{socket.gethostname()} cannot load the pipeline of this cell: {type(error).__name__}: {error}."
            return self._reply(load_error=text)
        documents = self._cached(self._documents, message.group, lambda: _fetched(message.documents), _GROUPS_CACHED)
        example = replace(message.example, documents=documents)
        try:
            done = self._runner.run(Job(message.key, cell.pipeline, example, message.seed, message.cold))
        except interruption.Interrupted:
            return None
        return self._reply(done.answer, done.failure)

    def try_setups(self, packed: bytes, environment: Mapping[str, str], wait_seconds: float) -> list[SetupResult]:
        """Tries the pickled models."""
        os.environ.update(environment)
        return try_setups(self._pool, pickle.loads(packed), wait_seconds)  # noqa: S301 - see `_cell`

    def cancel(self, number: int) -> None:
        """Skips the jobs of this and earlier calls of `work` that have not started."""
        self._cancelled = max(self._cancelled, number)

    def interrupt(self) -> None:
        """Ends all running jobs, which then have no result: waits for servers at once, models after their next step."""
        interruption.request()

    def release(self, only: Container[str]) -> None:
        """Closes the models of the components with these keys."""
        self._pool.close(only)

    def close(self) -> None:
        """Closes every model."""
        self._pool.close()

    def _reply(self, answer: Answer | None = None, failure: Failure | None = None, load_error: str = "") -> JobReply:
        with self._counting:
            self._serial += 1
            return JobReply(answer, failure, counts_of(self._pool), self._serial, self._warnings.taken(), load_error)

    def _cell(self, message: JobMessage) -> SentCell:
        cell: SentCell = pickle.loads(_fetched(message.cell))  # noqa: S301 - the sender may run any code here anyway
        os.environ.update(cell.environment)
        return cell

    def _cached(self, cached: OrderedDict[str, ValueT], key: str, load: Callable[[], ValueT], most: int) -> ValueT:
        with self._loading:
            if key not in cached:
                cached[key] = load()
            cached.move_to_end(key)
            while most and len(cached) > most:
                cached.popitem(last=False)
            return cached[key]


def _fetched(reference: Any) -> Any:  # noqa: ANN401 - whatever was put
    import ray

    return ray.get(reference)


class _WarningBuffer(logging.Handler):
    """Buffers warnings for the next reply; warnings beyond a limit appear only in the worker's own log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._buffer: list[tuple[int, str]] = []
        self._count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Buffers a warning; called with the handler's lock held."""
        self._count += 1
        if self._count <= _MOST_WARNINGS:
            self._buffer.append((record.levelno, record.getMessage()))
        elif self._count == _MOST_WARNINGS + 1:
            self._buffer.append((logging.WARNING, "further warnings of this worker are in its log only"))

    def taken(self) -> tuple[tuple[int, str], ...]:
        """Returns the warnings buffered since the last call."""
        with self.lock or threading.Lock():
            taken, self._buffer = self._buffer, []
        return tuple(taken)
