"""Calls side by side: at most so many at a time, over all threads that share an engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

from ragvlc.core.errors import EngineError

__all__ = ["Abandoned", "Lanes", "Turn"]

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class Abandoned(Exception):
    """Raised inside a call whose result nobody waits for any more."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A call's turn at the engine.

    Attributes:
        asked: when it was asked for, on the clock of `time.perf_counter`.
        abandoned: set when another call of the same group has failed.
    """

    asked: float
    abandoned: threading.Event

    def check(self) -> None:
        """Raises `Abandoned` if nobody waits for the result."""
        if self.abandoned.is_set():
            raise Abandoned


class Lanes:
    """Threads that work off calls in the order in which they were asked for.

    Args:
        width: so many calls at a time.
        owner: named in the error after `close`.
    """

    def __init__(self, width: int, owner: str) -> None:
        self._executor = ThreadPoolExecutor(width, thread_name_prefix="ragvlc-calls")
        self._owner = owner

    def run(self, work: Callable[[ItemT, Turn], ResultT], items: Sequence[ItemT]) -> list[ResultT]:
        """Returns `work` of each item, in order.

        As soon as one fails for good the others are given up, those not begun are never begun, and its error is raised:
        their results could not be returned, so no more time goes into them.
        """
        turn = Turn(time.perf_counter(), threading.Event())
        futures: list[Future[ResultT]] = []
        try:
            futures += (self._submit(work, item, turn) for item in items)
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in futures:
                if future in done and (error := future.exception()) is not None:
                    raise error
            return [future.result() for future in futures]
        finally:
            turn.abandoned.set()
            for future in futures:
                future.cancel()

    def close(self) -> None:
        """Ends the threads; calls under way run out."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _submit(self, work: Callable[[ItemT, Turn], ResultT], item: ItemT, turn: Turn) -> Future[ResultT]:
        try:
            return self._executor.submit(work, item, turn)
        except RuntimeError:
            raise EngineError(f"The engine of {self._owner} is closed.") from None
