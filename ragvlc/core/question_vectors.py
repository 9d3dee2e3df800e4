"""Vectors of questions, computed once for every index that an embedding model serves, and the time that this saves.

A question is ranked against one index for each chunk size, and its vector is the same for all of them. Each ranking is
charged what the vector cost when it was computed, so that no cell's seconds depend on which cell came first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

if TYPE_CHECKING:
    from ragvlc.core.engines import VectorEngine, Vectors

    Vectored = dict[str, Future[tuple[Vectors, float]]]

__all__ = ["VectorReuse", "question_vector", "searching"]

MOST_BYTES = 64 * 2**20
"""Of the vectors remembered for one model; the oldest are forgotten first."""


@dataclass(slots=True)
class VectorReuse:
    """What the search that this thread is making reuses.

    Attributes:
        anew: compute vectors anew, for measurements of time.
        saved: seconds that were not spent because vectors were remembered.
    """

    anew: bool
    saved: float = 0.0


_search: ContextVar[VectorReuse | None] = ContextVar("search", default=None)
_lock = threading.Lock()
_of_engines: WeakKeyDictionary[VectorEngine, Vectored] = WeakKeyDictionary()


@contextmanager
def searching(*, anew: bool) -> Iterator[VectorReuse]:
    """Makes the block this thread's search; what it saved is added up in the value."""
    search = VectorReuse(anew)
    token = _search.set(search)
    try:
        yield search
    finally:
        _search.reset(token)


def question_vector(engine: VectorEngine, text: str) -> Vectors:
    """Returns the question's unit vector, float32 of shape [1, dimensions], computed once for equal texts.

    It is computed outside a search, in one that works anew, and for engines that Python cannot refer to weakly.
    """
    search = _search.get()
    if search is None or search.anew or not _referable(engine):
        return engine.embed([text], side="query")
    begun = time.perf_counter()
    with _lock:
        remembered = _of_engines.setdefault(engine, {})
        known = remembered.get(text)
        if known is None:
            mine = remembered[text] = Future()
    if known is None:
        return _computed(engine, text, remembered, mine)
    vector, seconds = known.result()
    search.saved += seconds - (time.perf_counter() - begun)
    return vector


def _referable(engine: VectorEngine) -> bool:
    try:
        ref(engine)
        hash(engine)
    except TypeError:
        return False
    return True


def _computed(engine: VectorEngine, text: str, remembered: Vectored, mine: Future[tuple[Vectors, float]]) -> Vectors:
    begun = time.perf_counter()
    try:
        vector = engine.embed([text], side="query")
    except BaseException as error:
        with _lock:
            remembered.pop(text, None)
        mine.set_exception(error)  # to those who wait; the next one tries again
        raise
    mine.set_result((vector, time.perf_counter() - begun))
    with _lock:
        if len(remembered) * vector.nbytes > MOST_BYTES:
            del remembered[next(iter(remembered))]
    return vector
