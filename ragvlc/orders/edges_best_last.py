"""Best passage last, next to the question, second best first, weakest in the middle: the mirror of `edges_best_first`.

Differences from Jin et al. 2024 (arXiv 2410.05983): their order read backwards. It is what LangChain's and LlamaIndex's
`LongContextReorder` do with an even number of passages, kept for every number.
"""

from __future__ import annotations

from collections.abc import Sequence

from ragvlc.core.data import Hit
from ragvlc.core.families import Order
from ragvlc.orders._edges import edges_inward


class EdgesBestLast(Order):
    """Passages with the best last and the second best first; by rank, for five hits: 2 4 5 3 1; for four: 2 4 3 1."""

    def arrange(self, hits: Sequence[Hit], seed: int) -> list[Hit]:  # noqa: ARG002 - nothing random here
        """Returns the hits with the best last and the second best first."""
        return edges_inward(hits)[::-1]
