"""Runs the command line in this process and judges what it did: the oracle of every fuzz target."""

from __future__ import annotations

import io
import logging
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = ["Outcome", "run_command"]

SECONDS = 60
"""A command over these small inputs that takes longer hangs."""
LONGEST = 1_200
"""Characters of one line of an error; the known kinds of a family are listed in some."""
_INNARDS = re.compile(
    r"Traceback \(most recent|\b(?:Key|Type|Attribute|Index|Name|Assertion|Recursion|ZeroDivision|Overflow|Unicode\w+)"
    r"Error\b|errors\.pydantic\.dev|validation errors? for|object has no attribute|NoneType|not subscriptable|"
    r"unhashable|unexpected keyword argument|positional argument|unsupported operand|not supported between instances|"
    r"is not iterable|<class '|object at 0x"
)
"""Words of Python about its own values, which say nothing to who gave a file."""


class _Hangs(BaseException):
    """A command did not end. No `Exception`, so that no handler of the product takes it for its own."""


@dataclass(frozen=True)
class Outcome:
    """What a command did.

    Attributes:
        code: its exit status; -1 if it ended with an exception.
        out: standard output.
        err: standard error.
        foreign: type of the exception that escaped, and the place in the product where it was raised; empty without.
        trace: its traceback.
        seconds: it took.
    """

    code: int
    out: str
    err: str
    foreign: str = ""
    trace: str = ""
    seconds: float = 0.0

    def fault(self, names: Sequence[str] = ()) -> str:
        """Returns what is wrong with the outcome in a few words, equal for equal faults; empty if nothing is.

        Args:
            names: of the damaged file; an error names one of them.
        """
        if self.foreign:
            return self.foreign
        if self.code not in (0, 1, 2):
            return f"exit status {self.code}"
        for text in (self.err, self.out):
            if found := _INNARDS.search(text):
                return f"shows Python's words: {found.group()}"
        return self._error_fault(names) if self.code == 2 else ""

    def _error_fault(self, names: Sequence[str]) -> str:
        lines = [line for line in self.err.splitlines() if line.startswith(("error: ", "Error: "))]
        if not any(line.partition(":")[2].strip() for line in lines):
            return "exit status 2 without a sentence"
        if any(len(line) > LONGEST for line in lines):
            return "an error of more than a sentence"
        # An error about the command's own words names these; every other one names the file.
        if names and not any(name in self.err for name in names) and not self.err.startswith("Usage:"):
            return "an error that does not name the file"
        return ""


def run_command(
    words: Sequence[str], folder: Path, environment: Mapping[str, str | None] | None = None, *, draws: bool = True
) -> Outcome:
    """Returns what `ragvlc WORDS` does in a folder, through the entry point of the command line.

    Args:
        words: its arguments.
        folder: the working directory.
        environment: variables; None for one that is not set.
        draws: whether figures are drawn, which takes most of the time of commands that do.
    """
    from ragvlc.cli.main import main

    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    code, foreign, trace = 0, "", ""
    started = time.monotonic()
    with _surroundings(words, folder, environment or {}, (out, err)), _deadline(), _drawing(draws):
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else -1
        except (Exception, _Hangs) as error:  # noqa: BLE001 - finding any is the aim
            code, foreign, trace = -1, f"{type(error).__name__} at {_place(error)}", traceback.format_exc()
    taken = time.monotonic() - started
    said = [stream.buffer.getvalue().decode("utf-8", "replace") for stream in (out, err)]  # type: ignore[attr-defined]
    return Outcome(code, said[0], said[1], foreign, trace, taken)


@contextmanager
def _surroundings(
    words: Sequence[str],
    folder: Path,
    environment: Mapping[str, str | None],
    streams: tuple[io.TextIOWrapper, io.TextIOWrapper],
) -> Iterator[None]:
    """Sets arguments, working directory, environment, streams and logging as in a process of its own."""
    before = (sys.argv, Path.cwd(), os.environ.copy(), sys.stdout, sys.stderr)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    sys.argv = ["ragvlc", *words]
    os.chdir(folder)
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    sys.stdout, sys.stderr = streams
    try:
        yield
    finally:
        sys.argv, sys.stdout, sys.stderr = before[0], before[3], before[4]
        os.chdir(before[1])
        os.environ.clear()
        os.environ.update(before[2])
        root.handlers[:] = handlers
        root.setLevel(level)


@contextmanager
def _drawing(draws: bool) -> Iterator[None]:
    """Makes matplotlib write empty files, unless figures are drawn."""
    from matplotlib.figure import Figure

    savefig = Figure.savefig

    def empty(figure: Figure, to: Any, **options: Any) -> None:
        if isinstance(to, io.StringIO):
            to.write("<svg></svg>")
        elif isinstance(to, io.BytesIO):
            to.write(b"<svg></svg>")
        else:
            Path(to).touch()

    if not draws:
        Figure.savefig = empty
    try:
        yield
    finally:
        Figure.savefig = savefig


@contextmanager
def _deadline() -> Iterator[None]:
    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's arguments
        raise _Hangs(f"did not end within {SECONDS} s")

    earlier = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)


def _place(error: BaseException) -> str:
    """Returns the innermost file and function of the product that the error passed through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/ragvlc/" in frame.filename]
    own = [frame for frame in frames if "/site-packages/" not in frame.filename]
    if not own:
        return "no place of the product"
    return f"{own[-1].filename.rpartition('/ragvlc/')[2]}:{own[-1].name}"
