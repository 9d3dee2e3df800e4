"""Client of a vLLM engine in a separate process group, shared by all threads of this process.

In this process, vLLM would fork a process full of threads, or import the caller's script a second time. Apart from it,
its log, its environment variables and its event loop do not mix with the caller's; its Python code does not compete
with threads that search and tokenise here; and whatever ends this process, `kill -9` too, ends the engine with it,
which vLLM's own child processes do not ensure.
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

from ragvlc.core import interruption
from ragvlc.core.errors import EngineError
from ragvlc.engines.vllm.messages import (
    AbortGeneration,
    CloseEngine,
    EngineFailure,
    EngineReady,
    GenerationReply,
    OpenEngine,
    StartGeneration,
)

__all__ = ["EngineProcess", "cause_in"]

log = logging.getLogger("ragvlc")

_POLL_SECONDS = 0.5
_CLOSE_TIMEOUT = 30.0
_INTERRUPTED_TIMEOUT = 1.0
_LOG_LINES = 1000
_RAISED = re.compile(r"(?:^|[\s\]])((?:\w+\.)*\w*(?:Error|Exception|Interrupt))(?:: (.*))?$")
_REFERS_TO_LOG = re.compile(
    "initialization failed|EngineCore encountered|EngineDeadError|CancelledError|See stack trace"
)
_LEVEL = "VLLM_LOGGING_LEVEL"


class EngineProcess:
    """Client of the vLLM engine's process, usable from many threads.

    Args:
        arguments: of vLLM's engine.
        model_name: for errors.

    Raises:
        EngineError: the model cannot be loaded; with the cause.
    """

    def __init__(self, arguments: Mapping[str, Any], *, model_name: str) -> None:
        self._model_name = model_name
        self._lock = threading.Lock()
        self._sending = threading.Lock()  # a pipe is not thread-safe: two messages at once would be mixed
        self._numbers = itertools.count()
        self._waiting: dict[int, Future[GenerationReply]] = {}
        self._ready: Future[EngineReady] = Future()
        self._error: EngineError | None = None
        self._log_lines: deque[str] = deque(maxlen=_LOG_LINES)
        self._log_level = logging.INFO if _LEVEL in os.environ else logging.DEBUG
        self._process, self._requests, self._replies = _start_process()
        self._log = threading.Thread(target=self._read_log, name="ragvlc-vllm-log", daemon=True)
        self._reader = threading.Thread(target=self._read, name="ragvlc-vllm", daemon=True)
        self._log.start()
        self._reader.start()
        try:
            self._send(OpenEngine(dict(arguments)))
            self.window = interruption.result(self._ready).window
        except BaseException:
            self._clean_up()
            raise

    @property
    def process_group(self) -> int:
        """The id of the engine's process group."""
        return self._process.pid

    def run(self, requests: Iterable[tuple[list[int], Mapping[str, Any], str | None]]) -> list[GenerationReply]:
        """Returns one reply per request (prompt, sampling, cache salt), in order; all are sent to the engine together.

        Raises the error of the first that failed; a transient `EngineError` if the engine died.
        """
        messages = [StartGeneration(next(self._numbers), *request) for request in requests]
        futures: list[Future[GenerationReply]] = [Future() for _ in messages]
        with self._lock:
            if self._error is not None:
                raise self._error
            self._waiting.update((message.number, future) for message, future in zip(messages, futures, strict=True))
        try:
            for message in messages:
                self._send(message)
            return [interruption.result(future) for future in futures]
        except BaseException:
            self._abort([message.number for message in messages])
            raise

    def close(self) -> None:
        """Ends the engine and frees its memory; waiting threads get an error."""
        if self._refuse(EngineError(f"The engine of '{self._model_name}' is closed.")):
            self._send(CloseEngine())
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_INTERRUPTED_TIMEOUT if interruption.requested() else _CLOSE_TIMEOUT)
        self._clean_up()

    def _send(self, message: object) -> None:
        # A broken pipe is left to the reader thread, which knows the cause.
        with self._sending, contextlib.suppress(OSError):
            self._requests.send(message)

    def _abort(self, numbers: Sequence[int]) -> None:
        with self._lock:
            left = [number for number in numbers if self._waiting.pop(number, None) is not None]
        for number in left:
            self._send(AbortGeneration(number))

    def _read(self) -> None:
        """Delivers the engine's messages to the waiting threads until the process has ended."""
        while True:
            try:
                while not self._replies.poll(_POLL_SECONDS):
                    # Its child processes hold the pipe open too, so the end of the process may not close it.
                    if self._process.poll() is not None and not self._replies.poll(0):
                        raise EOFError  # noqa: TRY301 - one way out for both
                message = self._replies.recv()
            except (EOFError, OSError):
                break
            if isinstance(message, EngineReady):
                self._ready.set_result(message)
            elif isinstance(message, GenerationReply):
                self._done(message.number, message)
            elif isinstance(message, EngineFailure) and message.number is not None:
                self._done(message.number, EngineError(f"'{self._model_name}' failed in vLLM: {message.message}"))
            elif isinstance(message, EngineFailure):
                self._process_died(message.message)
        self._process_died("")

    def _done(self, number: int, outcome: GenerationReply | EngineError) -> None:
        with self._lock:
            future = self._waiting.pop(number, None)
        if future is None:
            return
        if isinstance(outcome, GenerationReply):
            future.set_result(outcome)
        else:
            future.set_exception(outcome)

    def _process_died(self, message: str) -> None:
        """Ends the rest of the process group, and raises the cause in every waiting thread."""
        with self._lock:
            if self._error is not None:
                return
        self._kill()
        self._process.wait()
        self._log.join(_CLOSE_TIMEOUT)  # its last lines have the cause
        cause = message or cause_in(self._log_lines)
        if self._ready.done():
            why = f": {cause}" if cause else f" (exit status {self._process.returncode})"
            self._refuse(
                EngineError(f"The vLLM engine of '{self._model_name}' has died{why}. Try again.", transient=True)
            )
            return
        reason = cause or f"its process ended with status {self._process.returncode}"
        error = EngineError(f"'{self._model_name}' cannot be loaded by vLLM: {reason}")
        self._refuse(error)
        self._ready.set_exception(error)

    def _refuse(self, error: EngineError) -> bool:
        """Raises `error` in waiting threads and in later calls; returns False if the engine had already failed."""
        with self._lock:
            if self._error is not None:
                return False
            self._error = error
            waiting, self._waiting = list(self._waiting.values()), {}
        for future in waiting:
            future.set_exception(error)
        return True

    def _clean_up(self) -> None:
        """Ends processes and threads, and closes the pipes; may be called more than once."""
        self._kill()
        self._process.wait()
        # The threads before the pipes: they read from them.
        for thread in (self._reader, self._log):
            thread.join(_CLOSE_TIMEOUT)
        with self._sending:
            self._requests.close()
        self._replies.close()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read_log(self) -> None:
        """Stores the last lines of vLLM's log, which show causes of errors; copies all lines to this process's log."""
        assert self._process.stdout is not None  # noqa: S101 - a pipe, see `_start_process`
        with self._process.stdout as stream:
            for line in stream:
                self._log_lines.append(line.rstrip())
                log.log(self._log_level, "vLLM: %s", self._log_lines[-1])


