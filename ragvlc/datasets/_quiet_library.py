"""The `datasets` library without its progress bars and its log of errors, which it raises as well."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ragvlc.core.texts import library_words

__all__ = ["quiet", "reason_of"]


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
