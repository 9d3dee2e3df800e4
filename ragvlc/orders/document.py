"""Document order: passages in the order of the documents, as in OP-RAG and DOS RAG.

Papers: Yu, Xu, Akkiraju, "In Defense of RAG in the Era of Long-Context Language Models", 2024,
https://arxiv.org/abs/2409.01666 (OP-RAG); Laitenberger, Manning, Liu, "Stronger Baselines for Retrieval-Augmented
Generation with Long-Context Language Models", EMNLP 2025, https://arxiv.org/abs/2506.03989 (DOS RAG).

Differences from the papers: they read one document at a time; several are taken in the order in which they were given.
"""

from __future__ import annotations

from collections.abc import Sequence

from ragvlc.core.data import Hit
from ragvlc.core.families import Order


class DocumentOrder(Order):
    """Passages in the order in which they occur in the documents, regardless of their scores."""

    def arrange(self, hits: Sequence[Hit], seed: int) -> list[Hit]:  # noqa: ARG002 - nothing random here
        """Returns the hits sorted by document, then by position in the document."""
        return sorted(hits, key=lambda hit: (hit.chunk.document_index, hit.chunk.start))
