"""Long retrieval units, each ranked by the scores of the short chunks in it.

LongRAG (Jiang, Ma and Chen 2024, arXiv 2406.15319): reading units of about 4,000 tokens, few of them, and a unit's
score the maximum over its chunks, because one embedding of a long text says little.

Differences: documents are put together in their given order, not along hyperlinks; any retriever ranks the chunks; a
unit may be scored by the mean of its best few chunks, by the mean of all, or as one text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, model_validator

from ragvlc.core.component import Role, part
from ragvlc.core.data import Chunk, ChunkSet, Hit, Query, content_key
from ragvlc.core.errors import ConfigError
from ragvlc.core.families import Retriever
from ragvlc.core.run import Index, Run

ItemT = TypeVar("ItemT")


class LongUnits(Retriever):
    """Ranks units of neighbouring chunks, and returns whole units as hits.

    A unit is one piece of its document, the characters between its chunks' ends. Two kinds of units are several
    consecutive hits with one score: units of several documents, one hit for each, and units over a gap that a custom
    chunker left. `candidates` and selectors count hits.

    Attributes:
        retriever: ranks all the chunks; its own `candidates` are ignored.
        unit: `tokens` joins chunks of one document up to `unit_tokens`; `document` is every document whole; `documents`
            joins whole documents, in their given order, up to `unit_tokens`, and leaves a longer one alone.
        unit_tokens: size of a unit, in tokens of `generator`; a chunk that is longer is a unit.
        pooling: how a unit gets its score: `max` from its best chunks, `mean` from all of them, `whole` as one text,
            which the retriever ranks itself (one embedding of a long text; the best of its texts where it has several).
        best_chunks: for `max`, the number of best chunks whose mean is the unit's score, or all if it has fewer; 1
            is the maximum.
        generator: role of the model whose tokens measure units; it is not opened.
    """

    retriever: Retriever = part("dense")
    unit: Literal["tokens", "document", "documents"] = "tokens"
    unit_tokens: Annotated[int, Field(ge=1)] = 4096
    pooling: Literal["max", "mean", "whole"] = "max"
    best_chunks: Annotated[int, Field(ge=1)] = 1
    generator: Annotated[str, Role("generators")] = "main"

    @model_validator(mode="after")
    def _ranks_chunks(self) -> Self:
        if self.retriever.kind == self.kind:
            raise ValueError("retriever is long_units itself; units are made of chunks: name what ranks those.")
        if self.pooling != "max" and self.best_chunks != 1:
            raise ValueError(f"best_chunks is a setting of pooling: max; {self.pooling} has none.")
        return self

    def index(self, chunks: ChunkSet, run: Run) -> Index:
        """Returns the search index of units over the retriever's index of chunks."""
        count = run.generator(self.generator).tokenizer.count
        groups = self._groups(chunks.chunks, count)
        pieces = _pieces(groups)
        ranked = chunks
        if self.pooling == "whole":
            groups = pieces
            texts = tuple(piece for unit in pieces for piece in unit)
            ranked = ChunkSet(content_key([chunks.key, [[piece.start, piece.end] for piece in texts]]), texts)
        unit_of = {(chunk.document_index, chunk.index): unit for unit, group in enumerate(groups) for chunk in group}
        return _UnitIndex(self, pieces, unit_of, run.index(self.retriever, ranked), len(ranked))

    def _groups(self, chunks: Iterable[Chunk], count: Callable[[str], int]) -> list[list[Chunk]]:
        """Returns the chunks of each unit, in order."""
        whole = _by_document(chunks)
        if self.unit == "document":
            return whole
        if self.unit == "documents":
            sizes = [sum(_sizes(group, count)[1]) for group in whole]
            packed = _packed(whole, sizes, sizes, self.unit_tokens)
            return [[chunk for group in groups for chunk in group] for groups in packed]
        units: list[list[Chunk]] = []
        for group in whole:
            units += _packed(group, *_sizes(group, count), self.unit_tokens)
        return units


