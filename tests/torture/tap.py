"""A tap on the file operations of a process: counts those under a folder, and lets a fault strike at one of them.

Python's own layer only (`open`, `os`, `FileIO`): what SQLite does in C is not seen.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["ERRORS", "Fault", "Tap", "failing", "short", "signalling"]

ERRORS = ("ENOSPC", "EDQUOT", "EIO", "EROFS", "EACCES")

Half = Callable[[], Any] | None
Fault = Callable[[Callable[[], Any], Half], Any]
"""Takes an operation, and for a write also one that writes half of it; returns the result of the operation."""


def signalling(number: int, when: str, again: float | None = None) -> Fault:
    """Returns a fault that sends this process a signal `before` an operation, `half` through it, or `after` it.

    Args:
        number: of the signal.
        when: in relation to the operation; `half` is `before` for operations other than writes.
        again: seconds after which the signal is sent a second time, from another thread.
    """

    def fault(call: Callable[[], Any], half: Half) -> Any:
        if when == "half" and half is not None and number == signal.SIGKILL:
            half()
        result = call() if when == "after" else None
        if again is not None:
            threading.Thread(target=_later, args=(number, again), daemon=True).start()
        os.kill(os.getpid(), number)
        return result if when == "after" else call()

    return fault


def _later(number: int, seconds: float) -> None:
    time.sleep(seconds)
    os.kill(os.getpid(), number)


def failing(name: str) -> Fault:
    """Returns a fault that fails an operation with an error of the operating system; half of a write is done."""

    def fault(call: Callable[[], Any], half: Half) -> Any:
        if half is not None and name in ("ENOSPC", "EDQUOT"):
            half()
        number = getattr(errno, name)
        raise OSError(number, os.strerror(number))

    return fault


def short(call: Callable[[], Any], half: Half) -> Any:
    """Writes half, and says so, as a system call may; does all of any other operation."""
    return half() if half is not None else call()


@dataclass
class Tap:
    """The operations under a folder, and when a fault strikes.

    Attributes:
        folder: operations elsewhere are not counted.
        at: number of the operation at which the fault strikes; 0 for none.
        fault: what happens.
        lasting: whether it strikes at all later operations, too.
        only: names of operations to strike; all by default.
        seen: names and places of the operations so far.
    """

    folder: Path
    at: int = 0
    fault: Fault | None = None
    lasting: bool = False
    only: tuple[str, ...] = ()
    seen: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._prefix = str(self.folder.resolve()) + os.sep
        self._lock = threading.Lock()
        self._open = builtins.open

    def open_up(self) -> None:
        """Puts the tap into this process."""
        builtins.open = io.open = self._opened  # type: ignore[assignment]
        for name in ("replace", "rename", "unlink", "remove", "mkdir", "rmdir", "truncate", "open"):
            setattr(os, name, self._around(name, getattr(os, name)))
        for name in ("fsync", "ftruncate"):
            setattr(os, name, self._around_descriptor(name, getattr(os, name)))

    def do(self, name: str, place: object, call: Callable[[], Any], half: Half = None) -> Any:
        """Does an operation, or lets the fault do it."""
        path = _absolute(place)
        if not path.startswith(self._prefix):
            return call()
        with self._lock:
            self.seen.append((name, path))
            number = len(self.seen)
        strikes = number == self.at or (self.lasting and 0 < self.at <= number)
        if self.fault is None or not strikes or (self.only and name not in self.only):
            return call()
        return self.fault(call, half)

    def _around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        return lambda path, *rest, **named: self.do(name, path, lambda: call(path, *rest, **named))

    def _around_descriptor(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def tapped(descriptor: Any, *rest: Any) -> Any:
            number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
            return self.do(name, Path(f"/proc/self/fd/{number}").readlink(), lambda: call(descriptor, *rest))

        return tapped

    def _opened(self, file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **named: Any) -> Any:
        if not _absolute(file).startswith(self._prefix):
            return self._open(file, mode, buffering, *rest, **named)
        if not set(mode) & set("wax+"):
            return self.do("read", file, lambda: self._open(file, mode, buffering, *rest, **named))
        plain = mode.replace("b", "").replace("t", "")
        raw = self.do("create", file, lambda: _TappedFile(os.fspath(file), plain, self))
        if buffering == 0:
            return raw
        binary = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return binary if "b" in mode else io.TextIOWrapper(binary, *rest, **named)


def _absolute(place: object) -> str:
    """Returns the absolute path of a place; empty for what is no path, such as a descriptor."""
    return os.path.abspath(os.fspath(place)) if isinstance(place, str | os.PathLike) else ""  # noqa: PTH100


class _TappedFile(io.FileIO):
    def __init__(self, path: str, mode: str, tap: Tap) -> None:
        super().__init__(path, mode)
        self._tap = tap

    def write(self, data: Any, /) -> int:
        """Writes, and returns the number of bytes."""
        whole = bytes(data)
        done: int = self._tap.do(
            "write",
            self.name,
            lambda: super(_TappedFile, self).write(whole),
            lambda: super(_TappedFile, self).write(whole[: max(1, len(whole) // 2)]),
        )
        return done

    def truncate(self, size: int | None = None, /) -> int:
        """Cuts the file to a size."""
        done: int = self._tap.do("truncate", self.name, lambda: super(_TappedFile, self).truncate(size))
        return done
