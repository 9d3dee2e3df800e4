"""Continuous-batching scheduler: requests of many threads are computed together by one thread at a time, the leader.

Nobody waits for a batch to fill. A thread that finds the model free becomes the leader and computes; requests that
other threads queue in the meantime join the batch between two tokens. When the leader's own requests are finished,
another thread leads. Decode states (see `engines.decode_state.states`) compute on the same model between two steps of
the batch; a fair lock grants the model in the order of the requests for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ragvlc.core import interruption
from ragvlc.core.errors import EngineError
from ragvlc.core.texts import first_line
from ragvlc.engines.batching.decoding import Batch, RequestState
from ragvlc.engines.batching.fair_lock import FairLock

__all__ = ["QueuedRequest", "Scheduler", "is_out_of_memory"]

log = logging.getLogger("ragvlc")


@dataclass(slots=True, eq=False)
class _Call:
    """A thread's call of `run`: the number of its unfinished requests, and the condition that wakes it."""

    unfinished: int
    wake: threading.Condition
    error: EngineError | None = None
    abandoned: bool = False


@dataclass(slots=True, eq=False)
class QueuedRequest:
    """A request in the queue.

    Attributes:
        request: what is to be computed.
        call: the call that it belongs to.
        queued_at: on the clock of `time.perf_counter`.
        waited: seconds until it was started.
    """

    request: RequestState
    call: _Call
    queued_at: float
    waited: float = 0.0


