"""Tracebacks that libraries print: log records with an error, errors of threads, and errors in finalisers.

Python prints an exception of a finaliser, such as a connection's at garbage collection, and goes on; that of Ctrl-C is
then lost. Pools of connections log the exception that passes through them, with its traceback.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ragvlc.core.texts import visible

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

__all__ = ["in_one_line"]


@contextmanager
def in_one_line(lost: Callable[[], None], leaving: Callable[[], bool]) -> Iterator[None]:
    """Opens a scope in which libraries show errors as one line, and interruptions not at all.

    Args:
        lost: called when a finaliser has swallowed a `KeyboardInterrupt`.
        leaving: whether the process ends with this scope: threads may notice that later than it does, and their
            interruptions are not shown either.
    """
    record, thread, finaliser = logging.getLogRecordFactory(), threading.excepthook, sys.unraisablehook

    def without_traceback(*given: Any, **named: Any) -> logging.LogRecord:  # noqa: ANN401 - a record's arguments
        made = record(*given, **named)
        error = made.exc_info[1] if made.exc_info else None
        if error is not None:
            made.msg, made.args = f"{made.getMessage()} ({_words(error)})", ()
        made.exc_info = made.exc_text = made.stack_info = None
        return made

    def of_thread(failed: threading.ExceptHookArgs) -> None:
        if failed.exc_value is not None and not isinstance(failed.exc_value, KeyboardInterrupt | SystemExit):
            name = failed.thread.name if failed.thread else "?"
            _say(f"warning: the thread {name} ended by {_words(failed.exc_value)}")

    def of_finaliser(failed: UnraisableHookArgs) -> None:
        if isinstance(failed.exc_value, KeyboardInterrupt):
            lost()
        elif failed.exc_value is not None:
            _say(f"warning: {failed.err_msg or 'ignored'}: {_words(failed.exc_value)}")

    logging.setLogRecordFactory(without_traceback)
    threading.excepthook, sys.unraisablehook = of_thread, of_finaliser
    try:
        yield
    finally:
        if not leaving():
            logging.setLogRecordFactory(record)
            threading.excepthook, sys.unraisablehook = thread, finaliser


def _words(error: BaseException) -> str:
    """Returns the type of an error and the first line of its text."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__


def _say(line: str) -> None:
    with suppress(OSError, ValueError, RuntimeError):  # closed, or in the middle of another line
        sys.stderr.write(f"{visible(line)}\n")
