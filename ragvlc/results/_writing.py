"""Whole lines or none, and errors of a file system in one sentence."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ragvlc.core.errors import StoreError

__all__ = ["explained", "replacing", "write_line"]

_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})


def write_line(file: IO[bytes], line: bytes) -> None:
    """Appends a line to an unbuffered file; if a part of it cannot be written, takes the other part back."""
    start = os.fstat(file.fileno()).st_size
    left = memoryview(line)
    try:
        while left:
            left = left[file.write(left) or 0 :]
    except OSError:
        os.ftruncate(file.fileno(), start)
        raise


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Opens a new file that takes the place of `path` at the end, when it is on the disk; on an error, nothing changes.

    For one process at a time: the new file has a fixed name, so that those of killed processes do not add up.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Waits until the new name is on the disk, too, where folders can be opened."""
    if os.name == "nt":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def explained(place: Path) -> Iterator[None]:
    """Turns an error of the file system into a `StoreError` that says what is safe and what to do."""
    try:
        yield
    except OSError as error:
        remedy = "Make room" if error.errno in _FULL else "Allow writing, or choose another folder with --runs"
        raise StoreError(
            f"{place}: cannot be written: {error.strerror or error}. Rows written before are safe. {remedy}, and "
            "run the same command again: it asks only what is missing."
        ) from error
