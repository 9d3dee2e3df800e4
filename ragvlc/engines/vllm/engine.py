"""A vLLM engine in a group of processes of its own, fed by all threads of this one.

Why not in this process: there vLLM would fork a process full of threads, or import the caller's script a second time;
its log, its settings in the environment and its event loop stay apart from the caller's; its Python work does not wait
for threads that search and tokenise here; and whatever ends this process, `kill -9` too, ends the engine with it, which
vLLM's own child processes do not see to.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from multiprocessing.connection import Connection
from typing import Any

from ragvlc.core.errors import EngineError
from ragvlc.engines.vllm.wire import Ask, Close, Drop, Failed, Open, Ready, Reply

__all__ = ["EngineProcess", "cause_in"]

log = logging.getLogger("ragvlc")

_LOOK_SECONDS = 0.5
_CLOSING_SECONDS = 30.0
_KEPT_LINES = 1000
_RAISED = re.compile(r"(?:^|[\s\]])((?:\w+\.)*\w*(?:Error|Exception|Interrupt))(?:: (.*))?$")
_POINTERS = re.compile("initialization failed|EngineCore encountered|EngineDeadError|CancelledError|See stack trace")
_LEVEL = "VLLM_LOGGING_LEVEL"


class EngineProcess:
    """The engine as threads see it.

    Args:
        arguments: of vLLM's engine.
        owner: the model's name, for errors.

    Raises:
        EngineError: the model cannot be loaded; with the cause.
    """

    def __init__(self, arguments: Mapping[str, Any], *, owner: str) -> None:
        self._owner = owner
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._numbers = itertools.count()
        self._waiting: dict[int, Future[Reply]] = {}
        self._opened: Future[Ready] = Future()
        self._ended: EngineError | None = None
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._shown = logging.INFO if _LEVEL in os.environ else logging.DEBUG
        self._process, self._asks, self._replies = _started()
        self._log = threading.Thread(target=self._read_log, name="ragvlc-vllm-log", daemon=True)
        self._reader = threading.Thread(target=self._read, name="ragvlc-vllm", daemon=True)
        self._log.start()
        self._reader.start()
        try:
            self._send(Open(dict(arguments)))
            self.window = self._opened.result().window
        except BaseException:
            self._finish()
            raise

    @property
    def processes(self) -> int:
        """Number of the group of processes."""
        return self._process.pid

    def run(self, asks: Iterable[tuple[list[int], Mapping[str, Any], str | None]]) -> list[Reply]:
        """Returns a reply for each (prompt, sampling, salt), in order; they enter the running engine at once.

        Raises the error of the first that failed; a transient `EngineError` if the engine died.
        """
        asked = [Ask(next(self._numbers), *ask) for ask in asks]
        futures: list[Future[Reply]] = [Future() for _ in asked]
        with self._lock:
            if self._ended is not None:
                raise self._ended
            self._waiting.update((ask.number, future) for ask, future in zip(asked, futures, strict=True))
        try:
            for ask in asked:
                self._send(ask)
            return [future.result() for future in futures]
        except BaseException:
            self._drop([ask.number for ask in asked])
            raise

    def close(self) -> None:
        """Ends the engine and frees its memory; threads that wait are refused."""
        if self._end(EngineError(f"The engine of '{self._owner}' is closed.")):
            self._send(Close())
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_CLOSING_SECONDS)
        self._finish()

    def _send(self, message: object) -> None:
        # A broken pipe is noticed by the reader, which knows the cause.
        with self._sending, contextlib.suppress(OSError):
            self._asks.send(message)

    def _drop(self, numbers: Sequence[int]) -> None:
        with self._lock:
            left = [number for number in numbers if self._waiting.pop(number, None) is not None]
        for number in left:
            self._send(Drop(number))

    def _read(self) -> None:
        """Hands out what comes, until the process has ended."""
        while True:
            try:
                while not self._replies.poll(_LOOK_SECONDS):
                    # Its children hold the pipe open too: an end of the pipe is not to be waited for.
                    if self._process.poll() is not None and not self._replies.poll(0):
                        raise EOFError  # noqa: TRY301 - one way out for both
                message = self._replies.recv()
            except (EOFError, OSError):
                break
            if isinstance(message, Ready):
                self._opened.set_result(message)
            elif isinstance(message, Reply):
                self._done(message.number, message)
            elif isinstance(message, Failed) and message.number is not None:
                self._done(message.number, EngineError(f"'{self._owner}' failed in vLLM: {message.message}"))
            elif isinstance(message, Failed):
                self._died(message.message)
        self._died("")

    def _done(self, number: int, outcome: Reply | EngineError) -> None:
        with self._lock:
            future = self._waiting.pop(number, None)
        if future is None:
            return
        if isinstance(outcome, Reply):
            future.set_result(outcome)
        else:
            future.set_exception(outcome)

    def _died(self, said: str) -> None:
        """Ends what is left of the processes, and tells everybody why."""
        with self._lock:
            if self._ended is not None:
                return
        self._kill()
        self._process.wait()
        self._log.join(_CLOSING_SECONDS)  # its last lines say why
        cause = said or cause_in(self._lines)
        if self._opened.done():
            why = f": {cause}" if cause else f" (exit status {self._process.returncode})"
            self._end(EngineError(f"The vLLM engine of '{self._owner}' has died{why}. Try again.", transient=True))
            return
        reason = cause or f"its process ended with status {self._process.returncode}"
        error = EngineError(f"'{self._owner}' cannot be loaded by vLLM: {reason}")
        self._end(error)
        self._opened.set_exception(error)

    def _end(self, error: EngineError) -> bool:
        """Refuses what waits and what will come; whether this was the first end."""
        with self._lock:
            if self._ended is not None:
                return False
            self._ended = error
            waiting, self._waiting = list(self._waiting.values()), {}
        for future in waiting:
            future.set_exception(error)
        return True

    def _finish(self) -> None:
        """Leaves no process, thread or pipe behind. May be called again."""
        self._kill()
        self._process.wait()
        for thread in (self._reader, self._log):
            thread.join(_CLOSING_SECONDS)
        with self._sending:
            self._asks.close()
        self._replies.close()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read_log(self) -> None:
        """Keeps the last lines of the log, for causes. Shown where the caller has set vLLM's level."""
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        with self._process.stdout as stream:
            for line in stream:
                self._lines.append(line.rstrip())
                log.log(self._shown, "vLLM: %s", self._lines[-1])


def _started() -> tuple[subprocess.Popen[str], Connection, Connection]:
    """Returns the process, the end to write to, and the end to read from."""
    asked, asks = os.pipe()
    replies, answered = os.pipe()
    path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)  # noqa: PTH109 - a string is needed
    quiet = {_LEVEL: "ERROR", "VLLM_NO_USAGE_STATS": "1"}  # unless the caller has said otherwise
    settings = quiet | dict(os.environ) | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-P", "-m", "ragvlc.engines.vllm.process", str(asked), str(answered)]
    try:
        process = subprocess.Popen(  # noqa: S603 - fixed words, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=settings,
            pass_fds=(asked, answered),
            start_new_session=True,  # Ctrl-C at the terminal is for the caller, who closes the engine
        )
    except BaseException:
        os.close(asks)
        os.close(replies)
        raise
    finally:
        os.close(asked)
        os.close(answered)
    return process, Connection(asks, readable=False), Connection(replies, writable=False)


def cause_in(lines: Iterable[str]) -> str:
    """Returns the last error in a log that is not a pointer to another one; nothing if there is none."""
    found = ""
    for line in lines:
        match = _RAISED.search(line)
        if match and not _POINTERS.search(line):
            found = match[2] or match[1]
    return found