@dataclass(frozen=True, slots=True)
class _UnitIndex:
    spec: LongUnits
    pieces: Sequence[Sequence[Chunk]]
    unit_of: dict[tuple[int, int], int]
    inner: Index
    chunks: int

    @property
    def nbytes(self) -> int:
        """The memory of the inner index, in bytes; 0 where it does not say."""
        return int(getattr(self.inner, "nbytes", 0))

    def search(self, query: Query, n: int) -> list[Hit]:
        """Returns `n` hits (or all), best first; equal scores in document order."""
        if n <= 0:
            return []
        best: dict[int, list[float]] = {}
        for hit in self.inner.search(query, self.chunks):
            scores = best.setdefault(self._unit(hit), [])
            if self.spec.pooling == "mean" or len(scores) < self.spec.best_chunks:
                scores.append(hit.score)
        mean = {unit: sum(scores) / len(scores) for unit, scores in best.items()}
        ranked = sorted(mean, key=lambda unit: (-mean[unit], unit))
        return [Hit(piece, mean[unit]) for unit in ranked for piece in self.pieces[unit]][:n]

    def _unit(self, hit: Hit) -> int:
        unit = self.unit_of.get((hit.chunk.document_index, hit.chunk.index))
        if unit is None:
            kind = self.spec.retriever.kind
            raise ConfigError(f"long_units: '{kind}' ranks other pieces than the chunks; no unit holds them.")
        return unit


def _by_document(chunks: Iterable[Chunk]) -> list[list[Chunk]]:
    found: dict[int, list[Chunk]] = {}
    for chunk in chunks:
        found.setdefault(chunk.document_index, []).append(chunk)
    return list(found.values())


def _sizes(chunks: Iterable[Chunk], count: Callable[[str], int]) -> tuple[list[int], list[int]]:
    """Returns each chunk's token count, and the number of tokens that the chunk adds to the chunks before it."""
    alone, added, reached = [], [], 0
    for chunk in chunks:
        alone.append(count(chunk.text))
        overlaps = chunk.start < reached
        added.append(count(chunk.text[reached - chunk.start :]) if overlaps else alone[-1])
        reached = max(reached, chunk.end)
    return alone, added


def _packed(items: Sequence[ItemT], alone: Sequence[int], added: Sequence[int], limit: int) -> list[list[ItemT]]:
    """Groups neighbouring items into units of at most `limit` tokens; text shared by neighbours counts once."""
    found: list[list[ItemT]] = []
    free = 0
    for place, item in enumerate(items):
        if found and added[place] <= free:
            found[-1].append(item)
            free -= added[place]
        else:
            found.append([item])
            free = limit - alone[place]
    return found


def _pieces(groups: Sequence[Sequence[Chunk]]) -> list[list[Chunk]]:
    """Returns each unit's character ranges: one per document in the unit, more if chunks leave gaps."""
    found: list[list[Chunk]] = []
    counts: dict[int, int] = {}
    for group in groups:
        found.append([])
        for run in _runs(group):
            first = run[0]
            index = counts.get(first.document_index, 0)
            counts[first.document_index] = index + 1
            text, end = _joined(run)
            found[-1].append(Chunk(first.document_id, index, first.start, end, text, first.document_index))
    return found


def _runs(chunks: Iterable[Chunk]) -> list[list[Chunk]]:
    """Groups chunks that touch or overlap."""
    found: list[list[Chunk]] = []
    document, reached = -1, 0
    for chunk in chunks:
        if found and chunk.document_index == document and chunk.start <= reached:
            found[-1].append(chunk)
            reached = max(reached, chunk.end)
        else:
            found.append([chunk])
            document, reached = chunk.document_index, chunk.end
    return found


def _joined(chunks: Sequence[Chunk]) -> tuple[str, int]:
    """Returns the characters from the first chunk's start to the last chunk's end, and the position of that end."""
    texts, reached = [], chunks[0].start
    for chunk in chunks:
        texts.append(chunk.text[reached - chunk.start :])
        reached = max(reached, chunk.end)
    return "".join(texts), reached
