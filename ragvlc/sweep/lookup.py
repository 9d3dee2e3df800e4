"""Answers questions from the result cache alone: what it has needs no model, and a sweep that needs none opens none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Never, TypeVar, cast

from ragvlc.core.answer import Answer
from ragvlc.core.component import Component
from ragvlc.core.engines import Generation, Request, TextEngine, Tokenizer, VectorEngine
from ragvlc.core.errors import RagvlcError
from ragvlc.core.families import Embedder, Generator
from ragvlc.core.jobs import Counts, Job
from ragvlc.memo.once import Codec, Memoised, Once
from ragvlc.pipeline import Pipeline
from ragvlc.pool import EnginePool
from ragvlc.resources import Processes

__all__ = ["Lookup", "NotStored"]

OpenedT = TypeVar("OpenedT")


class NotStored(RagvlcError):
    """Raised for a value that would have to be computed. `stage` names it, such as `generate`."""

    def __init__(self, stage: str) -> None:
        super().__init__(f"not stored: {stage}")
        self.stage = stage


class Lookup:
    """Answers questions whose every part is stored; counts what it has found.

    Args:
        pool: whose cache and tokenizers are used; its models are not opened.
    """

    def __init__(self, pool: EnginePool) -> None:
        self._pool = _LookupPool(pool)
        self._processes = Processes()

    def answer(self, job: Job) -> Answer:
        """Returns the stored answer to a question, as the run would return it. Raises `NotStored` if there is none."""
        once = self._pool.once
        before = [Counter(one) for one in (once.asked, once.computed, once.stored)]
        try:
            pipeline = cast("Pipeline", job.pipeline)
            found = pipeline.answer_example(job.example, seed=job.seed, pool=self._pool)
        except Exception as error:
            once.asked, once.computed, once.stored = before
            if isinstance(error, NotStored):
                raise
            raise NotStored("answer") from error  # the run repeats the error, and makes a row of it
        return replace(found, memory={"process": self._processes.memory()})

    def counts(self) -> Counts:
        """Returns the counts of requests, computations and cache hits."""
        once = self._pool.once
        return Counts(dict(once.asked), dict(once.computed), dict(once.stored))


class _StoredOnce(Once):
    """Finds values in memory and on disk, and computes none."""

    def many(
        self,
        stage: str,
        keys: Sequence[str],
        compute: Callable[[list[int]], Sequence[Any]],  # noqa: ARG002 - the signature is inherited
        codec: Codec | None = None,
    ) -> list[Memoised]:
        """Returns the stored value for each key. Raises `NotStored` if one is missing."""

        def missing(places: list[int]) -> Never:  # noqa: ARG001 - called for any
            raise NotStored(stage)

        return super().many(stage, keys, missing, codec)

    def alone(self, stage: str, n: int = 1) -> None:  # noqa: ARG002 - the signature is inherited
        """Raises `NotStored`: what is computed without the memo is not stored."""
        raise NotStored(stage)


class _LookupPool(EnginePool):
    """A pool that opens no model."""

    def __init__(self, pool: EnginePool) -> None:
        super().__init__(pool.cache)
        self.once = _StoredOnce(self.cache)
        self._own = pool

    def text(self, generator: Generator) -> TextEngine:
        """Returns an engine that knows its window from earlier runs."""
        return _ClosedEngine(self._own, generator)

    def vectors(self, embedder: Embedder) -> VectorEngine:  # noqa: ARG002 - the signature is inherited
        """Raises `NotStored`."""
        raise NotStored("embed")

    def opened(self, part: Component, open_it: Callable[[], OpenedT]) -> OpenedT:  # noqa: ARG002 - inherited
        """Raises `NotStored`."""
        raise NotStored("open")

    def tokenizer(self, generator: Generator) -> Tokenizer:
        """Returns the generator's tokenizer."""
        return self._own.tokenizer(generator)


class _ClosedEngine:
    """Engine of a model that is not opened."""

    def __init__(self, pool: EnginePool, generator: Generator) -> None:
        self._pool = pool
        self._generator = generator

    @property
    def window(self) -> int:
        """The window as of the last time that the model was open. Raises `NotStored` if it is unknown."""
        window = self._pool.stored_window(self._generator)
        if window is None:
            raise NotStored("generate")
        return window

    def generate(self, requests: Sequence[Request]) -> list[Generation]:  # noqa: ARG002 - generates nothing
        """Raises `NotStored`."""
        raise NotStored("generate")

    def close(self) -> None:
        """Does nothing."""
