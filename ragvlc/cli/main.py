"""Entry point of the command-line interface. Invalid input causes one clear error and exit status 2, not a traceback.

Exit status: 0 complete, 1 a cell stopped, answers are pending or something was not sent to the tracker, 2 bad input, or
a model, server or cluster that does not work, 130 interrupted (143 by SIGTERM).
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

# Each module adds its commands.
from ragvlc.cli import (
    asking,
    benchmarks,
    estimating,
    exporting,
    fitting,
    questions,
    rankings,
    reading,
    replaying,
    reviewing,
    running,
    starting,
    tools,
    verifying,
)
from ragvlc.cli.app import app
from ragvlc.cli.examples import add_examples
from ragvlc.cli.interrupting import handled_signals, received
from ragvlc.core.errors import ConfigError, RagvlcError, lacks_resources
from ragvlc.core.texts import visible

__all__ = [
    "asking",
    "benchmarks",
    "estimating",
    "exporting",
    "fitting",
    "main",
    "questions",
    "rankings",
    "reading",
    "replaying",
    "reviewing",
    "running",
    "starting",
    "tools",
    "verifying",
]


_LOUDNESS = frozenset({"-q", "-v", "--quiet", "--verbose"})

add_examples(app)


class _Visible(logging.Formatter):
    """Formats log messages so that a terminal obeys nothing in them."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


def main() -> None:
    """Runs the command-line interface."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_Visible("%(message)s"))
    logging.getLogger("ragvlc").setLevel(logging.INFO)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # half a surrogate pair in a text must not end the program
            stream.reconfigure(errors="backslashreplace")
    try:
        _run()
    except (MemoryError, RuntimeError) as error:
        if not lacks_resources(error):
            raise
        sys.stderr.write(
            f"error: {visible(str(error)) or 'out of memory'}: free some memory or processes, or lower "
            "`concurrency`. Stored results are safe: run the same command again to continue.\n"
        )
        sys.exit(2)
    except KeyboardInterrupt:  # while signals begin or cease to be handled
        received.leave()


def _run() -> None:
    """Runs the command; what users can mend is one sentence."""
    with handled_signals() as signals:
        try:
            app(args=_loudness_first(sys.argv[1:]), prog_name="ragvlc")
        except BaseException as error:
            # After a signal every end is its work: libraries turn it into an exit, or fail while they let go.
            if signals.first or isinstance(error, KeyboardInterrupt):
                signals.leave()
            _explain(error)
            raise


def _loudness_first(words: list[str]) -> list[str]:
    """Returns the words with `-v` and `-q` before the command, which may also be written after it."""
    end = words.index("--") if "--" in words else len(words)
    first = [word for word in words[:end] if word in _LOUDNESS]
    return first + [word for word in words[:end] if word not in _LOUDNESS] + words[end:]


def _explain(error: BaseException) -> None:
    """Ends the process with one sentence if the error is one that users can mend."""
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    problems: Sequence[str] = ()
    if isinstance(error, ConfigError):
        problems = error.problems
    elif isinstance(error, RagvlcError):
        problems = [str(error)]
    elif isinstance(error, OSError):  # a disk, a folder or a permission: its words are those of the system
        place = f"{error.filename}: " if error.filename else ""
        problems = [f"{place}{error.strerror or error}"]
    else:
        return
    for problem in problems:
        sys.stderr.write(f"error: {visible(problem)}\n")
    sys.exit(2)
