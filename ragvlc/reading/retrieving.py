"""What routes that retrieve have in common: cut, rank, and look at the best again."""

from __future__ import annotations

from collections.abc import Sequence

from ragvlc.core.component import part
from ragvlc.core.data import ChunkSet, Document, Hit, Query
from ragvlc.core.families import Chunker, Reranker, Retriever, Route
from ragvlc.core.run import Run

__all__ = ["Finding"]


class Finding(Route):
    """A route that ranks pieces of the documents.

    Attributes:
        chunker: cuts the documents.
        retriever: ranks the chunks.
        reranker: ranks the best of them again; none by default.
    """

    chunker: Chunker = part("tokens")
    retriever: Retriever = part("bm25")
    reranker: Reranker | None = None

    def find(
        self, query: Query, documents: Sequence[Document], run: Run, *, role: str
    ) -> tuple[ChunkSet, tuple[Hit, ...]]:
        """Returns the chunks, sized in tokens of generator `role`, and the ranking, best first."""
        chunks = run.chunks(self.chunker, documents, role)
        ranking = run.search(self.retriever, query, chunks)
        if self.reranker is not None:
            ranking = run.rerank(self.reranker, query, ranking)
        return chunks, ranking
