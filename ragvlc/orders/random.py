"""Random order: the control that shows whether the order of passages matters."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ragvlc.core.data import Hit
from ragvlc.core.families import Order


class RandomOrder(Order):
    """Passages in a random order that depends only on the seed and the number of hits."""

    @property
    def random(self) -> bool:
        """Whether the order depends on the seed: always true."""
        return True

    def arrange(self, hits: Sequence[Hit], seed: int) -> list[Hit]:
        """Returns the hits shuffled; the same seed gives the same order."""
        shuffled = list(hits)
        Random(seed).shuffle(shuffled)  # noqa: S311 - a repeatable permutation, not a secret
        return shuffled
