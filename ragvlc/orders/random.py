"""No order: the control that shows whether the order of passages matters at all."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random as Generator

from ragvlc.core.data import Hit
from ragvlc.core.families import Order


class Random(Order):
    """A permutation that depends on the seed and the number of hits only."""

    @property
    def random(self) -> bool:
        """Another seed gives another order."""
        return True

    def arrange(self, hits: Sequence[Hit], seed: int) -> list[Hit]:
        """Returns the hits shuffled, the same way for the same seed."""
        shuffled = list(hits)
        Generator(seed).shuffle(shuffled)  # noqa: S311 - a repeatable permutation, not a secret
        return shuffled
