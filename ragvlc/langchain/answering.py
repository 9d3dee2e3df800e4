"""The protocol that LangChain adapters need; `ragvlc.pipeline.Pipeline` implements it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ragvlc.core.answer import Answer
from ragvlc.core.data import Document, Query
from ragvlc.core.families import Embedder, Generator, Route
from ragvlc.pool import EnginePool

__all__ = ["AnsweringPipeline"]


class AnsweringPipeline(Protocol):
    """A pipeline as the adapters use it: models by role, routes by name, and answers."""

    @property
    def generators(self) -> Mapping[str, Generator]:
        """Language models by role."""
        ...

    @property
    def embedders(self) -> Mapping[str, Embedder]:
        """Embedding models by role."""
        ...

    @property
    def routes(self) -> Mapping[str, Route]:
        """Routes by name."""
        ...

    def answer(
        self, query: Query | str, documents: Sequence[Document], *, seed: int = 0, pool: EnginePool | None = None
    ) -> Answer:
        """Returns the pipeline's answer to a question over documents."""
        ...

    def own_pool(self) -> EnginePool:
        """Returns the pipeline's own pool of loaded models, which the pipeline closes itself."""
        ...
