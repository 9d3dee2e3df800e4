"""Retrieval with reordering: chunk, rank, optionally rerank, select, reorder, and read the passages in one call.

Sources: retrieval-augmented generation (Lewis et al. 2020, arXiv 2005.11401); the order of the passages after Jin et
al. 2024 (Long-Context LLMs Meet RAG, arXiv 2410.05983) or in document order after Yu et al. 2024 (OP-RAG, arXiv
2409.01666).
Differences: retrieval is over the documents of the question, which a data set may widen to its whole collection
(`scope: corpus`); passages that touch or overlap in the
prompt are read as one; what does not fit the window costs the passages that matched worst; passages carry no number,
and a title line only when the question has several documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.component import part
from ragvlc.core.data import Document, Query
from ragvlc.core.families import Order, Selector
from ragvlc.core.official import OfficialPrompt
from ragvlc.core.run import Run
from ragvlc.reading.asking import Reading
from ragvlc.reading.confidence import Confiding
from ragvlc.reading.context import Layout
from ragvlc.reading.retrieving import Retrieving


class Retrieve(Retrieving, Confiding, Reading):
    """Reads the passages that match the question.

    Attributes:
        selector: decides how many passages are read.
        order: decides in which order.
    """

    reads_at_once: ClassVar[bool] = True
    gives: ClassVar[frozenset[str]] = frozenset({"answer", "context", "ranking"})
    selector: Selector = part("top_k")
    order: Order = part("document")

    def official_template(self, official: OfficialPrompt) -> str:
        """Returns the benchmark's template for retrieved passages, or its only one."""
        return official.passages or official.template

    def official_layout(self, official: OfficialPrompt) -> Layout:
        """Returns how a benchmark's own prompt has retrieved passages."""
        return Layout(titles=False, between="\n\n", piece=official.passage)

    def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:
        """Returns the answer from the selected passages."""
        with run.step("retrieve") as facts:
            chunks, ranking = self.find(query, documents, run, role=self.generator)
            selected = self.selector.select(ranking, run.generator(self.generator).tokenizer)
            arranged = self.order.arrange(selected, run.seed_for("order"))
            facts |= {"chunks": len(chunks), "ranked": len(ranking), "selected": len(selected)}
        spans = [hit.chunk.span for hit in arranged]
        rank = {hit.chunk.span: place for place, hit in enumerate(selected)}
        worst_first = sorted(range(len(spans)), key=lambda i: -rank[spans[i]])
        return self.read(query, documents, run, spans=spans, ranking=ranking, least=worst_first)
