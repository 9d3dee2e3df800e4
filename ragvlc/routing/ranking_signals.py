"""Helpers for routers that use a ranking, or numbers in document metadata, before they choose a route.

A route with the same chunker and retriever finds the ranking made; both are charged for it, the router's search as a
step `look` of its own.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ragvlc.core.data import ChunkSet, Document, Hit, Query
from ragvlc.core.families import Chunker, Retriever
from ragvlc.core.run import Run
from ragvlc.routing.declared_metadata import declared
from ragvlc.routing.learned_rule import metadata_feature

__all__ = ["look", "metadata_numbers"]


def look(
    chunker: Chunker, retriever: Retriever, query: Query, documents: Sequence[Document], run: Run, *, role: str
) -> tuple[ChunkSet, tuple[Hit, ...]]:
    """Returns the documents' chunks and their ranking, best first; generator `role` counts the chunks' tokens."""
    with run.step("look", retriever=retriever.kind) as facts:
        chunks = run.chunks(chunker, documents, role)
        ranking = run.search(retriever, query, chunks)
        facts |= {"chunks": len(chunks), "ranked": len(ranking)}
    return chunks, ranking


def metadata_numbers(documents: Sequence[Document], names: Sequence[str]) -> dict[str, float]:
    """Returns, for each metadata field with numbers or booleans, its mean over the documents."""
    found: dict[str, float] = {}
    for name in names:
        values = [fact[name] for fact in declared(documents, (name,)) if name in fact]
        numbers = [float(value) for value in values if isinstance(value, (bool, int, float))]
        if numbers:
            found[metadata_feature(name)] = statistics.fmean(numbers)
    return found
