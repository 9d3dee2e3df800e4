"""Concurrency limit: the largest number of calls at a time, over all threads that share an engine.

Calls run in threads that nobody waits for at the end: a call that hangs can be given up, when its deadline has passed
or the program is interrupted, whatever the client library does meanwhile.
"""

from __future__ import annotations

import math
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from ragvlc.core import interruption
from ragvlc.core.errors import EngineError

__all__ = ["CallGroup", "Cancelled", "ConcurrencyLimit", "DeadlineExceeded"]

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class Cancelled(Exception):
    """Raised inside a call whose result is not needed any more."""


class DeadlineExceeded(EngineError):
    """A call that was given up because it took longer than its deadline."""


class CallGroup:
    """Calls that were queued together: as soon as one fails, the others are cancelled.

    Attributes:
        queued_at: when they were queued, on the clock of `time.perf_counter`.
        cancelled: set when one of them has failed.
    """

    def __init__(self) -> None:
        self.queued_at = time.perf_counter()
        self.cancelled = threading.Event()
        self._responses: list[Any] = []

    def check(self) -> None:
        """Raises `Cancelled` if the results are not needed any more."""
        if self.cancelled.is_set():
            raise Cancelled

    @contextmanager
    def reading(self, response: Any) -> Iterator[None]:  # noqa: ANN401 - an httpx.Response
        """Opens a scope in which `cancel` ends the reading of an HTTP response, at once and in the middle of a wait."""
        self._responses.append(response)
        try:
            self.check()
            yield
        finally:
            self._responses.remove(response)

    def cancel(self) -> None:
        """Cancels the calls, and ends the reading of their responses."""
        self.cancelled.set()
        for response in list(self._responses):
            _end_reading(response)


def _end_reading(response: Any) -> None:  # noqa: ANN401 - an httpx.Response
    """Shuts a response's connection, which wakes the thread that waits for its data; closing it would not."""
    stream = response.extensions.get("network_stream")
    connection = stream.get_extra_info("socket") if stream is not None else None
    if connection is not None:
        with suppress(OSError):  # it was shut already
            connection.shutdown(socket.SHUT_RDWR)


@dataclass(eq=False, slots=True)
class _Call(Generic[ResultT]):
    work: Callable[[], ResultT]
    future: Future[ResultT] = field(default_factory=Future)
    started: float = math.inf


class ConcurrencyLimit:
    """Threads that run calls in the order in which they were queued.

    Args:
        limit: the largest number of calls at a time.
        model_name: for errors.
        deadline_seconds: the longest time of a call, with all its attempts and the waits between them.
    """

    def __init__(self, limit: int, model_name: str, deadline_seconds: float = math.inf) -> None:
        self._most = limit
        self._model_name = model_name
        self._deadline = deadline_seconds
        self._changed = threading.Condition()
        self._queue: deque[_Call[Any]] = deque()
        self._running: set[_Call[Any]] = set()
        self._closed = False

    def run(self, work: Callable[[ItemT, CallGroup], ResultT], items: Sequence[ItemT]) -> list[ResultT]:
        """Returns the result of `work` for each item, in order.

        As soon as one fails, its error is raised, the others are cancelled and those that wait are never started: their
        results could not be returned. Raises a transient `DeadlineExceeded` for a call that takes too long, and
        `Interrupted` as soon as the program is asked to end; neither waits for the call itself.
        """
        group = CallGroup()
        calls: list[_Call[ResultT]] = [_Call(partial(work, item, group)) for item in items]
        self._submit(calls)
        try:
            self._await(calls)
            # In the order of the items, so that the error does not depend on which thread was faster.
            for call in calls:
                if call.future.done() and (error := call.future.exception()) is not None:
                    raise error
            return [call.future.result() for call in calls]
        except KeyboardInterrupt:
            self._release(calls)
            raise
        finally:
            group.cancel()
            self._withdraw(calls)

    def close(self) -> None:
        """Waits for running calls, unless the program is interrupted, and refuses queued and later ones."""
        with self._changed:
            self._closed = True
            for call in self._queue:
                call.future.set_exception(self._is_closed())
            self._queue.clear()
            while self._running and not interruption.requested():
                self._changed.wait(interruption.POLL_SECONDS)

    def _submit(self, calls: Iterable[_Call[Any]]) -> None:
        with self._changed:
            if self._closed:
                raise self._is_closed()
            self._queue += calls
            self._start_queued()

    def _start_queued(self) -> None:
        """Starts as many queued calls as the limit allows; called with the lock held."""
        while self._queue and len(self._running) < self._most:
            call = self._taken()
            threading.Thread(target=self._work, args=(call,), name="ragvlc-call", daemon=True).start()

    def _taken(self) -> _Call[Any]:
        call = self._queue.popleft()
        call.started = time.perf_counter()
        self._running.add(call)
        return call

    def _work(self, first: _Call[Any]) -> None:
        call: _Call[Any] | None = first
        while call is not None:
            try:
                call.future.set_result(call.work())
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for the result
                call.future.set_exception(error)
            call = self._next(call)

    def _next(self, ended: _Call[Any]) -> _Call[Any] | None:
        """Returns the next call for the thread that has run `ended`; None ends the thread."""
        with self._changed:
            if ended not in self._running:  # given up: another thread runs in its place
                return None
            self._running.remove(ended)
            self._changed.notify_all()
            return self._taken() if self._queue else None

    def _await(self, calls: Sequence[_Call[Any]]) -> None:
        """Waits until all calls have ended or one has failed."""
        futures = [call.future for call in calls]
        while True:
            done, left = wait(futures, interruption.POLL_SECONDS, return_when=FIRST_EXCEPTION)
            if not left or any(future.exception() is not None for future in done):
                return
            interruption.check()
            now = time.perf_counter()
            late = [call for call in calls if not call.future.done() and now - call.started > self._deadline]
            if late:
                self._release(late)
                raise DeadlineExceeded(
                    f"{self._model_name}: no whole answer within {self._deadline:g} s (deadline_seconds).",
                    transient=True,
                )

    def _release(self, calls: Iterable[_Call[Any]]) -> None:
        """Gives running calls up: others start in their places."""
        with self._changed:
            self._running.difference_update(calls)
            self._start_queued()
            self._changed.notify_all()

    def _withdraw(self, calls: Sequence[_Call[Any]]) -> None:
        """Takes calls that have not started out of the queue."""
        gone = set(calls)
        with self._changed:
            self._queue = deque(call for call in self._queue if call not in gone)

    def _is_closed(self) -> EngineError:
        return EngineError(f"The engine of {self._model_name} is closed.")
