"""The pool of loaded models and shared computations.

Only the pool holds accelerator memory: sixty cells with the same model load it once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Container
from typing import Any, Self, TypeVar, cast

from ragvlc import memory
from ragvlc.core.activity import doing
from ragvlc.core.component import Component
from ragvlc.core.engines import Closable, TextEngine, Tokenizer, VectorEngine, members, missing_from
from ragvlc.core.errors import EngineError
from ragvlc.core.families import Embedder, Generator
from ragvlc.memo.disk import Cache
from ragvlc.memo.once import Once

__all__ = ["EnginePool"]

WINDOWS = "windows"

OpenedT = TypeVar("OpenedT")


class EnginePool:
    """Loads each model once, and closes all models together.

    Args:
        cache: results of earlier runs on disk; by default those of this user.
        reuse: whether rankings, greedy answers and the like are read from it and written to it; data of indexes always
            are.

    Attributes:
        once: shared computations of everything that works with this pool.
        cache: that stores the indexes.
        reuse: as given.
        building: lock held while arrays are built, so that waiting for the embedder is not charged to an index.
    """

    def __init__(self, cache: Cache | None = None, *, reuse: bool = True) -> None:
        # Before torch starts its threads: they then sleep while they wait. Spinning, two busy processes on a small
        # machine slow each other down several times over.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        memory.budget()  # half of what is free before any model is loaded
        self.cache = cache or Cache()
        self.reuse = reuse
        self.once = Once(self.cache if reuse else None)
        self.building = threading.RLock()
        self._engines: dict[str, Any] = {}
        self._tokenizers: dict[str, Tokenizer] = {}
        self._lock = threading.RLock()

    def text(self, generator: Generator) -> TextEngine:
        """Returns the loaded language model that `generator` specifies."""

        def open_it() -> TextEngine:
            engine = _whole(generator, "open", generator.open(), TextEngine)
            if self.reuse and generator.lasting:
                self.cache.put(WINDOWS, generator.key, engine.window)
            return engine

        return self.opened(generator, open_it)

    def stored_window(self, generator: Generator) -> int | None:
        """Returns the generator's window as of the last time that it was open, in whatever run; None if unknown."""
        found = self.cache.get(WINDOWS, generator.key)
        return found if isinstance(found, int) else None

    def vectors(self, embedder: Embedder) -> VectorEngine:
        """Returns the loaded embedding model that `embedder` specifies."""
        return self.opened(embedder, lambda: _whole(embedder, "open", embedder.open(), VectorEngine))

    def opened(self, part: Component, open_it: Callable[[], OpenedT]) -> OpenedT:
        """Returns the resource that `open_it` returns; equal components share one, which is closed with the pool."""
        with self._lock:
            if part.key not in self._engines:
                with doing("opening models"):
                    self._engines[part.key] = _whole(part, "open", open_it(), Closable)
            return cast("OpenedT", self._engines[part.key])

    def holds(self, part: Component) -> bool:
        """Returns whether the component's model is open."""
        with self._lock:
            return part.key in self._engines

    def tokenizer(self, generator: Generator) -> Tokenizer:
        """Returns the generator's tokenizer; loads no model weights."""
        with self._lock:
            if generator.key not in self._tokenizers:
                self._tokenizers[generator.key] = _whole(generator, "tokenizer", generator.tokenizer(), Tokenizer)
            return self._tokenizers[generator.key]

    def close(self, only: Container[str] | None = None) -> None:
        """Closes the models of the components with these keys, or all models; the next use loads them again."""
        with self._lock:
            closed = [key for key in self._engines if only is None or key in only]
            engines: list[Closable] = [self._engines.pop(key) for key in closed]
        for engine in engines:
            engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _whole(part: Component, method: str, made: OpenedT, protocol: type) -> OpenedT:
    """Returns the object that a component's method made. Raises `EngineError` if that object lacks protocol members."""
    missing = missing_from(made, protocol)
    if not missing:
        return made
    if callable(close := getattr(made, "close", None)):
        close()
    owner = f"{part.family} kind '{part.kind}'" if part.family else part.kind
    what = "None" if made is None else f"a {type(made).__name__} without {' and '.join(missing)}"
    raise EngineError(
        f"{owner}: {method}() returned {what}. A {protocol.__name__} has {', '.join(members(protocol))}: "
        f"see {protocol.__module__}.{protocol.__name__}."
    )