def _start_process() -> tuple[subprocess.Popen[str], Connection, Connection]:
    """Starts the engine's process; returns the process, the pipe to write to, and the pipe to read from."""
    child_requests, requests = os.pipe()
    replies, child_replies = os.pipe()
    # The caller's import path, with "" as the current folder; -P below adds no other folder to it.
    path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)  # noqa: PTH109 - a string is needed
    quiet = {_LEVEL: "ERROR", "VLLM_NO_USAGE_STATS": "1"}  # unless the caller has said otherwise
    settings = quiet | dict(os.environ) | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-P", "-m", "ragvlc.engines.vllm.process", str(child_requests), str(child_replies)]
    try:
        process = subprocess.Popen(  # noqa: S603 - fixed words, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=settings,
            pass_fds=(child_requests, child_replies),
            start_new_session=True,  # Ctrl-C at the terminal is for the caller, who closes the engine
        )
    except BaseException:
        os.close(requests)
        os.close(replies)
        raise
    finally:
        # The child's ends: as long as this process holds them, a dead child would not break the pipes.
        os.close(child_requests)
        os.close(child_replies)
    return process, Connection(requests, readable=False), Connection(replies, writable=False)


def cause_in(lines: Iterable[str]) -> str:
    """Returns a log's last error message that does not refer to another error; empty if there is none."""
    found = ""
    for line in lines:
        match = _RAISED.search(line)
        if match and not _REFERS_TO_LOG.search(line):
            found = match[2] or match[1]
    return found
