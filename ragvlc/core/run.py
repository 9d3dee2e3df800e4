"""What a route may ask for while it works: the run, opened engines, indexes; and the parts that are given one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol, TypeVar

from pydantic import Field

from ragvlc.core.answer import Answer, Finish
from ragvlc.core.component import Component
from ragvlc.core.data import ChunkSet, Document, Example, Hit, Query, Span
from ragvlc.core.engines import Generation, Reader, TextEngine, Tokenizer, VectorEngine
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
        """Returns a searchable index. Arrays worth storing on disk go through `run.cached_arrays`."""


class Reranker(Component):
    """Ranks the candidates of a retriever again, by a closer look at each."""

    family: ClassVar[str] = "rerankers"

    @abstractmethod
    def rerank(self, query: Query, hits: Sequence[Hit], run: Run) -> list[Hit]:
        """Returns `hits` or some of them, best first, under scores of its own. Models come from `run.opened`."""


class Index(Protocol):
    """Something searchable that a retriever made of chunks."""

    def search(self, query: Query, n: int) -> list[Hit]:
        """Returns at most `n` hits, best first; equal scores in chunk order."""
        ...


class Engines(Protocol):
    """Opened models for parts that name a model in their own settings, such as metrics with a judge."""

    def text(self, generator: Generator) -> TextEngine:
        """Returns the opened language model."""
        ...

    def vectors(self, embedder: Embedder) -> VectorEngine:
        """Returns the opened embedding model."""
        ...

    def tokenizer(self, generator: Generator) -> Tokenizer:
        """Returns the generator's tokenizer; opens no weights."""
        ...

    def opened(self, part: Component, open_it: Callable[[], OpenedT]) -> OpenedT:
        """Returns what `open_it` returns, opened once for equal parts; its `close` is called in the end."""
        ...


class Run(Protocol):
    """One question on its way to an answer: what a route may ask for while it works.

    Everything asked for here is computed once for equal inputs and charged to each answer as if alone.
    """

    @property
    def gold(self) -> Example:
        """The example with its gold; raises unless the route declares `uses_gold`."""
        ...

    def seed_for(self, step: str, i: int = 0) -> int:
        """Returns a seed that depends on cell seed, example, step and i, never on the order of work."""
        ...

    def generator(self, role: str = "main") -> Reader:
        """Returns the generator that the pipeline calls `role`."""
        ...

    def embedder(self, role: str = "main") -> VectorEngine:
        """Returns the embedder that the pipeline calls `role`."""
        ...

    def chunks(self, chunker: Chunker, documents: Sequence[Document], role: str = "main") -> ChunkSet:
        """Returns the documents cut into chunks, sizes counted by the tokenizer of generator `role`."""
        ...

    def opened(self, part: Component, open_it: Callable[[], OpenedT]) -> OpenedT:
        """Returns what `open_it` returns, opened once for equal parts; its `close` is called in the end."""
        ...

    def index(self, retriever: Retriever, chunks: ChunkSet) -> Index:
        """Returns the retriever's index of `chunks`, made once: for retrievers that are made of others."""
        ...

    def search(self, retriever: Retriever, query: Query, chunks: ChunkSet) -> tuple[Hit, ...]:
        """Returns the retriever's candidates for `query`, best first."""
        ...

    def rerank(self, reranker: Reranker, query: Query, hits: Sequence[Hit]) -> tuple[Hit, ...]:
        """Returns the hits in the reranker's order, best first."""
        ...

    def cached_arrays(self, retriever: Retriever, chunks: ChunkSet, build: Callable[[], Arrays]) -> Arrays:
        """Returns `build()`, stored on disk under the content of retriever, its embedders and chunks."""
        ...

    def step(self, name: str, **facts: Any) -> AbstractContextManager[dict[str, Any]]:  # noqa: ANN401 - JSON scalars
        """Opens a step of the trace; the mapping it yields takes further facts. Seconds and usage are filled in."""
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
