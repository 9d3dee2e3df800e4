"""Texts that an embedder or a reranker cannot read whole, found before anything runs and without loading a model.

Every route of a plan that retrieves is run as far as its ranking over the real documents, with engines that measure the
texts given to them and compute no vectors. So what is measured is what would be embedded, long units too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from ragvlc import packaged
from ragvlc.core.component import Component
from ragvlc.core.data import Chunk, ChunkSet, Document, Example, Hit, Query, content_key, documents_key
from ragvlc.core.engines import TextLimit, Tokenizer
from ragvlc.core.errors import MissingExtra
from ragvlc.core.families import Chunker, Embedder, Generator, Reranker, Retriever
from ragvlc.core.run import Index, Run
from ragvlc.documents.tokenizing import data_tokenizer
from ragvlc.reading.retrieving import Retrieving
from ragvlc.sweep.plan import Cell

if TYPE_CHECKING:
    from ragvlc.core.engines import Arrays, Vectors

__all__ = ["Cut", "cut_remarks", "cut_texts"]

MOST_CHARACTERS = 1_000_000
"""Characters of documents that are measured of one cell; a plan must not take minutes."""
MOST_IN_ALL = 4_000_000
"""Characters that are measured of all cells together."""
_WITHOUT_STORES = ("dense", "hybrid", "long_units")
"""Retrievers whose indexes cost nothing to build over no vectors."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Texts longer than the window of the model that reads them.

    Attributes:
        cells: names of the cells.
        model: the embedder or reranker, as a sentence names it.
        window: in its tokens.
        texts: how many were measured.
        cut: how many of them are longer.
        tokens: of all of them.
        dropped: tokens beyond the window.
        longest: tokens of the longest.
        size: the chunker's setting, if it has one.
    """

    cells: tuple[str, ...]
    model: str
    window: int
    texts: int
    cut: int
    tokens: int
    dropped: int
    longest: int
    size: int | None

    def sentence(self) -> str:
        """Returns the warning, with what to do."""
        cells = ", ".join(self.cells[:3]) + (f" and {len(self.cells) - 3} more" if len(self.cells) > 3 else "")
        smaller = "smaller chunks"
        if self.size is not None:
            smaller += f" (about size {max(1, self.size * self.window // self.longest)} fits)"
        return (
            f"{cells}: {self.cut:,} of {self.texts:,} texts ({self.cut / self.texts:.0%}) exceed the {self.window:,} "
            f"tokens of {self.model}; {self.dropped / self.tokens:.1%} of their tokens are not read. Use {smaller}, or "
            "a model with a longer window."
        )


def cut_remarks(cells: Sequence[Cell], examples: Mapping[str, Sequence[Example]]) -> list[str]:
    """Returns warnings on texts of a plan that its embedders and rerankers cannot read whole.

    Args:
        cells: of the plan.
        examples: of each data set, by its key.
    """
    memo = _Memo()
    found = [cut.sentence() for cut in cut_texts(cells, examples, memo)]
    if memo.partly:
        names = f"{len(memo.partly)} cells" if len(memo.partly) > 3 else ", ".join(memo.partly)
        found.append(
            f"{names}: only a part of the documents was measured against the windows of embedders; a run counts all."
        )
    return found


def cut_texts(cells: Sequence[Cell], examples: Mapping[str, Sequence[Example]], memo: _Memo | None = None) -> list[Cut]:
    """Returns the texts that are longer than the window of the model that reads them; equal ones of cells together."""
    measures: dict[str, list[Cut]] = {}
    names: dict[Cut, list[str]] = {}
    memo = memo or _Memo()
    for cell in cells:
        for route in filter(lambda one: isinstance(one, Retrieving), _every(cell.pipeline)):
            probe = _Probe(cell, memo)
            if not probe.measures(cast(Retrieving, route)):
                continue
            models = [embedder.key for embedder in cell.pipeline.embedders.values()]
            key = content_key([cell.dataset.key, route.key, *models])
            if key not in measures:
                measures[key] = probe.cuts(cast(Retrieving, route), examples[cell.dataset.key])
            for cut in measures[key]:
                names.setdefault(cut, []).append(cell.name)
    return [replace(cut, cells=tuple(dict.fromkeys(own))) for cut, own in names.items()]


def _every(part: Component) -> Iterator[Component]:
    yield part
    for child in part.parts():
        yield from _every(child)


@dataclass
class _Memo:
    """Tokenizers, chunks and lengths that several cells share."""

    partly: dict[str, None] = field(default_factory=dict)
    characters: int = 0
    tokenizers: dict[str, Tokenizer] = field(default_factory=dict)
    chunks: dict[str, ChunkSet] = field(default_factory=dict)
    lengths: dict[str, dict[tuple[str, str], int]] = field(default_factory=dict)


@dataclass
class _Measured:
    """Stands in for an embedding model: measures texts, and gives vectors of one number."""

    model: str
    limit: TextLimit
    known: dict[tuple[str, str], int]
    found: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def window(self) -> int:
        return self.limit.window

    def lengths(self, texts: Sequence[str], question: str = "") -> list[int]:
        new = [text for text in dict.fromkeys(texts) if (question, text) not in self.known]
        lengths = self.limit.lengths(new, question)
        self.known.update(zip([(question, text) for text in new], lengths, strict=True))
        own = [self.known[question, text] for text in texts]
        self.found.update(zip([(question, text) for text in texts], own, strict=True))
        return own

    def embed(self, texts: Sequence[str], *, side: str = "passage") -> Vectors:  # noqa: ARG002 - of a real engine
        import numpy as np

        return np.ones((len(texts), 1), dtype=np.float32)

    def embed_spans(self, texts: Sequence[str], spans: Sequence[Sequence[Any]], *, side: str = "passage") -> Any:  # noqa: ANN401, ARG002
        return [self.embed([""] * len(own)) for own in spans]

    def close(self) -> None:
        """Frees nothing."""

    def cut(self, size: int | None) -> Cut | None:
        lengths = list(self.found.values())
        over = [length - self.window for length in lengths if length > self.window]
        if not over:
            return None
        numbers = (self.window, len(lengths), len(over), sum(lengths), sum(over), max(lengths))
        return Cut((), self.model, *numbers, size)


@dataclass(frozen=True)
class _Counter:
    """Stands in for a generator whose tokens measure chunks."""

    tokenizer: Tokenizer
    window: int = sys.maxsize


class _Probe:
    """Stands in for the run of a question, as far as a ranking needs one."""

    def __init__(self, cell: Cell, memo: _Memo) -> None:
        self._name = cell.name
        self._pipeline = cell.pipeline
        self._memo = memo
        self._models: dict[str, _Measured | None] = {}

    def measures(self, route: Retrieving) -> bool:
        """Returns whether a model of known window reads the route's chunks."""
        roles = [name for table, name, _ in route.retriever.roles() if table == "embedders"]
        return any(self.embedder(name).window < sys.maxsize for name in roles) or (
            route.reranker is not None and self._reranker(route.reranker) is not None
        )

    def cuts(self, route: Retrieving, examples: Sequence[Example]) -> list[Cut]:
        """Returns the texts that are cut, one entry a model."""
        role = str(getattr(route, "role", None) or getattr(route, "generator", "main"))
        longest = max((example.query for example in examples), key=lambda query: len(query.search_text), default=None)
        free = min(MOST_CHARACTERS, MOST_IN_ALL - self._memo.characters)
        seen: set[str] = set()
        for example in examples:
            key = documents_key(example.documents)
            if key in seen or longest is None:
                continue
            seen.add(key)
            documents = []
            for document in example.documents:
                if free > 0:
                    documents.append(document)
                    free -= len(document.text)
                    self._memo.characters += len(document.text)
            if len(documents) < len(example.documents):
                self._memo.partly[self._name] = None
            if documents:
                route.find(longest, documents, cast(Run, self), role=role)
        size = getattr(route.chunker, "size", None)
        if route.chunker.kind == "whole":  # whole documents up to a stated length are cut on purpose
            stated = {role for role, one in self._pipeline.embedders.items() if getattr(one, "max_length", None)}
            self._models = {name: model for name, model in self._models.items() if name not in stated}
        return [cut for model in self._models.values() if model is not None and (cut := model.cut(size)) is not None]

    def _reranker(self, reranker: Reranker) -> _Measured | None:
        return self._of(f"reranker {reranker.key}", reranker, "reranker")

    def _of(self, name: str, part: Embedder | Reranker, word: str) -> _Measured | None:
        if name not in self._models:
            limit = part.text_limit()
            known = self._memo.lengths.setdefault(part.key, {})
            title = f"{word} '{getattr(part, 'model', part.kind)}'"
            self._models[name] = None if limit is None else _Measured(title, limit, known)
        return self._models[name]

    def embedder(self, role: str = "main") -> Any:  # noqa: ANN401 - as an engine
        return self._of(role, self._pipeline.embedders[role], "embedder") or _Measured("", _NoLimit(), {})

    def generator(self, role: str = "main") -> _Counter:
        return _Counter(self._tokenizer(role))

    def _tokenizer(self, role: str) -> Tokenizer:
        generator = self._pipeline.generators[role]
        if generator.key not in self._memo.tokenizers:
            self._memo.tokenizers[generator.key] = _tokenizer_of(generator)
        return self._memo.tokenizers[generator.key]

    def chunks(self, chunker: Chunker, documents: Sequence[Document], role: str = "main") -> ChunkSet:
        tokenizer = self._tokenizer(role)
        key = content_key([chunker.key, tokenizer.id, documents_key(documents)])
        if key not in self._memo.chunks:
            places = enumerate(documents)
            cut = (replace(chunk, document_index=i) for i, one in places for chunk in chunker.split(one, tokenizer))
            self._memo.chunks[key] = ChunkSet(key, tuple(cut))
        return self._memo.chunks[key]

    def search(self, retriever: Retriever, query: Query, chunks: ChunkSet) -> tuple[Hit, ...]:
        self.index(retriever, chunks)
        return tuple(_Chunks(chunks.chunks).search(query, retriever.candidates))

    def rerank(self, reranker: Reranker, query: Query, hits: Sequence[Hit]) -> tuple[Hit, ...]:
        model = self._reranker(reranker)
        if model is not None:
            model.lengths([hit.chunk.text for hit in hits], query.search_text)
        return tuple(hits)

    def index(self, retriever: Retriever, chunks: ChunkSet) -> Index:
        roles = [name for table, name, _ in retriever.roles() if table == "embedders"]
        if roles and retriever.kind in _WITHOUT_STORES:
            with suppress(MissingExtra):  # a plan needs no search library; the texts of its chunks are measured below
                retriever.index(chunks, cast(Run, self))
                return _Chunks(chunks.chunks)
        for role in roles:
            self.embedder(role).lengths([chunk.text for chunk in chunks.chunks])
        return _Chunks(chunks.chunks)

    def cached_arrays(self, retriever: Retriever, chunks: ChunkSet, build: Callable[[], Arrays]) -> Arrays:  # noqa: ARG002
        return build()

    @contextmanager
    def step(self, name: str, **facts: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401, ARG002
        yield dict(facts)


def _tokenizer_of(generator: Generator) -> Tokenizer:
    """Returns a tokenizer that cuts as the generator's does, without the model library where its file is here."""
    model = str(getattr(generator, "tokenizer_from", None) or getattr(generator, "model", ""))
    if model and packaged.local_file(model, "tokenizer.json") is not None:
        return cast(Tokenizer, data_tokenizer(model))
    return generator.tokenizer()


@dataclass(frozen=True)
class _NoLimit:
    window: int = sys.maxsize

    def lengths(self, texts: Sequence[str], question: str = "") -> list[int]:  # noqa: ARG002
        return [0] * len(texts)


@dataclass(frozen=True)
class _Chunks:
    """The first chunks, in place of a ranking."""

    chunks: Sequence[Chunk]

    def search(self, query: Query, n: int) -> list[Hit]:  # noqa: ARG002 - of a real index
        return [Hit(chunk, 0.0) for chunk in self.chunks[:n]]
