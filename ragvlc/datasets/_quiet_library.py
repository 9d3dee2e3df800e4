"""The `datasets` library without its progress bars, its log of errors, which it raises as well, and its crashes."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ragvlc.core.errors import DatasetError
from ragvlc.core.texts import library_words

__all__ = ["check_json", "decoded", "quiet", "reason_of"]

_NULL = re.compile(rb"(\[\s*)?null\s*[,\]]?")


def check_json(*places: Path) -> None:
    """Raises `DatasetError` for a `null` in the place of a row, which ends the process in the library's own reader.

    Args:
        places: files of JSON or of JSON lines, and folders with some; others are not looked at.
    """
    for place in places:
        inside = sorted(place.rglob("*.json*")) if place.is_dir() else [place]
        for file in (one for one in inside if one.suffix in (".json", ".jsonl") and one.is_file()):
            _check_rows(file)


def _check_rows(file: Path) -> None:
    opening = True  # nothing but white space and the bracket of a list so far
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                text = line.strip(b" \t\r\n\xef\xbb\xbf")
                if text == b"null" or (opening and _NULL.match(text)):
                    raise DatasetError(f"{file}: line {number}: null is no row. Take it out.")
                opening = opening and text in (b"", b"[")
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror or error}") from error


@contextmanager
def decoded(source: str) -> Iterator[None]:
    """Opens a scope that reads rows: the library decodes texts late, and accepts bytes that are no text before."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise DatasetError(f"{source}: holds bytes that are no UTF-8: {error.object[error.start :][:8]!r}.") from error


@contextmanager
def quiet(library: Any) -> Iterator[None]:  # noqa: ANN401 - a module without types
    """Opens a scope in which the library prints nothing."""
    bars, verbosity = library.are_progress_bars_disabled(), library.logging.get_verbosity()
    library.disable_progress_bars()
    library.logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        library.logging.set_verbosity(verbosity)
        if not bars:
            library.enable_progress_bars()


def reason_of(error: Exception) -> str:
    """Returns why the library cannot load a data set: what it wraps says more than the wrapping."""
    return library_words(error.__cause__ if isinstance(error.__cause__, Exception) else error)
