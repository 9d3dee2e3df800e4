"""Hybrid retrieval: fuses the ranks or scores of several retrievers.

Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion Outperforms Condorcet and Individual Rank Learning Methods",
SIGIR 2009, https://doi.org/10.1145/1571941.1572114: a chunk scores the sum of 1 / (60 + its rank) over the rankings.

Differences: rankings may weigh differently; chunks with equal scores share the mean of their ranks (where most
chunks have no word of the question, BM25 orders them as in the text, which would favour its start).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ragvlc.core.data import Chunk, ChunkSet, Hit, Query
from ragvlc.core.errors import ConfigError
from ragvlc.core.families import Retriever
from ragvlc.core.run import Index, Run

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
BOTH: Any = ("bm25", "dense")  # kinds, of which pydantic builds the parts


class Hybrid(Retriever):
    """Ranks chunks by the fused ranks or scores of several retrievers.

    Evidence among the first 1, 5, 10 chunks of 100 words (MiniLM as the embedder), per cent: 330 SQuAD questions over
    whole articles, BM25 73, 93, 97; dense 60, 85, 93; `rrf` 71, 94, 97; `weighted_scores` 75, 95, 98. 266 questions
    that need several places: 25, 55, 69; 24, 53, 71; 26, 57, 72; 28, 59, 73.

    Attributes:
        retrievers: the retrievers; `bm25` and `dense` by default. Their own `candidates` are ignored.
        weights: one for each retriever, in the same order; all equal by default.
        fusion: `rrf` adds up ranks, `weighted_scores` scores, scaled for each retriever and question between 0 (the
            worst chunk) and 1 (the best).
        rrf_k: constant added to the ranks, for `rrf`; larger values flatten the first ranks.
        depth: chunks beyond this rank count nothing in a retriever's ranking, and chunks that count nowhere come last,
            in chunk order, with score 0. By default every rank counts. It does not follow `candidates`: asking for more
            must not change the first ranks. Smaller depths are faster over hundreds of thousands of chunks.
    """

    retrievers: tuple[Retriever, ...] = Field(default=BOTH, min_length=1)
    weights: tuple[Weight, ...] | None = None
    fusion: Literal["rrf", "weighted_scores"] = "rrf"
    rrf_k: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 60
    depth: Annotated[int | None, Field(ge=1)] = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.weights is not None and len(self.weights) != len(self.retrievers):
            raise ValueError(f"weights has {len(self.weights)} numbers for {len(self.retrievers)} retrievers.")
        if self.weights is not None and not any(self.weights):
            raise ValueError("weights are all 0: nothing would be ranked.")
        for place, retriever in enumerate(self.retrievers):
            if retriever.kind == "long_units":
                raise ValueError(
                    f"retrievers[{place}] is long_units, which ranks other pieces than the chunks. Put it outside: "
                    "{kind: long_units, retriever: {kind: hybrid, retrievers: [...]}}."
                )
        return self

    def index(self, chunks: ChunkSet, run: Run) -> Index:
        """Returns the index over the retrievers' own indexes."""
        places = {(chunk.document_index, chunk.index): place for place, chunk in enumerate(chunks.chunks)}
        return _Fused(self, chunks.chunks, places, [run.index(retriever, chunks) for retriever in self.retrievers])


@dataclass(frozen=True, slots=True)
class _Fused:
    spec: Hybrid
    chunks: Sequence[Chunk]
    places: Mapping[tuple[int, int], int]
    indexes: Sequence[Index]

    def search(self, query: Query, n: int) -> list[Hit]:
        """Returns `n` hits (or all), best first; equal scores in chunk order."""
        scores = [0.0] * len(self.chunks)
        weights = self.spec.weights or (1.0,) * len(self.indexes)
        points = self._by_rank if self.spec.fusion == "rrf" else self._by_score
        for retriever, index, weight in zip(self.spec.retrievers, self.indexes, weights, strict=True):
            if weight and n > 0:
                for hit, point in points(_down_to(index, query, self.spec.depth, len(self.chunks))):
                    scores[self._place(hit, retriever)] += weight * point
        best = sorted(range(len(scores)), key=lambda place: -scores[place])  # stable: ties in chunk order
        return [Hit(self.chunks[place], scores[place]) for place in best[: max(n, 0)]]

    def _by_rank(self, hits: Sequence[Hit]) -> list[tuple[Hit, float]]:
        """Returns the reciprocal-rank score of each hit; hits with equal scores share the mean of their ranks."""
        found, before = [], 0
        for _, group in groupby(hits, key=lambda hit: hit.score):
            equal = list(group)
            rank = before + (len(equal) + 1) / 2
            before += len(equal)
            if self.spec.depth is None or rank <= self.spec.depth:
                found += [(hit, 1 / (self.spec.rrf_k + rank)) for hit in equal]
        return found

    def _by_score(self, hits: Sequence[Hit]) -> list[tuple[Hit, float]]:
        """Returns the scores scaled to the range 0 to 1; empty if all scores are equal."""
        low, high = (hits[-1].score, hits[0].score) if hits else (0.0, 0.0)
        return [(hit, (hit.score - low) / (high - low)) for hit in hits] if high > low else []

    def _place(self, hit: Hit, retriever: Retriever) -> int:
        place = self.places.get((hit.chunk.document_index, hit.chunk.index))
        known = None if place is None else self.chunks[place]
        if place is None or (known is not hit.chunk and known != hit.chunk):
            raise ConfigError(f"hybrid: '{retriever.kind}' ranks other pieces than the chunks; they cannot be fused.")
        return place


def _down_to(index: Index, query: Query, depth: int | None, chunks: int) -> list[Hit]:
    """Returns the hits of the ranking down to rank `depth`, including all hits that tie with the last one."""
    if depth is None:
        return index.search(query, chunks)
    deep = min(depth + 1, chunks)
    hits = index.search(query, deep)
    while deep < chunks and len(hits) == deep and hits[-1].score == hits[depth - 1].score:
        deep = min(2 * deep, chunks)
        hits = index.search(query, deep)
    return [hit for hit in hits if hit.score >= hits[depth - 1].score] if len(hits) > depth else hits
