"""Interruption of running work, by Ctrl-C for example: here threads find out that they must end.

A signal reaches the main thread only. `request` informs all threads of this process: waits for servers end at once,
models stop after their current forward pass, and no further question starts.

    with scope():                      # the outermost scope forgets the request at its end
        ...
        check()                        # raises `Interrupted` after a request
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["POLL_SECONDS", "Interrupted", "check", "pause", "request", "requested", "result", "scope"]

ResultT = TypeVar("ResultT")

POLL_SECONDS = 0.2
"""How often a thread that waits looks for a request."""

_requested = threading.Event()
_lock = threading.Lock()
_scopes = 0


class Interrupted(KeyboardInterrupt):
    """Raised in a thread whose work was interrupted. No `Exception`: work that was interrupted has not failed."""


def request() -> None:
    """Asks all threads of this process to end their work."""
    _requested.set()


def requested() -> bool:
    """Returns whether the work was asked to end."""
    return _requested.is_set()


def check() -> None:
    """Raises `Interrupted` if the work was asked to end."""
    if _requested.is_set():
        raise Interrupted


def pause(seconds: float) -> None:
    """Waits; raises `Interrupted` as soon as the work is asked to end."""
    _requested.wait(seconds)
    check()


def result(future: Future[ResultT]) -> ResultT:
    """Returns the result of `future`; raises `Interrupted` if the work is asked to end before there is one."""
    while not future.done():
        check()
        try:
            return future.result(POLL_SECONDS)
        except TimeoutError:
            if future.done():  # the error is the call's own
                break
    return future.result()


@contextmanager
def scope() -> Iterator[None]:
    """Opens a scope in which a `KeyboardInterrupt` of this thread interrupts all others."""
    global _scopes  # noqa: PLW0603 - signals are the process's, not an object's
    with _lock:
        _scopes += 1
    try:
        yield
    except KeyboardInterrupt:
        request()
        raise
    finally:
        with _lock:
            _scopes -= 1
            if not _scopes:
                _requested.clear()
