"""Child processes of the torture: the command line, forked from a process that has imported it once. POSIX only."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

__all__ = ["Child", "Ended", "preload", "start", "start_call"]

LONGEST = 120.0
"""Seconds after which a child counts as hanging, and is killed."""

Prepare = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended.

    Attributes:
        code: exit status, negative for a signal.
        said: its standard output and error.
        hung: whether it had to be killed after the longest time.
    """

    code: int
    said: str
    hung: bool = False

    @property
    def traceback(self) -> bool:
        """Whether it showed a traceback."""
        return "Traceback (most recent call last)" in self.said


@dataclass(frozen=True, slots=True)
class Child:
    """A running child process."""

    pid: int
    log: Path

    def signal(self, number: int) -> bool:
        """Sends a signal; returns whether the child was still at work. It must not have been waited for."""
        if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return False
        os.kill(self.pid, number)
        return True

    def wait(self, longest: float = LONGEST) -> Ended:
        """Waits for the end of the child."""
        until, hung = time.monotonic() + longest, False
        while True:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            if found:
                said = self.log.read_text(encoding="utf-8", errors="replace")
                return Ended(os.waitstatus_to_exitcode(status), said, hung)
            if not hung and time.monotonic() > until:
                hung = True
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.004)


_USED = (
    *("bm25s", "jinja2", "matplotlib.pyplot", "openai", "pandas", "psutil"),
    *(f"ragvlc.{name}" for name in ("analysis.page", "cli.main", "executors.local", "progress", "sweep.runner")),
    *(f"ragvlc.{name}" for name in ("chunkers.tokens", "datasets.jsonl", "retrievers.bm25", "trackers.none")),
    *(f"ragvlc.generators.{name}" for name in ("openai_compatible", "scripted")),
    *(f"ragvlc.metrics.{name}" for name in ("contains", "exact_match", "token_f1")),
    *(f"ragvlc.routes.{name}" for name in ("full_context", "retrieve")),
)
_TRACKING = ("mlflow.store.tracking.sqlalchemy_store", "ragvlc.trackers.mlflow")


def preload(*, mlflow: bool) -> None:
    """Imports what children need, so that each starts in milliseconds."""
    os.environ |= {"MPLBACKEND": "Agg", "MLFLOW_DISABLE_TELEMETRY": "true"}
    for name in (*_USED, *(_TRACKING if mlflow else ())):
        import_module(name)
    gc.freeze()


def start(words: Sequence[str], folder: Path, prepare: Prepare = lambda: None, *, figures: bool = False) -> Child:
    """Starts `ragvlc WORDS` in a folder, with the result cache in it.

    Args:
        words: of the command line.
        folder: working directory; the cache is its `store`, and the output goes to its `logs`.
        prepare: called in the child before the command.
        figures: whether `run` and `track` make the report's page and figures, which take longer than a short sweep.
    """

    def command() -> None:
        sys.argv = ["ragvlc", *words]
        from ragvlc.cli import main, running

        if not figures:
            running.files_of = lambda results: {}
            running.print_report = lambda results, baseline: None
        main.main()

    return start_call(command, folder, prepare)


def start_call(call: Callable[[], object], folder: Path, prepare: Prepare = lambda: None) -> Child:
    """Starts a function in a child process, in a folder as `start` does."""
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{len(list(logs.iterdir())):03d}.log"
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Child(pid, log)
    code = 70
    try:
        _enter(folder, log, {"RAGVLC_STORE": str(folder / "store")})
        prepare()
        call()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001 - shown, and found in the output
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _enter(folder: Path, log: Path, environment: Mapping[str, str]) -> None:
    from ragvlc.memo import disk

    os.chdir(folder)
    os.environ.update(environment)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    disk._PROCESS = uuid.uuid4().hex[:12]  # of its own, as in a process that was not forked
    for number in (signal.SIGINT, signal.SIGTERM):  # as in a command line that starts
        signal.signal(number, signal.SIG_DFL)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(target, 1)
    os.dup2(target, 2)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
