"""Opened models, held once each, and computations done once for each distinct input.

The pool is the only place that holds accelerator memory: sixty cells that name one model load it once.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, cast

from ragvlc import packaged
from ragvlc.core.component import Component
from ragvlc.core.engines import TextEngine, Tokenizer, VectorEngine
from ragvlc.core.families import Embedder, Generator

if TYPE_CHECKING:
    from ragvlc.core.engines import Arrays

__all__ = ["ArrayStore", "EnginePool", "Found", "Once"]

log = logging.getLogger("ragvlc")

OpenedT = TypeVar("OpenedT")


class _Closable(Protocol):
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Found:
    """A computed value. `reused`: another asker computed it."""

    value: Any
    reused: bool


LARGE: Mapping[str, int] = MappingProxyType({"chunk": 256, "index": 256})
"""Stages whose values hold whole documents' texts or vectors, and how many of them are kept in memory."""


class Once:
    """Computes each distinct input once, however many threads ask for it at the same time, and counts both.

    The values asked for least recently are forgotten beyond `capacity` for each stage, or what `large` says of it.

    Attributes:
        asked: requests by stage.
        computed: computations by stage.
    """

    def __init__(self, capacity: int = 20_000, *, large: Mapping[str, int] = LARGE) -> None:
        self._capacity = capacity
        self._large = large
        self._lock = threading.Lock()
        self._futures: dict[str, OrderedDict[str, Future[Any]]] = {}
        self.asked: Counter[str] = Counter()
        self.computed: Counter[str] = Counter()

    def get(self, stage: str, key: str, compute: Callable[[], Any]) -> Found:
        """Returns the value under `key`, computed by `compute` if nobody has."""
        return self.many(stage, [key], lambda _: [compute()])[0]

    def many(self, stage: str, keys: Sequence[str], compute: Callable[[list[int]], Sequence[Any]]) -> list[Found]:
        """Returns a value for each key; `compute` gets the places that nobody has computed and returns their values.

        An error reaches every thread that waits for the value and is then forgotten, so that a later call tries again.
        """
        futures, mine = self._claim(stage, keys)
        if mine:
            try:
                values = compute(mine)
                if len(values) != len(mine):
                    message = f"{len(mine)} values of '{stage}' were to be computed, {len(values)} came back"
                    raise ValueError(message)  # noqa: TRY301 - waiting threads must hear of it too
            except BaseException as error:
                self._forget(stage, [keys[place] for place in mine])
                for place in mine:
                    futures[place].set_exception(error)
                raise
            for place, value in zip(mine, values, strict=True):
                futures[place].set_result(value)
        own = set(mine)
        return [Found(future.result(), place not in own) for place, future in enumerate(futures)]

    def _claim(self, stage: str, keys: Sequence[str]) -> tuple[list[Future[Any]], list[int]]:
        futures, mine = [], []
        with self._lock:
            kept = self._futures.setdefault(stage, OrderedDict())
            self.asked[stage] += len(keys)
            for place, key in enumerate(keys):
                future = kept.get(key)
                if future is None:
                    future = kept[key] = Future()
                    mine.append(place)
                else:
                    kept.move_to_end(key)
                futures.append(future)
            self.computed[stage] += len(mine)
            while len(kept) > self._large.get(stage, self._capacity):
                kept.popitem(last=False)
        return futures, mine

    def _forget(self, stage: str, keys: Sequence[str]) -> None:
        with self._lock:
            self.computed[stage] -= len(keys)
            for key in keys:
                self._futures[stage].pop(key, None)


class ArrayStore:
    """Named numpy arrays on disk, one file a key. Writers replace whole files, so readers never see half of one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str, build: Callable[[], Arrays]) -> Arrays:
        """Returns the arrays kept under `key`, built and kept if absent or unreadable (the archive has checksums)."""
        import numpy as np

        path = self._folder / key[:2] / f"{key}.npz"
        if path.exists():
            try:
                with np.load(path, allow_pickle=False) as kept:
                    return {name: kept[name] for name in kept.files}
            except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
                log.warning("%s is damaged (%s); it is built again", path, error)
        arrays = build()
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(descriptor, "wb") as file:
            np.savez(file, allow_pickle=False, **dict(arrays))
        Path(name).replace(path)
        return arrays


class EnginePool:
    """Opens each model once and closes all of them together.

    Attributes:
        once: shared computations of everything that works with this pool.
        arrays: indexes kept on disk.
        building: held by whoever builds arrays, so that waiting for the embedder is no cost of an index.
    """

    def __init__(self, arrays: Path | None = None) -> None:
        # Before torch starts its threads: they then sleep while they wait. Spinning, two busy processes on a small
        # machine slow each other down several times over.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        self.once = Once()
        self.building = threading.RLock()
        self.arrays = ArrayStore(arrays or packaged.cache_folder() / "indexes")
        self._engines: dict[str, Any] = {}
        self._tokenizers: dict[str, Tokenizer] = {}
        self._lock = threading.RLock()

    def text(self, generator: Generator) -> TextEngine:
        """Returns the opened language model."""
        return self.opened(generator, generator.open)

    def vectors(self, embedder: Embedder) -> VectorEngine:
        """Returns the opened embedding model."""
        return self.opened(embedder, embedder.open)

    def opened(self, part: Component, open_it: Callable[[], OpenedT]) -> OpenedT:
        """Returns what `open_it` returns, opened once for equal parts; its `close` is called in the end."""
        with self._lock:
            if part.key not in self._engines:
                self._engines[part.key] = open_it()
            return cast("OpenedT", self._engines[part.key])

    def tokenizer(self, generator: Generator) -> Tokenizer:
        """Returns the generator's tokenizer; opens no weights."""
        with self._lock:
            if generator.key not in self._tokenizers:
                self._tokenizers[generator.key] = generator.tokenizer()
            return self._tokenizers[generator.key]

    def close(self) -> None:
        """Closes every opened model."""
        with self._lock:
            engines: list[_Closable] = list(self._engines.values())
            self._engines.clear()
        for engine in engines:
            engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
