"""Any LangChain vector store or retriever, either filled with the question's chunks or used with its existing corpus.

`langchain_core` says what such a class can do; integrations (`langchain-qdrant`, `langchain-elasticsearch`,
`langchain-postgres`, `langchain-chroma` ...) are packages of their own and are installed beside ragvlc.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from ragvlc.core.component import Component, Role
from ragvlc.core.data import ChunkSet, content_key
from ragvlc.core.engines import VectorEngine
from ragvlc.core.errors import EngineError
from ragvlc.core.families import Retriever
from ragvlc.core.run import Index, Run
from ragvlc.retrievers._embedding import embedded
from ragvlc.retrievers._langchain_passages import CorpusPassages, FilledPassages, StoreIndex
from ragvlc.retrievers._langchain_stores import (
    Opening,
    Scores,
    Source,
    adapted,
    exposed_secrets,
    find_store,
    guarded,
    put_in,
    variables,
)


class LangChain(Retriever):
    """Ranks chunks with a LangChain `VectorStore` or `BaseRetriever`.

    It works in one of two ways. Filled: the chunks of the question's documents go into a store, embedded by the
    pipeline's embedder, as with `dense`; every set of chunks needs a collection of its own in a store that outlives the
    run, which is what `{index}` in the arguments is for. Existing (`existing: true`): the store holds a corpus
    already, cut as it was cut, and only questions are embedded. An answer cites characters of the question's
    documents, so a passage counts if it occurs in one of them: its metadata say where (`document_id` or `source`,
    `start` or `start_index`), or its text is found there. Passages of other documents are left out, which ranks as a
    filter on the question's documents would; it is an error if no passage remains. Hits then have the bounds of the
    stored passages, whatever the chunker; take `whole` for it, since a passage cannot span white space that a
    chunker leaves out. A corpus that is not among the question's documents cannot be asked: give the questions the
    whole collection as documents (`scope: corpus`).

    As with `module:Class` elsewhere, naming a class imports its code. A store ranks exactly or approximately as its
    own settings say. Each search is sent the question with its options.

    Attributes:
        retriever: `module:Class` of a subclass of `VectorStore` or `BaseRetriever`.
        method: how to open it: one of its classmethods, such as `from_existing_collection` of Qdrant, or
            `constructor`. By default `from_texts` (or `from_documents`) where the chunks fill it, and the constructor
            where it exists. A method that takes no `texts` opens the store, which is then filled, if it is to be.
        arguments: what to open it with, as JSON. `{env: NAME}` is replaced by the environment variable, which is read
            when the store is opened, never stored and taken out of error messages; texts that look like secrets are
            refused. `{index}` inside a text becomes a name of 16 letters for the chunks and their vectors.
        existing: whether the store holds a corpus already.
        revision: a name for the state of an existing corpus, which cannot be detected: change it when the corpus
            changes, so that stored results of the old state are not reused.
        embedder: role of the model that the store embeds with, for an existing corpus the model that it was made
            with; null for a store that needs none. Not needed by classes that take no embedding.
        search: further arguments of each search of a store, such as `filter`, as JSON.
        scores: meaning of the store's scores: `similarity` (larger is better), `distance` (smaller is better, as from
            pgvector and Chroma), or `rank` to use none: the score is then 1 / place, as for retrievers and for stores
            without scores. Numbers that run against the ranking are an error.
        depth: the most passages of an existing corpus to search for those of the question's documents.
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # a refused secret must not be shown by the refusal

    version: ClassVar[int] = 1
    retriever: Annotated[str, Field(examples=["langchain_core.vectorstores.in_memory:InMemoryVectorStore"])]
    method: Literal["constructor"] | str | None = None  # noqa: PYI051 - the literal shows up in the schema
    arguments: Mapping[str, JsonValue] = Field(default_factory=dict)
    existing: bool = False
    revision: str = ""
    embedder: Annotated[str | None, Role("embedders", "VectorEngine")] = "main"
    search: Mapping[str, JsonValue] = Field(default_factory=dict)
    scores: Scores = "similarity"
    depth: Annotated[int, Field(ge=1)] = 1000

    @model_validator(mode="after")
    def _can_be_opened(self) -> Self:
        """Checks, without opening the store, that its class exists and accepts the arguments."""
        store = find_store(self.retriever)
        opening = Opening.of(store, self.method, existing=self.existing)
        wrong = [*opening.objections(self.arguments), *exposed_secrets(self.arguments), *exposed_secrets(self.search)]
        for value in (self.arguments, self.search):
            list(variables(value))  # raises for one that is misspelt
        if self.existing and opening.fills:
            wrong.append(f"method '{opening.method}' fills a store: an existing one is opened by another.")
        if self.existing and "{index}" in str(self.arguments):
            wrong.append("{index} names what is filled: an existing corpus has a name of its own.")
        if opening.needs_embedding and self.embedder is None:
            wrong.append(f"{store.__name__}.{opening.method} needs an embedder.")
        if self.search and not hasattr(store, "similarity_search"):
            wrong.append(f"search: {store.__name__} is a retriever and takes the question only: use `arguments`.")
        if wrong:
            raise PydanticCustomError("several", "{text}", {"text": " ".join(wrong), "each": tuple(wrong)})
        return self

    @property
    def lasting(self) -> bool:
        """Whether results may be cached; for an existing corpus, this requires a `revision`."""
        return not self.existing or bool(self.revision)

    def roles(self) -> frozenset[tuple[str, str, str]]:
        """Returns the embedder's role if the LangChain class takes an embedder, else no roles."""
        return super().roles() if self._embeds else frozenset()

    @property
    def _opening(self) -> Opening:
        return Opening.of(find_store(self.retriever), self.method, existing=self.existing)

    @property
    def _embeds(self) -> bool:
        return self.embedder is not None and self._opening.embedding is not None

    def index(self, chunks: ChunkSet, run: Run) -> Index:
        """Returns the search index. Vectors of filled chunks are cached on disk; an existing store is opened once.

        Raises:
            ConfigError: if an environment variable is not set.
            EngineError: if the store cannot be opened or filled.
        """
        if not chunks.chunks:
            return _Nothing()
        engine = run.embedder(str(self.embedder)) if self._embeds else None
        if not self.existing:
            return self._filled(chunks, run, engine)
        # Opened once for this embedder: the role's name alone does not identify the model.
        opened = run.opened(_Opened(retriever=self, engine=id(engine)), lambda: self._open({}, engine, {}, ""))
        with run.step("store", store=self.retriever, existing=True):
            return StoreIndex(opened, CorpusPassages(chunks), max(self.depth, self.candidates + 1))

    def _filled(self, chunks: ChunkSet, run: Run, engine: VectorEngine | None) -> Index:
        texts = [chunk.text for chunk in chunks.chunks]
        known: dict[str, Any] = {}
        name = content_key([self.key, chunks.key])
        facts: dict[str, int] = {}
        if engine is not None:
            # Outside any step: the run charges the cost of cached arrays to the open step.
            arrays = run.cached_arrays(self, chunks, lambda: embedded(texts, engine))
            known = dict(zip(dict.fromkeys(texts), arrays["vectors"], strict=True))
            name = hashlib.sha256(name.encode() + arrays["vectors"].tobytes()).hexdigest()
            facts = {
                "embedder_cut_chunks": int(arrays["cut_chunks"]),
                "embedder_dropped_tokens": int(arrays["dropped_tokens"]),
            }
        places = FilledPassages(chunks.chunks, name[:16], self.retriever)
        # Stable ids: filling a store again replaces what is there.
        ids = [str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name}/{place}")) for place in range(len(texts))]
        with run.step("store", store=self.retriever, chunks=len(texts), existing=False, **facts):
            content: dict[str, Sequence[Any]] = {"texts": texts, "metadatas": places.metadata(), "ids": ids}
            source = self._open(content, engine, known, places.name)
        known.clear()  # the store holds them now
        return StoreIndex(source, places, len(texts))

    def _open(
        self, content: Mapping[str, Sequence[Any]], engine: VectorEngine | None, known: Mapping[str, Any], index: str
    ) -> Source:
        """Returns the open store, filled with `content`."""
        opening, secrets = self._opening, set[str]()
        given: dict[str, Any] = put_in(self.arguments, index, secrets)
        search: dict[str, Any] = put_in(self.search, index, secrets)
        if engine is not None and opening.embedding is not None:
            given[opening.embedding] = adapted(engine, known)
        given |= opening.filling(content)
        opened = guarded(f"{self.retriever} cannot be opened", lambda: opening.call(**given), secrets)
        if not isinstance(opened, find_store(self.retriever)):
            raise EngineError(f"{self.retriever}: method '{opening.method}' returned a {type(opened).__name__}.")
        source = Source(self.retriever, opened, self.scores, search, secrets)
        if content and not opening.fills:
            source.fill(content["texts"], content["metadatas"], content["ids"])
        return source


class _Opened(Component):
    """The cache key of an open store: its settings and its embedding engine."""

    retriever: Retriever
    engine: int


class _Nothing:
    """An index without chunks, needed because most stores cannot be created empty."""

    def search(self, query: object, n: int) -> list[Any]:  # noqa: ARG002 - there is nothing to search
        """Returns no hits, because there are no chunks."""
        return []
