"""A lock that is granted to threads in the order in which they asked for it."""

from __future__ import annotations

import threading
from collections import deque

__all__ = ["FairLock"]


class FairLock:
    """A first-in, first-out lock. Not reentrant.

    `threading.Lock` may go again to the thread that has just released it: a batch that takes it for every token would
    keep all other threads waiting until the batch is finished.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        """Waits until the lock is granted."""
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        try:
            mine.acquire()  # blocks until __exit__ of another thread releases it
        except BaseException:  # Ctrl-C while waiting
            with self._guard:
                if mine in self._waiting:
                    self._waiting.remove(mine)
                    raise
            self.__exit__()  # the lock was granted in the meantime: without this it would be held for ever
            raise

    def __exit__(self, *error: object) -> None:
        """Grants the lock to the thread that has waited longest."""
        with self._guard:
            if self._waiting:
                # `_taken` stays True: no other thread can take the lock between release and wake-up.
                self._waiting.popleft().release()
            else:
                self._taken = False
