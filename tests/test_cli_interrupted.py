"""Ctrl-C when a library would show a traceback: in its log, in a finaliser, in a thread, while it lets go."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from ragvlc.cli.tracebacks import in_one_line
from ragvlc.core import interruption

COMMAND = """
import os, signal, sys, threading, time
from ragvlc.cli import main

def struck():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(20)

def app(**_):
{body}

main.app = app
main.main()
"""

POOL = """
    from sqlalchemy import create_engine, text
    from sqlalchemy.engine.default import DefaultDialect
    with create_engine("sqlite://").connect() as connection:
        connection.execute(text("select 1"))
        connection.commit()
        DefaultDialect.do_rollback = lambda self, connection: struck()
"""
FINALISER = """
    class Connection:
        def __del__(self):
            struck()
    Connection()
    time.sleep(20)
"""
THREAD = """
    from ragvlc.core import interruption
    thread = threading.Thread(target=interruption.pause, args=(20,))
    thread.start()
    struck()
"""
LATE = """
    from ragvlc.core import interruption
    def end():
        try:
            interruption.pause(20)
        finally:
            time.sleep(0.4)
    thread = threading.Thread(target=end)
    thread.start()
    struck()
"""
LETTING_GO = """
    try:
        struck()
    finally:
        raise RuntimeError("close() cannot be called now")
"""
SENTENCE = """
    from ragvlc.core.errors import StoreError
    try:
        struck()
    except KeyboardInterrupt:
        raise StoreError("the store is locked")
"""
STUBBORN = """
    from sqlalchemy import create_engine, text
    from sqlalchemy.engine.default import DefaultDialect
    while True:
        try:
            with create_engine("sqlite://").connect() as connection:
                connection.execute(text("select 1"))
                connection.commit()
                DefaultDialect.do_rollback = lambda self, connection: struck()
                threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()
        except KeyboardInterrupt:
            time.sleep(20)
"""
TWICE_LOST = """
    threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()
    class Connection:
        def __del__(self):
            struck()
    while True:
        try:
            Connection()
            time.sleep(20)
        except KeyboardInterrupt:
            pass
"""


def ended(body: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", COMMAND.format(body=body)],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        **options,
    )


@pytest.mark.parametrize("body", [POOL, FINALISER, THREAD, LATE, LETTING_GO, SENTENCE])
def test_ctrl_c_inside_a_library_is_one_sentence_and_status_130(body: str) -> None:
    began = time.monotonic()
    done = ended(body, stdout=subprocess.DEVNULL)
    assert done.returncode == 130, done.stderr
    assert "interrupted. Run the same command again to continue." in done.stderr
    assert "Traceback" not in done.stderr
    assert "error: " not in done.stderr
    assert time.monotonic() - began < 18, "nothing waits for the end of the work"


@pytest.mark.parametrize("body", [STUBBORN, TWICE_LOST])
def test_a_second_ctrl_c_inside_a_library_ends_at_once(body: str) -> None:
    done = ended(body, stdout=subprocess.DEVNULL)
    assert done.returncode == 130, done.stderr
    assert "ended at once. Run the same command again to continue." in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_reaches_both_ends_of_a_pipe() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        done = ended("    print('x' * 100)\n    struck()", stdout=pipe)
    assert done.returncode == 130
    assert done.stderr.strip() == "interrupted. Run the same command again to continue."


def test_other_errors_of_threads_finalisers_and_logs_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken:
        def __del__(self) -> None:
            raise ValueError("not closed\nin two lines")

    def work() -> None:
        raise LookupError("no \x1b[2J key")

    with in_one_line(lambda: None, lambda: False):
        thread = threading.Thread(target=work, name="worker")
        thread.start()
        thread.join()
        Broken()
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "warning: the thread worker ended by LookupError: no ␛[2J key"
    assert said[1].endswith("ValueError: not closed")
    assert len(said) == 2


def test_a_log_record_with_an_error_says_it_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    import logging

    log = logging.getLogger("a library")
    with in_one_line(lambda: None, lambda: False):
        log.error("connection %d", 7, exc_info=OSError("the pool is closed"))
        log.warning("100 % sure")
    first, second = caplog.records
    assert (first.getMessage(), first.exc_info) == ("connection 7 (OSError: the pool is closed)", None)
    assert second.getMessage() == "100 % sure"


def test_outside_the_command_line_tracebacks_stay() -> None:
    before = (threading.excepthook, sys.unraisablehook)
    with in_one_line(lambda: None, lambda: False):
        assert threading.excepthook is not before[0]
    assert (threading.excepthook, sys.unraisablehook) == before


@pytest.mark.parametrize("interrupted", [True, False])
def test_a_tracker_that_fails_because_it_is_interrupted_is_no_outage(interrupted: bool) -> None:
    from ragvlc.sweep.tracking import Tracking

    tracking = Tracking.__new__(Tracking)
    tracking._reason, tracking._tracked = "", object()  # type: ignore[assignment]

    def fail(_: object) -> None:
        raise OSError("the session is closing")

    with interruption.scope():
        if interrupted:
            interruption.request()
            with pytest.raises(interruption.Interrupted):
                tracking._try(fail)
        else:
            assert not tracking._try(fail)
    assert bool(tracking._reason) is not interrupted
