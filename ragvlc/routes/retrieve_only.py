"""Retrieval without an answer: for comparing retrievers, rerankers and chunkers by their rankings only.

The evaluation of Thakur et al. 2021 (BEIR, arXiv 2104.08663) and Zhu et al. 2024 (LongEmbed, arXiv 2404.12096).
Differences: chunks are ranked; the metrics (`recall_at`, `ndcg`, `mrr`, `precision_at`) turn them into documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.component import Role
from ragvlc.core.data import Document, Query
from ragvlc.core.engines import Generation
from ragvlc.core.run import Run
from ragvlc.reading.retrieving import Retrieving


class RetrieveOnly(Retrieving):
    """Ranks chunks and does not answer.

    Attributes:
        generator: role of the model whose tokens measure chunks; it is not opened.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"ranking"})
    ranks_only: ClassVar[bool] = True
    generator: Annotated[str, Role("generators")] = "main"

    def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:
        """Returns an empty answer that contains the ranking."""
        with run.step("retrieve") as facts:
            chunks, ranking = self.find(query, documents, run, role=self.generator)
            facts |= {"chunks": len(chunks), "ranked": len(ranking)}
        return run.answer(Generation(""), ranking=ranking)
