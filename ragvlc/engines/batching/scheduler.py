"""Requests of many threads, computed together by whichever of them has the turn.

Nobody waits for a batch to fill. A thread that finds the model free takes the turn and computes; what others have asked
for meanwhile it takes along between two tokens. When its own rows are finished, another thread has the turn.
Sessions (see `engines.decode_state.states`) compute on the same model between two of its steps, in the order of asking.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ragvlc.core.errors import EngineError
from ragvlc.engines.batching.decoding import Form, Row
from ragvlc.engines.batching.fair_lock import Turns

__all__ = ["Gathering", "Ticket", "memory_is_full"]

log = logging.getLogger("ragvlc")


@dataclass(slots=True, eq=False)
class _Call:
    """A thread that waits: how many of its rows are not finished, and how to wake it."""

    left: int
    wake: threading.Condition
    error: EngineError | None = None
    abandoned: bool = False


@dataclass(slots=True, eq=False)
class Ticket:
    """A row in the queue.

    Attributes:
        row: what is to be computed.
        call: whose it is.
        asked: when, on the clock of `time.perf_counter`.
        waited: seconds until the engine began with it.
    """

    row: Row
    call: _Call
    asked: float
    waited: float = 0.0


class Gathering:
    """The queue before a model.

    Args:
        form: how rows are computed.
        most: rows at a time.
        owner: the model's name, for errors.
        free: gives memory back to the device after it was full.
        turns: of this queue and of whoever else computes on the model.
    """

    def __init__(
        self, form: Form, *, most: int, owner: str, free: Callable[[], None], turns: Turns | None = None
    ) -> None:
        self._form = form
        self._turns = turns or Turns()
        self._most = most
        self._owner = owner
        self._free = free
        self._lock = threading.RLock()
        self._turned = threading.Condition(self._lock)
        self._queue: deque[Ticket] = deque()
        self._begun: dict[int, Ticket] = {}
        self._waiting: list[_Call] = []
        self._busy = False
        self._closed = False
        self._warned = False

    def run(self, rows: Sequence[Row]) -> list[float]:
        """Finishes `rows`; returns the seconds that each has waited for its turn.

        Raises the error of the first that failed; a transient `EngineError` when one row alone does not fit the memory.
        """
        call = _Call(len(rows), threading.Condition(self._lock))
        asked = time.perf_counter()
        tickets = [Ticket(row, call, asked) for row in rows]
        with self._lock:
            if self._closed:
                raise self._is_closed()
            self._queue += sorted(tickets, key=lambda ticket: list(ticket.row.prompt))
        try:
            while self._has_turn(call):
                try:
                    self._work(call)
                except BaseException as error:  # not of a model: Ctrl-C, in the middle of anything
                    with self._turns:
                        cut = EngineError(f"The work of '{self._owner}' was interrupted.", transient=True)
                        self._fail_all(cut, error)
                    raise
                finally:
                    self._hand_over()
        except BaseException:
            self._abandon(call)
            raise
        if call.error is not None:
            raise call.error
        return [ticket.waited for ticket in tickets]

    def close(self) -> None:
        """Lets what has begun finish, and refuses the rest."""
        with self._lock:
            self._closed = True
            for ticket in self._queue:
                self._fail(ticket, self._is_closed())
            self._queue.clear()
            self._turned.wait_for(lambda: not self._busy and not self._begun)

    def _has_turn(self, call: _Call) -> bool:
        """Waits until the turn is this call's, or its rows are done; whether it is the former."""
        with self._lock:
            self._waiting.append(call)
            call.wake.wait_for(lambda: call.left == 0 or not self._busy)
            self._waiting.remove(call)
            if call.left == 0:
                self._wake_one()  # the turn may have been offered to this call, which needs it no longer
                return False
            self._busy = True
            return True

    def _hand_over(self) -> None:
        with self._lock:
            self._busy = False
            self._wake_one()
            self._turned.notify_all()

    def _wake_one(self) -> None:
        if not self._busy and self._waiting:
            self._waiting[0].wake.notify()

    def _work(self, call: _Call) -> None:
        import torch

        with torch.inference_mode():
            while call.left:
                with self._turns:
                    begun = self._next()
                    if begun:
                        self._start(begun)
                    else:
                        self._step()
                    self._finish()

    def _next(self) -> list[Ticket]:
        with self._lock:
            room = self._most - len(self._form.active)
            if not self._queue or room <= 0:
                return []
            places = set(self._form.select([ticket.row for ticket in self._queue], room))
            taken = [ticket for i, ticket in enumerate(self._queue) if i in places]
            self._queue = deque(ticket for i, ticket in enumerate(self._queue) if i not in places)
            now = time.perf_counter()
            for ticket in taken:
                ticket.waited = now - ticket.asked
                self._begun[id(ticket.row)] = ticket
            return taken

    def _start(self, begun: Sequence[Ticket]) -> None:
        try:
            self._form.start([ticket.row for ticket in begun])
        except Exception as error:  # noqa: BLE001 - whatever a model raises
            if memory_is_full(error):
                self._make_room(begun, [*begun], len(self._form.active) + len(begun) // 2, error)
            elif len(begun) == 1:
                self._fail(begun[0], self._failed(error))
            else:
                for ticket in begun:  # one of them may be at fault
                    ticket.row.restart()
                    self._start([ticket])

    def _step(self) -> None:
        active = [self._begun[id(row)] for row in self._form.active]
        try:
            self._form.step()
        except Exception as error:  # noqa: BLE001 - whatever a model raises
            if memory_is_full(error):
                kept = max(1, len(active) // 2)
                self._make_room(active, active[kept:], kept, error)
                return
            self._fail_all(self._failed(error), error)

    def _make_room(self, tried: Sequence[Ticket], back: Sequence[Ticket], most: int, error: Exception) -> None:
        """Frees what is kept and puts rows back into the queue; a row that was alone gets a second try, then fails."""
        self._form.remove([ticket.row for ticket in back])
        dropped = self._form.drop()
        self._free()
        if len(self._begun) == 1 and not dropped:
            self._form.remove([ticket.row for ticket in tried])
            self._fail(tried[0], self._too_large(tried[0].row, error))
            return
        with self._lock:
            for ticket in back:
                ticket.row.restart()
                self._begun.pop(id(ticket.row))
            self._queue.extendleft(reversed(back))
            self._most = max(1, most)
        if not self._warned:
            self._warned = True
            what = "kept prefixes were freed, and " if dropped else ""
            log.warning("'%s' filled the memory: %sat most %d rows go together now", self._owner, what, self._most)

    def _finish(self) -> None:
        with self._lock:
            self._form.remove([ticket.row for ticket in self._begun.values() if ticket.call.abandoned])
            for ticket in list(self._begun.values()):
                if ticket.row.finish is not None or ticket.call.abandoned:
                    self._begun.pop(id(ticket.row))
                    self._done(ticket)

    def _abandon(self, call: _Call) -> None:
        """Nobody waits for a call any more: its thread was interrupted."""
        with self._lock:
            call.abandoned = True
            self._queue = deque(ticket for ticket in self._queue if ticket.call is not call)
            if call in self._waiting:
                self._waiting.remove(call)
            if not self._busy:
                with self._turns:  # of a session, which never waits for this queue
                    self._finish()
                self._wake_one()
                self._turned.notify_all()

    def _fail_all(self, error: EngineError, cause: BaseException) -> None:
        error.__cause__ = cause
        with self._lock:
            self._form.remove(list(self._form.active))
            for ticket in list(self._begun.values()):
                self._fail(ticket, error)

    def _fail(self, ticket: Ticket, error: EngineError) -> None:
        with self._lock:
            self._begun.pop(id(ticket.row), None)
            ticket.call.error = ticket.call.error or error
            self._done(ticket)

    def _done(self, ticket: Ticket) -> None:
        ticket.call.left -= 1
        if ticket.call.left == 0:
            ticket.call.wake.notify()

    def _is_closed(self) -> EngineError:
        return EngineError(f"The engine of '{self._owner}' is closed.")

    def _failed(self, cause: Exception) -> EngineError:
        line = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        error = EngineError(f"'{self._owner}' failed: {line}")
        error.__cause__ = cause
        return error

    def _too_large(self, row: Row, cause: BaseException) -> EngineError:
        error = EngineError(
            f"'{self._owner}' ran out of memory on one prompt of {len(row.prompt)} tokens. Shorten the prompt, or take "
            "a smaller model, dtype or device with more memory.",
            transient=True,
        )
        error.__cause__ = cause
        return error


def memory_is_full(error: BaseException) -> bool:
    """Returns whether an error says that the memory of the device is full."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # The CPU's allocator has no class of its own.
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
