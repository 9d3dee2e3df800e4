"""Ctrl-C and SIGTERM on the command line: the first ends the work in order, the second ends the process at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any, Never, TextIO

from ragvlc.cli.tracebacks import in_one_line
from ragvlc.core import interruption

__all__ = ["Signals", "handled_signals", "received"]

_NUMBERS = (signal.SIGINT, signal.SIGTERM)
_SAME_SECONDS = 0.3
"""Signals this soon after the first are the same one: launchers pass a terminal's Ctrl-C on to who has it already."""
_LEAVING_SECONDS = 1.0
_AGAIN_SECONDS = 0.02
_END = b"\0"


@dataclass
class Signals:
    """The signals received so far.

    Attributes:
        first: number of the first signal; 0 before it.
        told: whether a command has printed what was done before the signal and how to continue.
        repeats: whether the next signal is the first again, sent by this process itself.
        own: number of such signals that do not count as a second.
        leaving: whether the process is about to end.
    """

    first: int = 0
    told: bool = False
    repeats: bool = False
    own: int = 0
    leaving: bool = False

    def tell(self, text: str) -> None:
        """Prints one line about the interrupted work."""
        self.told = True
        with suppress(OSError, ValueError):  # a terminal or a pipe that is closed
            sys.stderr.write(f"\n{text}\n")

    def leave(self) -> Never:
        """Ends the process with the exit status of its signal, even if threads or libraries do not let go."""
        if not self.told:
            self.tell("interrupted. Run the same command again to continue.")
        for stream in (sys.stdout, sys.stderr):
            _flush(stream)
        status = 128 + (self.first or signal.SIGINT)
        self.leaving = True
        last = threading.Timer(_LEAVING_SECONDS, _end_process, [status])
        last.daemon = True
        last.start()
        sys.exit(status)


received = Signals()


@contextmanager
def handled_signals() -> Iterator[Signals]:
    """Opens a scope in which the first signal raises `KeyboardInterrupt` and the second ends the process.

    Signals are read by a thread of their own: the main thread may be deep in a library's code for a while.
    """
    received.first, received.told, received.repeats, received.own, received.leaving = 0, False, False, 0, False
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    # A signal that the caller ignores, as `nohup` does, stays ignored.
    before = {number: signal.getsignal(number) for number in _NUMBERS}
    for number, handler in before.items():
        if handler in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _interrupt)
    woken = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(reading,), name="ragvlc-signals", daemon=True)
    watcher.start()
    try:
        with in_one_line(_repeat, lambda: received.leaving):
            yield received
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.write(writing, _END)
        watcher.join()
        os.close(reading)
        os.close(writing)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's arguments
    if received.first == 0 or received.repeats:
        received.repeats = False
        received.first = received.first or number
        interruption.request()
        raise KeyboardInterrupt


def _repeat() -> None:
    """Interrupts the main thread again, a moment later: a finaliser has swallowed the interruption."""
    if received.first:
        later = threading.Timer(_AGAIN_SECONDS, _send_again)
        later.daemon = True
        later.start()


def _send_again() -> None:
    if signal.getsignal(received.first) is _interrupt:
        received.repeats, received.own = True, received.own + 1
        signal.pthread_kill(threading.main_thread().ident or 0, received.first)


def _watch(reading: int) -> None:
    """Counts signals: tells all threads of the first, and ends the process at the second."""
    first = 0.0
    while True:
        for number in os.read(reading, 64):
            if number == _END[0]:
                return
            if number not in _NUMBERS:
                continue
            if received.own:
                received.own -= 1
                continue
            now = time.monotonic()
            if not first:
                first = now
                interruption.request()
            elif now - first > _SAME_SECONDS:
                _end_process(128 + number, b"\nended at once. Run the same command again to continue.\n")


def _flush(stream: TextIO) -> None:
    """Writes what is left to a stream; if nobody reads it any more, Python shall not try again at its end."""
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _end_process(status: int, line: bytes = b"") -> None:
    """Ends this process at once, after its child processes: engines would hold the accelerator's memory."""
    import psutil

    children: list[Any] = []
    with suppress(psutil.Error):
        children = psutil.Process().children(recursive=True)
    for child in children:
        with suppress(OSError, psutil.Error):
            if os.getpgid(child.pid) == child.pid:
                os.killpg(child.pid, signal.SIGKILL)
            else:
                child.kill()
    with suppress(OSError):
        os.write(2, line)
    os._exit(status)
