"""Best last: the reversed ranking, which puts the best passage next to a question at the end of the prompt."""

from __future__ import annotations

from collections.abc import Sequence

from ragvlc.core.data import Hit
from ragvlc.core.families import Order


class Reverse(Order):
    """Passages in the reverse order of the ranking, the best one last."""

    def arrange(self, hits: Sequence[Hit], seed: int) -> list[Hit]:  # noqa: ARG002 - nothing random here
        """Returns the hits from the weakest to the best."""
        return list(reversed(hits))
