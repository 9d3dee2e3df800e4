"""Concurrency limit: the largest number of calls at a time, over all threads that share an engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

from ragvlc.core.errors import EngineError

__all__ = ["CallGroup", "Cancelled", "ConcurrencyLimit"]

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class Cancelled(Exception):
    """Raised inside a call whose result is not needed any more."""


@dataclass(frozen=True, slots=True)
class CallGroup:
    """Calls that were queued together: as soon as one fails, the others are cancelled.

    Attributes:
        queued_at: when they were queued, on the clock of `time.perf_counter`.
        cancelled: set when one of them has failed.
    """

    queued_at: float
    cancelled: threading.Event

    def check(self) -> None:
        """Raises `Cancelled` if the results are not needed any more."""
        if self.cancelled.is_set():
            raise Cancelled


class ConcurrencyLimit:
    """Thread pool that runs calls in the order in which they were queued.

    Args:
        limit: the largest number of calls at a time.
        model_name: for the error after `close`.
    """

    def __init__(self, limit: int, model_name: str) -> None:
        self._executor = ThreadPoolExecutor(limit, thread_name_prefix="ragvlc-calls")
        self._model_name = model_name

    def run(self, work: Callable[[ItemT, CallGroup], ResultT], items: Sequence[ItemT]) -> list[ResultT]:
        """Returns the result of `work` for each item, in order.

        As soon as one fails, its error is raised, the others are cancelled and those that wait are never started: their
        results could not be returned.
        """
        group = CallGroup(time.perf_counter(), threading.Event())
        futures: list[Future[ResultT]] = []
        try:
            futures += (self._submit(work, item, group) for item in items)
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            # In the order of the items, so that the error does not depend on which thread was faster.
            for future in futures:
                if future in done and (error := future.exception()) is not None:
                    raise error
            return [future.result() for future in futures]
        finally:
            group.cancelled.set()
            for future in futures:
                future.cancel()

    def close(self) -> None:
        """Finishes running calls, cancels queued calls and ends the threads."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _submit(self, work: Callable[[ItemT, CallGroup], ResultT], item: ItemT, group: CallGroup) -> Future[ResultT]:
        try:
            return self._executor.submit(work, item, group)
        except RuntimeError:  # how a closed pool refuses work
            raise EngineError(f"The engine of {self._model_name} is closed.") from None
