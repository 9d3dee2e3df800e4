"""The run that a route works in, with loaded models and indexes, and the abstract retriever and reranker."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol, TypeVar

from pydantic import Field

from ragvlc.core.answer import Answer, Finish
from ragvlc.core.component import Component
from ragvlc.core.data import ChunkSet, Document, Example, Hit, Query, Span
from ragvlc.core.engines import Generation, Reader, TextEngine, TextLimit, Tokenizer, VectorEngine
from ragvlc.core.parts import Chunker, Embedder, Generator

if TYPE_CHECKING:
    from ragvlc.core.engines import Arrays

__all__ = ["Engines", "Index", "Reranker", "Retriever", "Run"]

OpenedT = TypeVar("OpenedT")


class Retriever(Component):
    """Finds chunks for a query.

    Attributes:
        candidates: how deep the ranking goes before anything is ranked again or selected.
    """

    family: ClassVar[str] = "retrievers"
    candidates: Annotated[int, Field(ge=1)] = 50

    @abstractmethod
    def index(self, chunks: ChunkSet, run: Run) -> Index:
        """Returns a searchable index of the chunks. Arrays worth storing on disk go through `run.cached_arrays`."""


class Reranker(Component):
    """Ranks the candidates of a retriever again, with a more accurate score for each."""

    family: ClassVar[str] = "rerankers"

    @abstractmethod
    def rerank(self, query: Query, hits: Sequence[Hit], run: Run) -> list[Hit]:
        """Returns all or some of `hits`, best first, with the reranker's scores. Models come from `run.opened`."""

    def text_limit(self) -> TextLimit | None:
        """Returns how many tokens of question and passage are read, or None where only the loaded model knows."""
        return None


class Index(Protocol):
    """A searchable index that a retriever built from chunks."""

    def search(self, query: Query, n: int) -> list[Hit]:
        """Returns at most `n` hits, best first; hits with equal scores are in chunk order."""
        ...


class Engines(Protocol):
    """Loaded models for components that name a model in their own settings, such as metrics with a judge."""

    def text(self, generator: Generator) -> TextEngine:
        """Returns the loaded language model that `generator` specifies."""
        ...

    def vectors(self, embedder: Embedder) -> VectorEngine:
        """Returns the loaded embedding model that `embedder` specifies."""
        ...

    def tokenizer(self, generator: Generator) -> Tokenizer:
        """Returns the generator's tokenizer; loads no model weights."""
        ...

    def opened(self, part: Component, open_it: Callable[[], OpenedT]) -> OpenedT:
        """Returns the resource that `open_it` returns; equal components share one, which is closed with the pool."""
        ...


class Run(Protocol):
    """The run of one question: the models, chunks, indexes and rankings that a route may request.

    Results are computed once for equal inputs, and charged to each answer as if no other answer used them.
    """

    @property
    def gold(self) -> Example:
        """The example with its gold; raises an error unless the route declares `uses_gold`."""
        ...

    def seed_for(self, step: str, i: int = 0) -> int:
        """Returns a seed that depends on the cell's seed, the example, `step` and `i`, never on the order of work."""
        ...

    def generator(self, role: str = "main") -> Reader:
        """Returns the pipeline's generator with this role."""
        ...

    def embedder(self, role: str = "main") -> VectorEngine:
        """Returns the pipeline's loaded embedding model with this role."""
        ...

    def chunks(self, chunker: Chunker, documents: Sequence[Document], role: str = "main") -> ChunkSet:
        """Returns the chunks of the documents; sizes are counted by the tokenizer of the generator in this role."""
        ...

    def opened(self, part: Component, open_it: Callable[[], OpenedT]) -> OpenedT:
        """Returns the resource that `open_it` returns; equal components share one, which is closed with the pool."""
        ...

    def index(self, retriever: Retriever, chunks: ChunkSet) -> Index:
        """Returns the retriever's index of `chunks`, built once. Called by retrievers that combine other retrievers."""
        ...

    def search(self, retriever: Retriever, query: Query, chunks: ChunkSet) -> tuple[Hit, ...]:
        """Returns the retriever's candidates for `query`, best first."""
        ...

    def rerank(self, reranker: Reranker, query: Query, hits: Sequence[Hit]) -> tuple[Hit, ...]:
        """Returns the hits in the reranker's order, best first."""
        ...

    def cached_arrays(self, retriever: Retriever, chunks: ChunkSet, build: Callable[[], Arrays]) -> Arrays:
        """Returns the arrays from `build`, cached on disk by a hash of the retriever, its embedders and the chunks."""
        ...

    def step(self, name: str, **facts: Any) -> AbstractContextManager[dict[str, Any]]:  # noqa: ANN401 - JSON scalars
        """Opens a step of the trace and yields a mapping for further facts. Seconds and usage are recorded for it."""
        ...

    def answer(
        self,
        generation: Generation,
        *,
        ranking: Sequence[Hit] = (),
        context: Sequence[Span] = (),
        finish: Finish | None = None,
    ) -> Answer:
        """Returns the answer with all usage, timing and steps of this run."""
        ...
