"""A worker of the Ray executor: one process that holds models and answers many questions at once."""

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

from ragvlc.core.answer import Answer, Failure
from ragvlc.core.component import Component
from ragvlc.core.data import Document, Example
from ragvlc.core.work import Counts, Job
from ragvlc.executors._answering import Desk, MemoryMeter, counts_of
from ragvlc.pool import EnginePool

__all__ = ["Cell", "Greeting", "Order", "Reply", "Setup", "Worker"]

log = logging.getLogger("ragvlc")
ValueT = TypeVar("ValueT")

_GROUPS_HELD = 32
_REMARKS = 20


@dataclass(frozen=True, slots=True)
class Setup:
    """What a worker starts with.

    Attributes:
        environment: variables to set.
        path: folders in which modules are looked for, after those of the worker itself.
        reuse: that of its `EnginePool`.
    """

    environment: Mapping[str, str]
    path: tuple[str, ...]
    reuse: bool


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a worker says of itself once it stands."""

    version: str
    host: str
    process: int


@dataclass(frozen=True, slots=True)
class Cell:
    """What all jobs of a cell share; travels once to each worker. Attributes: `environment` holds keys of servers."""

    pipeline: Component
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Order:
    """A job on its way: what many jobs share stands by reference into Ray's object store.

    Attributes:
        number: of the call of `work` that it belongs to.
        key: of the cell.
        cell: reference to a pickled `Cell`.
        group: names the documents.
        documents: reference to them.
        example: the question without them.
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
class Reply:
    """What came of an order.

    Attributes:
        counts: of all that the worker has done so far.
        serial: counts replies, for the latest tells the counts.
        remarks: level and text of warnings since the last reply.
        trouble: why no job of this cell can be done here, or empty.
    """

    answer: Answer | None
    failure: Failure | None
    counts: Counts
    serial: int
    remarks: tuple[tuple[int, str], ...] = ()
    trouble: str = ""


class Worker:
    """Opens models on first use and keeps them; Ray calls `answer` from several threads."""

    def __init__(self, setup: Setup) -> None:
        os.environ.update(setup.environment)
        sys.path += [folder for folder in setup.path if folder not in sys.path]
        self._pool = EnginePool(reuse=setup.reuse)
        self._meter = MemoryMeter().__enter__()
        self._desk = Desk(self._pool, self._meter)
        self._remarks = _Remarks()
        log.addHandler(self._remarks)
        self._cells: OrderedDict[str, Cell] = OrderedDict()
        self._documents: OrderedDict[str, tuple[Document, ...]] = OrderedDict()
        self._loading = threading.Lock()
        self._counting = threading.Lock()
        self._serial = 0
        self._over = 0

    def greet(self) -> Greeting:
        """Returns who this is."""
        return Greeting(metadata.version("ragvlc"), socket.gethostname(), os.getpid())

    def answer(self, order: Order) -> Reply | None:
        """Returns what came of a job, or None if its turn came too late."""
        if order.number <= self._over:
            return None
        try:
            cell = self._held(self._cells, order.key, lambda: self._cell(order), 0)
        except (ImportError, AttributeError) as error:
            text = f"{socket.gethostname()} cannot load the pipeline of this cell: {type(error).__name__}: {error}."
            return self._reply(trouble=text)
        documents = self._held(self._documents, order.group, lambda: _fetched(order.documents), _GROUPS_HELD)
        example = replace(order.example, documents=documents)
        done = self._desk.answer(Job(order.key, cell.pipeline, example, order.seed, order.cold))
        return self._reply(done.answer, done.failure)

    def end(self, number: int) -> None:
        """Leaves out jobs of this call of `work` and earlier ones that have not begun."""
        self._over = max(self._over, number)

    def release(self, only: Container[str]) -> None:
        """Closes the models of the parts with these keys."""
        self._pool.close(only)

    def close(self) -> None:
        """Closes every model."""
        self._pool.close()

    def _reply(self, answer: Answer | None = None, failure: Failure | None = None, trouble: str = "") -> Reply:
        with self._counting:
            self._serial += 1
            return Reply(answer, failure, counts_of(self._pool), self._serial, self._remarks.taken(), trouble)

    def _cell(self, order: Order) -> Cell:
        cell: Cell = pickle.loads(_fetched(order.cell))  # noqa: S301 - whoever may send this may run anything here
        os.environ.update(cell.environment)
        return cell

    def _held(self, held: OrderedDict[str, ValueT], key: str, load: Callable[[], ValueT], most: int) -> ValueT:
        with self._loading:
            if key not in held:
                held[key] = load()
            held.move_to_end(key)
            while most and len(held) > most:
                held.popitem(last=False)
            return held[key]


def _fetched(reference: Any) -> Any:  # noqa: ANN401 - whatever was put
    import ray

    return ray.get(reference)


class _Remarks(logging.Handler):
    """Keeps warnings until the next reply takes them along; beyond a number they stay in the worker's own log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._kept: list[tuple[int, str]] = []
        self._told = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a warning; called with the handler's lock held."""
        self._told += 1
        if self._told <= _REMARKS:
            self._kept.append((record.levelno, record.getMessage()))
        elif self._told == _REMARKS + 1:
            self._kept.append((logging.WARNING, "further warnings of this worker stand in its log only"))

    def taken(self) -> tuple[tuple[int, str], ...]:
        """Returns what was kept since the last time."""
        with self.lock or threading.Lock():
            kept, self._kept = self._kept, []
        return tuple(kept)
