"""Embedding of chunks for retrievers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragvlc.core.data import Chunk
from ragvlc.core.engines import SpanVectorEngine, VectorEngine

if TYPE_CHECKING:
    from ragvlc.core.engines import Arrays

__all__ = ["embedded", "embedded_within"]


def embedded(texts: Sequence[str], engine: VectorEngine) -> Arrays:
    """Returns vectors (float32, one row per distinct text) and the counts of truncated texts and tokens.

    Equal texts are embedded once: in different batches their vectors could differ in the last bits and no longer tie.
    """
    import numpy as np

    over = [max(0, length - engine.window) for length in engine.lengths(texts)]
    return {
        "vectors": engine.embed(list(dict.fromkeys(texts)), side="passage"),
        "cut_chunks": np.array(sum(1 for tokens in over if tokens)),
        "dropped_tokens": np.array(sum(over)),
    }


def embedded_within(chunks: Sequence[Chunk], engine: SpanVectorEngine) -> Arrays:
    """Returns vectors (float32, one row per chunk) of chunks, each embedded in the context of its whole document.

    Equal documents with equal chunks are embedded once: in different batches they could differ in the last bits and no
    longer tie.
    """
    import numpy as np

    places: dict[int, list[int]] = {}
    for place, chunk in enumerate(chunks):
        places.setdefault(chunk.document_index, []).append(place)
    wholes = {index: _whole([chunks[place] for place in own]) for index, own in places.items()}
    distinct = list(dict.fromkeys(wholes.values()))
    found = engine.embed_spans([text for text, _ in distinct], [spans for _, spans in distinct])
    rows = dict(zip(distinct, found, strict=True))
    if not chunks:
        return {"vectors": engine.embed([]), "cut_chunks": np.array(0), "dropped_tokens": np.array(0)}
    vectors = np.empty((len(chunks), found[0].shape[1]), dtype=np.float32)
    for index, own in places.items():
        vectors[own] = rows[wholes[index]]
    return {"vectors": vectors, "cut_chunks": np.array(0), "dropped_tokens": np.array(0)}


def _whole(chunks: Sequence[Chunk]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Returns the text that one document's chunks cover, with gaps as line breaks, and each chunk's position in it."""
    text, reached, moved = "", 0, 0
    spans: list[tuple[int, int]] = []
    for chunk in chunks:
        if not spans:
            reached = moved = chunk.start
        elif chunk.start > reached:
            moved += chunk.start - reached - 1
            text, reached = text + "\n", chunk.start
        text += chunk.text[reached - chunk.start :]
        reached = max(reached, chunk.end)
        spans.append((chunk.start - moved, chunk.end - moved))
    return text, tuple(spans)
