"""The exception hierarchy. Every error that ragvlc raises on purpose is a `RagvlcError`.

RagvlcError
├── ConfigError       a YAML file or a spec that cannot be used; carries every problem found, not the first
│   └── SetupError        models or servers that do not work, found before the first question
├── MissingExtra      an optional library that is not installed; names the extra
├── EngineError       a model that failed to open or to answer
│   ├── ConnectionFailed  a server that could not be reached
│   └── WindowExceeded    a prompt longer than the window, where the policy is to refuse
├── DatasetError      data that cannot be read; names file and line
└── StoreError        a results folder that cannot be read or written
    └── DerivedError      a file in it that is made from rows, data and setup, and can be made anew

An error says where, what, the known choices, the nearest guess, and what to do.
"""

from __future__ import annotations

import difflib
import errno
import traceback
from collections.abc import Iterable, Sequence
from typing import Never

__all__ = [
    "ConfigError",
    "ConnectionFailed",
    "DatasetError",
    "DerivedError",
    "EngineError",
    "MissingExtra",
    "RagvlcError",
    "SetupError",
    "StoreError",
    "WindowExceeded",
    "lacks_resources",
    "missing_extra",
    "nearest",
    "raised_at",
]


_LACKING = frozenset(
    getattr(errno, name)
    for name in ("ENOMEM", "EAGAIN", "EMFILE", "ENFILE", "ENOSPC", "EDQUOT", "EIO")
    if hasattr(errno, name)
)


class RagvlcError(Exception):
    """Base class of all ragvlc errors. `transient` says whether trying again later may help."""

    transient: bool = False


def lacks_resources(error: BaseException) -> bool:
    """Returns whether the machine lacked memory, threads, files or disk, so that the same work may succeed later."""
    if isinstance(error, OSError):
        return error.errno in _LACKING
    return isinstance(error, MemoryError) or (type(error) is RuntimeError and str(error) == "can't start new thread")


class ConfigError(RagvlcError):
    """A configuration file or spec that cannot be used.

    Attributes:
        problems: one sentence each, in the order found.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class MissingExtra(RagvlcError):
    """An optional library that is not installed."""


class EngineError(RagvlcError):
    """A model that failed to load or to answer."""

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient


class WindowExceeded(EngineError):
    """A prompt that does not fit its model's window, where truncation is refused or cannot help."""


class ConnectionFailed(EngineError):
    """A server that could not be reached: no connection, or one that ended without a response."""


class SetupError(ConfigError):
    """Models or servers that a run needs and that do not work; found before the first question, one line for each."""


class DatasetError(RagvlcError):
    """A data set or document that cannot be read."""

    @property
    def sentences(self) -> list[str]:
        """One for each problem; a head that only counts them (`FILE: 4 problems`) gives each the name of its file."""
        head, *rest = str(self).splitlines() or [""]
        file, _, count = head.rpartition(": ")
        if not rest or not count.endswith(" problems"):
            return [line.strip() for line in (head, *rest)]
        name = file.replace("\\", "/").rpartition("/")[2]
        return [line.strip() if line.strip().startswith("... ") else f"{name}: {line.strip()}" for line in rest]


class StoreError(RagvlcError):
    """A results folder that cannot be read or written."""


class DerivedError(StoreError):
    """A file that is made from a sweep's rows, data and setup, and that cannot be read: it can be made anew."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Returns `" Nearest: x."` for the known word closest to `word`, or an empty string if none is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Nearest: {close[0]}." if close else ""


def raised_at(error: BaseException, file: str = "") -> str:
    """Returns the file and line of an error; if the error passed through `file`, the innermost line of `file`."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen")]
    own = [frame for frame in frames if frame.filename == file] or frames
    return f"{own[-1].filename}, line {own[-1].lineno}" if own else "no line known"


def missing_extra(library: str, extra: str, error: ImportError) -> Never:
    """Raises `MissingExtra` with the command that installs `library`."""
    raise MissingExtra(f"{library} is not installed. Install it with: pip install 'ragvlc[{extra}]'") from error
