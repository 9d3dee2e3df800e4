"""Reads files within limits: regular files only, of bounded size, of bounded size when decompressed."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import IO
from zipfile import BadZipFile, ZipFile, ZipInfo

from ragvlc.core.errors import DatasetError
from ragvlc.core.limits import DECOMPRESSED_BYTES, DECOMPRESSED_RATIO, DOCUMENT_BYTES, LINE_BYTES

__all__ = ["check_members", "file_bytes", "file_lines", "file_pieces", "member_lines", "member_pieces"]

_PIECE = 1 << 20
_SMALL = 10_000_000  # content that no ratio makes dangerous


def file_bytes(path: Path) -> bytes:
    """Returns the content of a file, decompressed where its name ends in `.gz`.

    Raises:
        OSError: it cannot be opened or read, or its compression is damaged.
        DatasetError: it is no regular file, or larger than a limit; the message says how to raise it.
    """
    size = _regular_size(path)
    if size > DOCUMENT_BYTES.value:
        raise DatasetError(f"{path}: has {size:,} bytes. {DOCUMENT_BYTES.advice()}")
    if path.suffix != ".gz":
        return path.read_bytes()
    with gzip.open(path) as file:
        return b"".join(_decompressed(iter(lambda: _read(file, _PIECE), b""), path, size))


def file_lines(path: Path) -> Iterator[bytes]:
    """Yields the lines of a file, each with its line feed, decompressed where its name ends in `.gz`.

    Raises:
        OSError: it cannot be opened or read, or its compression is damaged.
        DatasetError: it is no regular file, or a line or the content is larger than a limit.
    """
    size = _regular_size(path)
    if path.suffix != ".gz":
        with path.open("rb") as file:
            yield from _lines(file, path)
        return
    with gzip.open(path) as file:
        yield from _decompressed(_lines(file, path), path, size)


def file_pieces(path: Path) -> Iterator[bytes]:
    """Yields the content of a file in pieces, decompressed where its name ends in `.gz`; it may have any size.

    Raises:
        OSError: it cannot be opened or read, or its compression is damaged.
        DatasetError: it is no regular file, or its content is larger than a limit when decompressed.
    """
    size = _regular_size(path)
    if path.suffix != ".gz":
        with path.open("rb") as file:
            yield from iter(lambda: _read(file, _PIECE), b"")
        return
    with gzip.open(path) as file:
        yield from _decompressed(iter(lambda: _read(file, _PIECE), b""), path, size)


def member_lines(archive: Path, member: str) -> Iterator[bytes]:
    """Yields the lines of a member of a zip archive, each with its line feed. Raises as `file_lines` does."""
    with _member(archive, member) as file:
        yield from _lines(file, archive / member)


def member_pieces(archive: Path, member: str) -> Iterator[bytes]:
    """Yields the content of a member of a zip archive in pieces. Raises as `file_pieces` does."""
    with _member(archive, member) as file:
        yield from iter(lambda: _read(file, _PIECE), b"")


@contextmanager
def _member(archive: Path, member: str) -> Iterator[IO[bytes]]:
    """Opens a member of a zip archive, which is never larger than the archive says and the limits allow."""
    _regular_size(archive)
    try:
        with ZipFile(archive) as opened:
            facts = opened.getinfo(member)
            check_members([facts], facts.compress_size, f"{archive / member}")
            with opened.open(facts) as file:
                yield file
    except (BadZipFile, RuntimeError, NotImplementedError) as error:  # damaged, encrypted, or of another method
        raise OSError(f"the archive is damaged or encrypted: {error}") from error


def check_members(members: Iterable[ZipInfo], size: int, name: str) -> None:
    """Raises `DatasetError` if the members of a zip archive of `size` bytes are too large when decompressed."""
    total = sum(member.file_size for member in members)
    if total > _content_limit(size):
        raise _too_much(total, name, size)


def _regular_size(path: Path) -> int:
    facts = path.stat()
    if not S_ISREG(facts.st_mode):
        raise DatasetError(f"{path}: is no regular file.")
    return facts.st_size


def _read(file: IO[bytes] | gzip.GzipFile, size: int) -> bytes:
    try:
        return file.read(size)
    except (EOFError, zlib.error, BadZipFile) as error:
        raise OSError(f"its compression is damaged: {error}") from error


def _lines(file: IO[bytes] | gzip.GzipFile, path: Path) -> Iterator[bytes]:
    limit = LINE_BYTES.value
    number = 0
    while True:
        try:
            line = file.readline(limit + 1)
        except (EOFError, zlib.error, BadZipFile) as error:
            raise OSError(f"its compression is damaged: {error}") from error
        if not line:
            return
        number += 1
        if len(line) > limit:
            raise DatasetError(f"{path}: line {number}: has over {limit:,} bytes. {LINE_BYTES.advice()}")
        yield line


def _decompressed(pieces: Iterable[bytes], path: Path, size: int) -> Iterator[bytes]:
    """Yields the pieces; stops with an error as soon as they are more than the limits allow."""
    total, allowed = 0, _content_limit(size)
    for piece in pieces:
        total += len(piece)
        if total > allowed:
            raise _too_much(total, str(path), size)
        yield piece


def _content_limit(size: int) -> int:
    """Returns how many bytes a file of `size` compressed bytes may hold."""
    return min(DECOMPRESSED_BYTES.value, max(_SMALL, size * DECOMPRESSED_RATIO.value))


def _too_much(total: int, name: str, size: int) -> DatasetError:
    if total > DECOMPRESSED_BYTES.value:
        return DatasetError(f"{name}: holds over {total - 1:,} bytes when decompressed. {DECOMPRESSED_BYTES.advice()}")
    return DatasetError(
        f"{name}: {size:,} compressed bytes hold over {total - 1:,} bytes, as in a file made to fill the memory. "
        f"{DECOMPRESSED_RATIO.advice()}"
    )
