"""Stubs for models that a dry run does not load; they choose passages at random, since only sizes matter."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zlib import crc32

from pydantic import Field, PrivateAttr

from ragvlc import packaged
from ragvlc.core.answer import Answer
from ragvlc.core.component import Component
from ragvlc.core.data import Chunk, ChunkSet, Hit, Query
from ragvlc.core.families import Embedder, Reranker, Retriever
from ragvlc.core.paths import walk
from ragvlc.core.run import Index, Run
from ragvlc.engines.remote.estimated_tokenizer import EstimatedTokenizer
from ragvlc.engines.scripted.word_vectors import vectors_of_words
from ragvlc.packaged.model_json import model_mapping, positive
from ragvlc.pipeline import Pipeline
from ragvlc.reading.escalation import Verdict, Wrapper
from ragvlc.sweep.settings import Changer

if TYPE_CHECKING:
    from tokenizers import Tokenizer as FastTokenizer

    from ragvlc.core.engines import Vectors

__all__ = ["CountedVectors", "StubReranker", "StubRetriever", "StubWrapper", "with_stubs"]

_OUTSIDE = "langchain"
_DIMENSIONS = 64
_COMPARED = 1000  # characters: enough to tell passages apart


class StubRetriever(Retriever):
    """Ranks chunks in a repeatable random order, in place of stores that an estimate neither fills nor queries.

    Attributes:
        original: key of the retriever in whose place it ranks.
    """

    original: str

    def index(self, chunks: ChunkSet, run: Run) -> Index:  # noqa: ARG002 - needs none
        """Returns an index that holds the chunks without any model."""
        return _StubIndex(chunks)


@dataclass(frozen=True, slots=True)
class _StubIndex:
    chunks: ChunkSet

    def search(self, query: Query, n: int) -> list[Hit]:
        """Returns `n` chunks in a repeatable random order."""
        return _by_chance(query, self.chunks.chunks)[:n]


class StubReranker(Reranker):
    """Ranks hits in a repeatable random order, in place of rerankers with models of their own.

    Attributes:
        original: key of the reranker in whose place it ranks.
        keep: how many hits remain; all by default.
    """

    original: str
    keep: Annotated[int | None, Field(ge=1)] = None
    _read: list[int] = PrivateAttr(default_factory=list)

    @property
    def tokens(self) -> int:
        """Estimated tokens of all pairs of question and passage that were ranked so far."""
        return sum(self._read)

    def rerank(self, query: Query, hits: Sequence[Hit], run: Run) -> list[Hit]:  # noqa: ARG002 - needs none
        """Returns the hits in a repeatable random order."""
        estimate = EstimatedTokenizer()
        asked = estimate.count(query.search_text)
        self._read.append(sum(asked + estimate.count(hit.chunk.text) for hit in hits))
        return _by_chance(query, [hit.chunk for hit in hits])[: self.keep]


class StubWrapper(Wrapper):
    """Asks both routes for every question, since a filler answer does not show whether to escalate.

    Attributes:
        original: key of the wrapper in whose place it asks.
    """

    original: str

    def verdict(self, answer: Answer) -> Verdict:  # noqa: ARG002 - a filler says nothing
        """Returns a verdict that always escalates to the second route."""
        return Verdict(True, "counted as if every question went on")


def with_stubs(pipeline: Pipeline) -> tuple[Pipeline, list[str]]:
    """Returns the pipeline with stubs in place of components that load models or stores, and the replaced kinds."""
    changes: dict[str, Component] = {}
    kinds: list[str] = []
    for path, part in walk(pipeline):
        if isinstance(part, Wrapper):
            changes[path] = StubWrapper(original=part.key, first=part.first, then=part.then)
            continue
        if isinstance(part, Retriever) and part.kind == _OUTSIDE:
            changes[path] = StubRetriever(original=part.key, candidates=part.candidates)
        elif isinstance(part, Reranker) and not part.roles():
            changes[path] = StubReranker(original=part.key, keep=getattr(part, "keep", None))
        else:
            continue
        kinds.append(part.kind)
    if not changes:
        return pipeline, []
    changed, _ = Changer[Pipeline]("estimate").change(pipeline, changes)
    return changed, kinds


def _by_chance(query: Query, chunks: Sequence[Chunk]) -> list[Hit]:
    texts = [f"{query.search_text}\0{chunk.text}".encode("utf-8", "surrogatepass") for chunk in chunks]
    hits = [Hit(chunk, crc32(text) / 2**32) for chunk, text in zip(chunks, texts, strict=True)]
    return sorted(hits, key=lambda hit: -hit.score)


class CountedVectors:
    """An embedding engine without a model that counts each text once; vectors are computed from words.

    Texts are counted by the embedder's own tokenizer where its files are on this machine, else estimated.

    Attributes:
        lengths_embedded: tokens of each distinct text, queries and passages, cut to the window, in order.
        counting: whether texts are counted now.
        exact: whether the embedder's own tokenizer counts.
    """

    def __init__(self, embedder: Embedder) -> None:
        spec = embedder.spec()
        model = str(spec.get("model") or "")
        self._tokenizer = _fast_tokenizer(packaged.local_file(model, "tokenizer.json"))
        self._estimate = EstimatedTokenizer()
        self._prompts = {side: str(spec.get(f"{side}_prompt") or "") for side in ("query", "passage")}
        extension = spec.get("extension")
        extended = 8 * (extension.get("window") or 512) if extension else None  # where its model says more: too low
        self._window = int(spec.get("max_length") or extended or _own_window(model))
        self._seen: set[tuple[str, int]] = set()
        self.lengths_embedded: list[int] = []
        self.counting = True
        self.exact = self._tokenizer is not None

    @property
    def window(self) -> int:
        """The maximum number of tokens per text; longer texts are truncated."""
        return self._window

    def embed(self, texts: Sequence[str], *, side: str = "passage") -> Vectors:
        """Returns unit vectors, as float32 of shape [texts, 64]."""
        self._count(texts, side, self._window)
        return _vectors(texts)

    def embed_spans(
        self, texts: Sequence[str], spans: Sequence[Sequence[tuple[int, int]]], *, side: str = "passage"
    ) -> list[Vectors]:
        """Returns one vector for each span; each text is counted at its full length, even beyond the window."""
        self._count(texts, side, sys.maxsize)
        return [_vectors([text[a:b] for a, b in parts]) for text, parts in zip(texts, spans, strict=True)]

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Returns 0 for each text, since truncation affects no other figure and counting takes time."""
        return [0] * len(texts)

    def close(self) -> None:
        """Does nothing, since no model is loaded."""

    def _count(self, texts: Sequence[str], side: str, window: int) -> None:
        if self.counting:
            new = [text for text in dict.fromkeys(texts) if (side, hash(text)) not in self._seen]
            self._seen |= {(side, hash(text)) for text in new}
            self.lengths_embedded += [min(length, window) for length in self._lengths(new, side)]

    def _lengths(self, texts: Sequence[str], side: str) -> list[int]:
        prompt = self._prompts.get(side, "")
        if self._tokenizer is None:
            return [self._estimate.count(prompt + text) for text in texts]
        whole = [(prompt + text).encode("utf-8", "replace").decode() for text in texts]
        return [len(encoding.ids) for encoding in self._tokenizer.encode_batch(whole)]


def _vectors(texts: Sequence[str]) -> Vectors:
    return vectors_of_words([text[:_COMPARED] for text in texts], _DIMENSIONS)


def _fast_tokenizer(file: Path | None) -> FastTokenizer | None:
    if file is None:
        return None
    from tokenizers import Tokenizer as FastTokenizer

    tokenizer = FastTokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _own_window(model: str) -> int:
    """Returns the number of tokens at which a model truncates texts, from its files; unbounded if unknown."""
    for name, field in (("sentence_bert_config.json", "max_seq_length"), ("config.json", "max_position_embeddings")):
        found = positive(model_mapping(model, name), field)
        if found is not None:
            return found
    return sys.maxsize
