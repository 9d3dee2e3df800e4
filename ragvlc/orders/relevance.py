"""Best first: passages in the order of the ranking."""

from __future__ import annotations

from collections.abc import Sequence

from ragvlc.core.data import Hit
from ragvlc.core.families import Order


class Relevance(Order):
    """Passages in the order of the ranking, the best one first."""

    def arrange(self, hits: Sequence[Hit], seed: int) -> list[Hit]:  # noqa: ARG002 - nothing random here
        """Returns the hits unchanged."""
        return list(hits)
