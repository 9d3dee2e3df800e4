"""Best passage first, second best last, weakest in the middle, as in equation 1 of Jin et al. 2024.

Source: "Long-Context LLMs Meet RAG", arXiv 2410.05983; see the module `_edges`. Differences from the paper: none.
Haystack's `LostInTheMiddleRanker` gives the same order; LangChain's and LlamaIndex's
`LongContextReorder` only for an odd number of passages.
"""

from __future__ import annotations

from collections.abc import Sequence

from ragvlc.core.data import Hit
from ragvlc.core.families import Order
from ragvlc.orders._edges import edges_inward


class EdgesBestFirst(Order):
    """Passages with the best first and the second best last; by rank, for five hits: 1 3 5 4 2; for four: 1 3 4 2."""

    def arrange(self, hits: Sequence[Hit], seed: int) -> list[Hit]:  # noqa: ARG002 - nothing random here
        """Returns the hits with the best first and the second best last."""
        return edges_inward(hits)
