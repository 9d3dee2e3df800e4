"""Long embedding retrieval: ranks long units, by their own embedding or by their chunks, and reads the best units.

Zhu et al. 2024 (LongEmbed, arXiv 2404.12096): an embedding model whose window is extended without training embeds a
long text as one vector; the model and its extension are the pipeline's embedder. LongRAG (Jiang, Ma and Chen 2024,
arXiv 2406.15319): few long units are read, each found by the best of the short chunks in it.

Differences: both papers retrieve over a collection of many documents; here also inside one, where units are
neighbouring chunks grouped up to a number of tokens. What is read, and how it is cut to fit, is as in `retrieve`.

Four kinds of unit, from long to short, of which one comparison can take each:

| `unit` | what is ranked and read | by |
| --- | --- | --- |
| `document` | every document whole | one vector of its own (`pooling: whole`), or its chunks' |
| `long_unit` | neighbouring chunks up to `unit_tokens` | likewise |
| `parent` | neighbouring chunks up to `unit_tokens` | the best chunk in it, as in LongRAG |
| `chunk` | chunks as they are cut | their own vectors: plain retrieval |
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ragvlc.core.component import part
from ragvlc.core.data import ChunkSet, Document, Hit, Query
from ragvlc.core.families import Order, Retriever
from ragvlc.core.run import Run
from ragvlc.retrievers.long_units import LongUnits
from ragvlc.routes.retrieve import Retrieve


class LongEmbedding(Retrieve):
    """Reads the long units that best match the question.

    Attributes:
        retriever: ranks units, or the chunks that stand for them; its `candidates` count units.
        unit: `document`, `long_unit`, `parent` or `chunk`, as in the table above.
        unit_tokens: size of a `long_unit` or `parent`, in tokens of `generator`; a chunk that is longer is a unit.
        pooling: how a `document` or `long_unit` gets its score: `whole` by one vector of its text (by its own words
            with `bm25`), `max` by its best chunk, `mean` by the mean of its chunks. A `parent` always by its best.
        order: decides in which order units are read; the best first, since with few long units there is little to sort.
    """

    version: ClassVar[int] = 1
    retriever: Retriever = part("dense")
    unit: Literal["document", "long_unit", "parent", "chunk"] = "document"
    unit_tokens: Annotated[int, Field(ge=1)] = 4096
    pooling: Literal["whole", "max", "mean"] = "whole"
    order: Order = part("relevance")

    @model_validator(mode="after")
    def _ranks_chunks(self) -> Self:
        if self.retriever.kind == "long_units":
            raise ValueError("retriever: long_units names a retriever of units itself. Name what ranks chunks: dense.")
        return self

    def find(
        self, query: Query, documents: Sequence[Document], run: Run, *, role: str
    ) -> tuple[ChunkSet, tuple[Hit, ...]]:
        """Returns the chunks, and the ranking of units, best first."""
        chunks = run.chunks(self.chunker, documents, role)
        ranking = run.search(self._ranker, query, chunks)
        if self.reranker is not None:
            ranking = run.rerank(self.reranker, query, ranking)
        return chunks, ranking

    @cached_property
    def _ranker(self) -> Retriever:
        """The retriever that ranks the units."""
        if self.unit == "chunk":
            return self.retriever
        return LongUnits(
            candidates=self.retriever.candidates,
            retriever=self.retriever,
            unit="document" if self.unit == "document" else "tokens",
            unit_tokens=self.unit_tokens,
            pooling="max" if self.unit == "parent" else self.pooling,
            generator=self.generator,
        )
