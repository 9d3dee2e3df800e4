"""Dense retrieval: ranks chunks by the similarity of their embeddings to the question's, with exact search.

Late chunking, `context: document`: Günther, Mohr, Williams, Wang and Xiao 2024, "Late Chunking: Contextual Chunk
Embeddings Using Long-Context Embedding Models", arXiv 2409.04701. Difference: a document longer than the embedder's
window is read in adjacent windows without overlap, except that the last one is moved left to be full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from ragvlc.core.component import Execution, Role
from ragvlc.core.data import Chunk, ChunkSet, Hit, Query
from ragvlc.core.engines import SpanVectorEngine, VectorEngine
from ragvlc.core.errors import ConfigError
from ragvlc.core.families import Retriever
from ragvlc.core.question_vectors import question_vector
from ragvlc.core.run import Index, Run
from ragvlc.retrievers._embedding import embedded, embedded_within
from ragvlc.retrievers._flat import Device, FlatSearch, require

if TYPE_CHECKING:
    from ragvlc.core.engines import Arrays


class Dense(Retriever):
    """Ranks chunks by cosine similarity between their embeddings and that of the question (with its options).

    The search is exact (FAISS, flat inner product over unit vectors). Embedders silently truncate texts at
    their window; the numbers of truncated chunks and tokens are in the trace, step `embed`.

    Attributes:
        embedder: role of the embedding model.
        context: what the model reads to embed a chunk: the `chunk` alone, or its `document` in one pass, from whose
            tokens those of the chunk are pooled (late chunking). A document is what its chunks cover.
        device: where neighbours are searched, not where texts are embedded. `auto` is a GPU if there is one and FAISS
            was built for it (`faiss-gpu`), else the CPU; `cuda` the same, with a line in the log where that fails.
    """

    embedder: Annotated[str, Role("embedders", "VectorEngine")] = "main"
    context: Literal["chunk", "document"] = "chunk"
    device: Annotated[Device, Execution] = "auto"

    def index(self, chunks: ChunkSet, run: Run) -> Index:
        """Returns the search index; vectors are cached on disk.

        Raises:
            MissingExtra: FAISS is not installed.
            ConfigError: the embedder gives no vectors of text parts, which `context: document` needs.
        """
        require()
        engine = run.embedder(self.embedder)
        # Outside any step: the run charges the cost of cached arrays to the open step.
        arrays = run.cached_arrays(self, chunks, lambda: self._embedded(chunks, engine))
        cut, dropped = int(arrays["cut_chunks"]), int(arrays["dropped_tokens"])
        with run.step("embed", chunks=len(chunks), embedder_cut_chunks=cut, embedder_dropped_tokens=dropped):
            flat = FlatSearch(arrays["vectors"], self.device)
        return _VectorIndex(chunks.chunks, engine, flat)

    def _embedded(self, chunks: ChunkSet, engine: VectorEngine) -> Arrays:
        """Returns vectors (float32, one row per chunk) and the counts of truncated chunks and tokens."""
        if self.context == "document":
            if not isinstance(engine, SpanVectorEngine):
                message = f"dense: embedder '{self.embedder}' gives no vectors of text parts. Use context: chunk."
                raise ConfigError(message)
            return embedded_within(chunks.chunks, engine)
        texts = [chunk.text for chunk in chunks.chunks]
        rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        arrays = dict(embedded(texts, engine))
        return arrays | {"vectors": arrays["vectors"][[rows[text] for text in texts]]}


@dataclass(frozen=True, slots=True)
class _VectorIndex:
    chunks: Sequence[Chunk]
    engine: VectorEngine
    flat: FlatSearch

    @property
    def nbytes(self) -> int:
        """The memory of the vectors, in bytes."""
        return self.flat.nbytes

    def search(self, query: Query, n: int) -> list[Hit]:
        """Returns `n` hits (or all), best first; equal scores in chunk order."""
        if min(n, len(self.chunks)) <= 0:
            return []
        scores, places = self.flat.best(question_vector(self.engine, query.search_text), n)
        return [Hit(self.chunks[place], float(score)) for score, place in zip(scores, places, strict=True)]
