"""Whose turn it is at a model: one at a time, in the order of asking."""

from __future__ import annotations

import threading
from collections import deque

__all__ = ["Turns"]


class Turns:
    """A lock that passes from hand to hand. Not reentrant.

    A plain lock may be taken again by the thread that has just let it go: a batch that steps token by token would keep
    everybody else out until it is finished.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        """Waits for the turn."""
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        try:
            mine.acquire()
        except BaseException:  # Ctrl-C while waiting
            with self._lock:
                if mine in self._waiting:
                    self._waiting.remove(mine)
                    raise
            self.__exit__()  # the turn had come already
            raise

    def __exit__(self, *error: object) -> None:
        """Hands the turn to whoever has waited longest."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False