class Scheduler:
    """Queue of requests for one model, and the loop that computes them in a batch.

    There are two locks. `_lock` guards the queue and is not held while a step is computed; the model's lock is held for
    one step at a time. A thread that takes both takes the model's lock first, but for `_abandon`.

    Args:
        batch: computes the requests.
        max_requests: requests at a time.
        model_name: for errors.
        free_memory: returns memory to the device after it was full.
        lock: the model's lock, shared with whatever else computes on the model.
    """

    def __init__(
        self,
        batch: Batch,
        *,
        max_requests: int,
        model_name: str,
        free_memory: Callable[[], None],
        lock: FairLock | None = None,
    ) -> None:
        self._batch = batch
        self._model_lock = lock or FairLock()
        self._max_requests = max_requests
        self._model_name = model_name
        self._free_memory = free_memory
        self._lock = threading.RLock()
        self._handed_over = threading.Condition(self._lock)
        self._queue: deque[QueuedRequest] = deque()
        self._running: dict[int, QueuedRequest] = {}  # by identity of the request's state
        self._waiting: list[_Call] = []
        self._busy = False  # whether some thread leads
        self._closed = False
        self._warned = False

    def run(self, requests: Sequence[RequestState]) -> list[float]:
        """Completes `requests`; returns the seconds that each one waited in the queue.

        Raises the error of the first that failed; a transient `EngineError` when a single request does not fit the
        memory.
        """
        call = _Call(len(requests), threading.Condition(self._lock))
        queued_at = time.perf_counter()
        entries = [QueuedRequest(request, call, queued_at) for request in requests]
        with self._lock:
            if self._closed:
                raise self._is_closed()
            # By tokens: prompts about one document follow each other, and start in one batch that shares it.
            self._queue += sorted(entries, key=lambda entry: list(entry.request.prompt))
        try:
            while self._becomes_leader(call):
                try:
                    self._lead(call)
                except BaseException as error:  # not of a model: Ctrl-C, in the middle of anything
                    with self._model_lock:
                        interrupted = EngineError(f"The work of '{self._model_name}' was interrupted.", transient=True)
                        self._fail_all(interrupted, error)
                    raise
                finally:
                    self._hand_over()
        except BaseException:
            self._abandon(call)
            raise
        if call.error is not None:
            raise call.error
        return [entry.waited for entry in entries]

    def close(self) -> None:
        """Waits until running requests are finished, and refuses those in the queue."""
        with self._lock:
            self._closed = True
            for entry in self._queue:
                self._fail(entry, self._is_closed())
            self._queue.clear()
            self._handed_over.wait_for(lambda: not self._busy and not self._running)

    def _becomes_leader(self, call: _Call) -> bool:
        """Waits until this call becomes the leader or its requests are done; returns whether it became the leader."""
        with self._lock:
            self._waiting.append(call)
            while not call.wake.wait_for(lambda: call.unfinished == 0 or not self._busy, interruption.POLL_SECONDS):
                interruption.check()
            self._waiting.remove(call)
            if call.unfinished == 0:
                self._wake_one()  # the wake-up may have been the offer to lead, which this call no longer needs
                return False
            self._busy = True
            return True

    def _hand_over(self) -> None:
        with self._lock:
            self._busy = False
            self._wake_one()
            self._handed_over.notify_all()

    def _wake_one(self) -> None:
        if not self._busy and self._waiting:
            self._waiting[0].wake.notify()

    def _lead(self, call: _Call) -> None:
        """Computes steps for all running requests until those of `call` are done."""
        import torch

        with torch.inference_mode():
            while call.unfinished:
                interruption.check()
                # Released after every step, so that a decode state waits for one token and not for the whole batch.
                with self._model_lock:
                    started = self._next()
                    if started:
                        self._start(started)
                    else:
                        self._step()
                    self._finish()

    def _next(self) -> list[QueuedRequest]:
        """Removes from the queue the requests to start now, and returns them."""
        with self._lock:
            free = self._max_requests - len(self._batch.running)
            if not self._queue or free <= 0:
                return []
            places = set(self._batch.select([entry.request for entry in self._queue], free))
            taken = [entry for i, entry in enumerate(self._queue) if i in places]
            self._queue = deque(entry for i, entry in enumerate(self._queue) if i not in places)
            now = time.perf_counter()
            for entry in taken:
                entry.waited = now - entry.queued_at
                self._running[id(entry.request)] = entry
            return taken

    def _start(self, started: Sequence[QueuedRequest]) -> None:
        try:
            self._batch.start([entry.request for entry in started])
        except Exception as error:  # noqa: BLE001 - whatever a model raises
            if is_out_of_memory(error):
                limit = len(self._batch.running) + len(started) // 2
                self._shrink_batch(started, [*started], limit, error)
            elif len(started) == 1:
                self._fail(started[0], self._failed(error))
            else:
                for entry in started:  # one of them may be at fault: the others must not fail with it
                    entry.request.restart()
                    self._start([entry])

    def _step(self) -> None:
        running = [self._running[id(request)] for request in self._batch.running]
        try:
            self._batch.step()
        except Exception as error:  # noqa: BLE001 - whatever a model raises
            if is_out_of_memory(error):
                half = max(1, len(running) // 2)
                self._shrink_batch(running, running[half:], half, error)
                return
            self._fail_all(self._failed(error), error)

    def _shrink_batch(
        self, tried: Sequence[QueuedRequest], back: Sequence[QueuedRequest], limit: int, error: Exception
    ) -> None:
        """Frees memory after an out-of-memory error, and puts requests back into the queue for smaller batches.

        Frees the prefix cache. A single request gets one retry, then fails.
        """
        self._batch.remove([entry.request for entry in back])
        dropped = self._batch.free_cache()
        self._free_memory()
        if len(self._running) == 1 and not dropped:
            self._batch.remove([entry.request for entry in tried])
            self._fail(tried[0], self._too_large(tried[0].request, error))
            return
        with self._lock:
            for entry in back:
                entry.request.restart()
                self._running.pop(id(entry.request))
            self._queue.extendleft(reversed(back))  # to the front, in their old order
            self._max_requests = max(1, limit)  # for good: a batch that has filled the memory would do so again
        if not self._warned:
            self._warned = True
            what = "cached prefixes were freed, and " if dropped else ""
            log.warning(
                "'%s' ran out of memory: %sat most %d requests are computed together from now on",
                self._model_name,
                what,
                self._max_requests,
            )

    def _finish(self) -> None:
        with self._lock:
            self._batch.remove([entry.request for entry in self._running.values() if entry.call.abandoned])
            for entry in list(self._running.values()):
                if entry.request.finish is not None or entry.call.abandoned:
                    self._running.pop(id(entry.request))
                    self._done(entry)

    def _abandon(self, call: _Call) -> None:
        """Removes the requests of a call whose thread was interrupted."""
        with self._lock:
            call.abandoned = True
            self._queue = deque(entry for entry in self._queue if entry.call is not call)
            if call in self._waiting:
                self._waiting.remove(call)
            if not self._busy:
                # Both locks in the other order: no deadlock, because only a decode state can hold the model's lock
                # while nobody leads, and a decode state never waits for this queue.
                with self._model_lock:
                    self._finish()
                self._wake_one()
                self._handed_over.notify_all()

    def _fail_all(self, error: EngineError, cause: BaseException) -> None:
        error.__cause__ = cause
        with self._lock:
            self._batch.remove(list(self._batch.running))
            for entry in list(self._running.values()):
                self._fail(entry, error)

    def _fail(self, entry: QueuedRequest, error: EngineError) -> None:
        with self._lock:
            self._running.pop(id(entry.request), None)
            entry.call.error = entry.call.error or error
            self._done(entry)

    def _done(self, entry: QueuedRequest) -> None:
        entry.call.unfinished -= 1
        if entry.call.unfinished == 0:
            entry.call.wake.notify()

    def _is_closed(self) -> EngineError:
        return EngineError(f"The engine of '{self._model_name}' is closed.")

    def _failed(self, cause: Exception) -> EngineError:
        line = first_line(cause)
        error = EngineError(f"'{self._model_name}' failed: {line}")
        error.__cause__ = cause
        return error

    def _too_large(self, request: RequestState, cause: BaseException) -> EngineError:
        error = EngineError(
            f"'{self._model_name}' ran out of memory on one prompt of {len(request.prompt)} tokens. Shorten the "
            "prompt, or take a smaller model, dtype or device with more memory.",
            transient=True,
        )
        error.__cause__ = cause
        return error


def is_out_of_memory(error: BaseException) -> bool:
    """Returns whether an error says that the memory of the device is full."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # The CPU's allocator has no exception class of its own.
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
