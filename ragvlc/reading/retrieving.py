"""Routes that retrieve: documents are cut into chunks, chunks are ranked, and the best may be reranked."""

from __future__ import annotations

from collections.abc import Sequence

from ragvlc.core.component import part
from ragvlc.core.data import ChunkSet, Document, Hit, Query
from ragvlc.core.families import Chunker, Reranker, Retriever, Route
from ragvlc.core.run import Run

__all__ = ["Retrieving"]


class Retrieving(Route):
    """A route that ranks chunks of the documents. A subclass defines `answer`, which calls `find`.

        class BestAndNext(Retrieving, Reading):
            def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:
                with run.step("retrieve"):
                    chunks, ranking = self.find(query, documents, run, role=self.generator)
                places = {chunk.span: place for place, chunk in enumerate(chunks)}
                best = places[ranking[0].chunk.span]
                spans = [chunk.span for chunk in chunks[best : best + 2]]
                return self.read(query, documents, run, spans=spans, ranking=ranking)

    Equal chunkings, indexes and rankings are computed once for a whole sweep and charged to each cell.

    Attributes:
        chunker: cuts the documents; sizes are in tokens of the generator named by `role`.
        retriever: ranks the chunks; its `candidates` are the number of chunks ranked.
        reranker: ranks these again; none by default.
    """

    chunker: Chunker = part("tokens")
    retriever: Retriever = part("bm25")
    reranker: Reranker | None = None

    def find(
        self, query: Query, documents: Sequence[Document], run: Run, *, role: str
    ) -> tuple[ChunkSet, tuple[Hit, ...]]:
        """Returns the chunks and their ranking, best first; chunk sizes are in tokens of the generator `role`."""
        chunks = run.chunks(self.chunker, documents, role)
        ranking = run.search(self.retriever, query, chunks)
        if self.reranker is not None:
            ranking = run.rerank(self.reranker, query, ranking)
        return chunks, ranking
