"""The stages of an answer (chunks, index, rankings, generations), each computed only once for equal inputs.

stage      computed for equal                                      stored for later runs
chunk      chunker, tokenizer, documents                           always
index      retriever but for its depth, its models, chunks         its arrays, always
rank       the index, depth, search text                           where the retriever is `lasting`
rerank     reranker, its models, search text, passages             where the reranker is `lasting`
generate   generator, prompt, limits, sampling, seed               where the generator is `lasting`, greedy answers
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from ragvlc.core.activity import doing
from ragvlc.core.component import Component
from ragvlc.core.data import ChunkSet, Document, Hit, Query, content_key, documents_key
from ragvlc.core.engines import Generation, Request, TextEngine, Tokenizer
from ragvlc.core.parts import Chunker, Generator
from ragvlc.core.run import Reranker, Retriever
from ragvlc.memo.codecs import ANSWERS, Ranked, chunking, ranking
from ragvlc.memo.disk import Cache
from ragvlc.memo.once import Codec, Memoised, Once

if TYPE_CHECKING:
    from ragvlc.core.engines import Arrays

__all__ = ["Keys", "Memo"]

ValueT = TypeVar("ValueT")


class Keys(Protocol):
    """Computes keys of components from their content and the content of the models that they use."""

    def key_of(self, part: Component, *, leaving_out: str = "") -> str:
        """Returns the hash of a component and the models that it uses; the field named `leaving_out` is excluded."""
        ...


class Memo:
    """The memoised computations that runs share.

    Args:
        once: what was computed before, in memory and on disk.
        cache: where arrays of indexes are stored.
        keys: of retrievers and rerankers.
        building: held while arrays are built, so that waiting for an embedder is no cost of an index.
        cold: rankings and answers are computed anew, and only counted; chunks and indexes are shared all the same.
    """

    def __init__(
        self, once: Once, cache: Cache, keys: Keys, building: AbstractContextManager[object], *, cold: bool = False
    ) -> None:
        self._once = once
        self._cache = cache
        self._keys = keys
        self._building = building
        self._cold = cold

    def chunks(self, chunker: Chunker, tokenizer: Tokenizer, documents: Sequence[Document]) -> ChunkSet:
        """Returns the chunks of the documents in (document, start) order, with the seconds that the chunking took."""
        key = content_key([chunker.key, tokenizer.id, documents_key(documents)])

        def cut() -> ChunkSet:
            start = time.perf_counter()
            with doing("dividing documents"):
                found = [
                    replace(chunk, document_index=place)
                    for place, document in enumerate(documents)
                    for chunk in chunker.split(document, tokenizer)
                ]
            return ChunkSet(key, tuple(found), time.perf_counter() - start)

        found: ChunkSet = self._once.get("chunk", key, cut, chunking(key, documents)).value
        return found

    def index_key(self, retriever: Retriever, chunks: ChunkSet) -> str:
        """Returns the key of an index, which does not depend on the number of candidates."""
        return content_key([self._keys.key_of(retriever, leaving_out="candidates"), chunks.key])

    def index(self, retriever: Retriever, chunks: ChunkSet, build: Callable[[], ValueT]) -> ValueT:
        """Returns the retriever's index of `chunks`, built by `build` if necessary."""
        built = doing("building indexes")(build)
        found: ValueT = self._once.get("index", self.index_key(retriever, chunks), built).value
        return found

    def arrays(self, retriever: Retriever, chunks: ChunkSet, build: Callable[[], Arrays]) -> tuple[Arrays, float]:
        """Returns the arrays of an index, and a correction in seconds for the time measured for this call.

        Stored arrays are charged what building them cost; the wait for others who build is not charged.
        """
        import numpy as np

        stored, waited = True, 0.0

        def timed() -> Arrays:
            nonlocal stored, waited
            stored, begun = False, time.perf_counter()
            with self._building, doing("building indexes"):
                start = time.perf_counter()
                arrays = dict(build())
                seconds = time.perf_counter() - start
            waited = start - begun
            return arrays | {"build_seconds": np.array([seconds])}

        arrays = dict(self._cache.arrays(self.index_key(retriever, chunks), timed, {"build_seconds"}))
        seconds = float(arrays.pop("build_seconds")[0])
        return arrays, seconds if stored else -waited

    def ranking(self, retriever: Retriever, query: Query, chunks: ChunkSet, rank: Callable[[], Ranked]) -> Ranked:
        """Returns the retriever's ranking of `chunks`, computed by `rank` if necessary."""
        facts = [self.index_key(retriever, chunks), retriever.candidates, query.search_text]
        codec = ranking("rankings", chunks.chunks) if retriever.lasting else None
        return self._ranked("rank", content_key(facts), rank, codec)

    def reranking(self, reranker: Reranker, query: Query, hits: Sequence[Hit], rank: Callable[[], Ranked]) -> Ranked:
        """Returns the reranker's ranking of `hits`, computed by `rank` if necessary."""
        chunks = [hit.chunk for hit in hits]
        passages = [[one.document_id, one.document_index, one.index, one.start, one.text] for one in chunks]
        facts = [self._keys.key_of(reranker), query.search_text, passages]
        codec = ranking("rerankings", chunks) if reranker.lasting else None
        return self._ranked("rerank", content_key(facts), rank, codec)

    def _ranked(self, stage: str, key: str, rank: Callable[[], Ranked], codec: Codec | None) -> Ranked:
        if self._cold:
            self._once.alone(stage)
            return rank()
        found: Ranked = self._once.get(stage, key, doing("ranking passages")(rank), codec).value
        return found

    def generations(
        self, generator: Generator, requests: Sequence[Request], engine: Callable[[], TextEngine]
    ) -> list[Generation]:
        """Returns one generation for each request, marked `reused` if the engine did not generate it for this call.

        They are as the engine returned them: another setting of `thinking` finds the same ones.
        """
        if self._cold:
            self._once.alone("generate", len(requests))
            return engine().generate(requests)

        @doing("asking models")
        def generated(places: Sequence[int]) -> Sequence[Generation]:
            return engine().generate([requests[place] for place in places])

        lasting = generator.lasting and all(request.temperature == 0 for request in requests)
        found: list[Memoised] = self._once.many(
            "generate",
            [_generation_key(generator, request) for request in requests],
            generated,
            ANSWERS if lasting else None,
        )
        return [replace(one.value, reused=True) if one.reused else one.value for one in found]

    def unshared_generation(self) -> None:
        """Counts a generation by a decode state; such generations are never reused."""
        self._once.alone("generate")


def _generation_key(generator: Generator, request: Request) -> str:
    text = request.prompt.digest()
    settings = [request.max_tokens, request.temperature, request.top_p, list(request.stop), request.seed]
    return content_key([generator.reply_key, text, settings, request.logprobs])
