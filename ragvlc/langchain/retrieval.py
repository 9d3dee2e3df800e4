"""ragvlc's retrieval as a LangChain `BaseRetriever`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ragvlc import config
from ragvlc.core.component import Component, part
from ragvlc.core.data import Document, Example, Hit, Query
from ragvlc.core.errors import ConfigError, nearest
from ragvlc.core.families import Chunker, Embedder, Generator, Reranker, Retriever, Selector
from ragvlc.langchain.answering import AnsweringPipeline
from ragvlc.langchain.documents import from_langchain, passage
from ragvlc.pool import EnginePool
from ragvlc.reading.retrieving import Retrieving
from ragvlc.roles import Models
from ragvlc.routes.retrieve_only import RetrieveOnly
from ragvlc.run import LiveRun

if TYPE_CHECKING:
    from langchain_core.callbacks import CallbackManagerForRetrieverRun
    from langchain_core.documents import Document as LangChainDocument
    from langchain_core.retrievers import BaseRetriever

__all__ = ["as_retriever"]


class _Parts(Component):
    """The components of a retrieval, as written in a pipeline's YAML.

    Attributes:
        chunker: cuts the documents.
        retriever: ranks the chunks.
        reranker: ranks the best of them again.
        selector: limits the number of passages; all candidates without one.
        generators: by role; the tokenizer of `main` counts the sizes of chunks. Words and marks by default.
        embedders: by role.
    """

    chunker: Chunker = part("tokens")
    retriever: Retriever = part("bm25")
    reranker: Reranker | None = None
    selector: Selector | None = None
    generators: dict[str, Generator] = Field(default_factory=lambda: {"main": Generator.build("scripted")})
    embedders: dict[str, Embedder] = Field(default_factory=dict)


@dataclass(frozen=True)
class _Finder:
    """Retrieval over a fixed set of documents.

    Attributes:
        route: cuts and ranks.
        role: of the generator whose tokens measure chunks.
        selector: limits the number of passages.
        models: by role.
        pool: of the opened models and the index.
        documents: searched.
    """

    route: Retrieving
    role: str
    selector: Selector | None
    models: Models
    pool: EnginePool
    documents: tuple[Document, ...]

    def find(self, text: str, k: int | None) -> list[LangChainDocument]:
        """Returns the best `k` passages or, without `k`, those that the selector chooses."""
        query = Query("question", text)
        run = LiveRun(self.models, self.pool, Example(query, self.documents))
        _, hits = self.route.find(query, self.documents, run, role=self.role)
        chosen: Sequence[Hit] = hits[:k]
        if k is None and self.selector is not None:
            chosen = self.selector.select(hits, self.pool.tokenizer(self.models.generators[self.role]))
        return [passage(self.documents[hit.chunk.document_index], hit.chunk.span, score=hit.score) for hit in chosen]


def as_retriever(
    source: AnsweringPipeline | Mapping[str, Any],
    documents: Iterable[LangChainDocument | Document | str],
    *,
    route: str = "",
    k: int | None = None,
    pool: EnginePool | None = None,
) -> BaseRetriever:
    """Returns ragvlc's retrieval over `documents` as a LangChain retriever; the first question builds the index.

    The results are passages of the documents, best first, with the source document's own metadata and document_id,
    start, end (characters) and score.

    Args:
        source: a pipeline, or parts as in its YAML: `chunker`, `retriever`, `reranker`, `selector`, and `generators`
            and `embedders` by role. Chunks are measured in tokens of generator `main`; in words and marks without.
        documents: searched.
        route: which of the pipeline's routes to take the parts from; not needed if only one retrieves.
        k: the number of passages; by default those of the selector, or all candidates without one.
        pool: opened models to use. By default a pipeline's own, closed by `pipeline.close()`, and for parts a new one,
            closed by the retriever's `close()`.

    Raises:
        ConfigError: for parts that cannot be used, or a pipeline without such a route.
    """
    if k is not None and k < 1:
        raise ConfigError(f"k: {k} is not a number of passages. Give at least 1, or None.")
    searched = tuple(from_langchain(documents))
    own: EnginePool | None = None
    if isinstance(source, Mapping):
        parts = config.build(_Parts, source, "as_retriever")
        found: Retrieving = RetrieveOnly(chunker=parts.chunker, retriever=parts.retriever, reranker=parts.reranker)
        role, selector, models = "main", parts.selector, Models(parts.generators, parts.embedders)
        pool = pool or (own := EnginePool())
    else:
        found = _finding(source, route)
        role, selector = getattr(found, "generator", "main"), getattr(found, "selector", None)
        models = Models(source.generators, source.embedders)
        pool = pool or source.own_pool()
    _check_roles(found, models)
    return _retriever(_Finder(found, role, selector, models, pool, searched), k, own)


def _finding(pipeline: AnsweringPipeline, name: str) -> Retrieving:
    able = {name: route for name, route in pipeline.routes.items() if isinstance(route, Retrieving)}
    if name and name not in able:
        known = ", ".join(able) or "none"
        raise ConfigError(f"route: '{name}' is not a route that retrieves. Known: {known}.{nearest(name, able)}")
    if not name and len(able) != 1:
        raise ConfigError(f"route: name one of the routes that retrieve. Known: {', '.join(able) or 'none'}.")
    return able[name] if name else next(iter(able.values()))


def _check_roles(route: Retrieving, models: Models) -> None:
    tables: Mapping[str, Mapping[str, Generator | Embedder]]
    tables = {"generators": models.generators, "embedders": models.embedders}
    missing = [
        f"as_retriever: {route.retriever.kind} needs {table}.{role}. Known: {', '.join(tables[table]) or 'none'}."
        for table, role, _ in sorted(route.roles())
        if role not in tables[table]
    ]
    if missing:
        raise ConfigError(missing)


def _retriever(finder: _Finder, k: int | None, own: EnginePool | None) -> BaseRetriever:
    from langchain_core.retrievers import BaseRetriever

    class PipelineRetriever(BaseRetriever):
        k: int | None = None

        def _get_relevant_documents(
            self,
            query: str,
            *,
            run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - the library looks for the name
        ) -> list[LangChainDocument]:
            return finder.find(query, self.k)

        def close(self) -> None:
            """Frees the models that this retriever loaded itself."""
            if own is not None:
                own.close()

    return PipelineRetriever(k=k, name="ragvlc")
