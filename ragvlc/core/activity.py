"""What this process is doing now, for a line of progress: reading documents, building indexes, asking models.

    with doing("reading documents"):
        ...
    current()                          # {"reading documents": 1}, by any thread

Work inside of other work counts alone: a model that is opened to build an index counts as opened.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["current", "doing"]

_lock = threading.Lock()
_of_threads: dict[int, list[str]] = {}


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Counts this thread as doing `what` until the block ends."""
    me = threading.get_ident()
    with _lock:
        _of_threads.setdefault(me, []).append(what)
    try:
        yield
    finally:
        with _lock:
            mine = _of_threads[me]
            mine.pop()
            if not mine:
                del _of_threads[me]


def current() -> dict[str, int]:
    """Returns the number of threads by what they are doing, the most frequent first."""
    with _lock:
        return dict(Counter(mine[-1] for mine in _of_threads.values()).most_common())
