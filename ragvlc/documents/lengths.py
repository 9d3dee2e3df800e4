"""Token counts of groups of texts, and the number of texts that exceed each window."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Lengths", "lengths_of"]


@dataclass(frozen=True, slots=True)
class Lengths:
    """Token counts of a group of texts, such as all documents, or the documents given with each question.

    Attributes:
        what: is measured.
        sizes: in ascending order.
        over: how many do not fit, by the name of a window.
    """

    what: str
    sizes: tuple[int, ...]
    over: Mapping[str, int]

    def quantile(self, share: float) -> int:
        """Returns the quantile of the sizes for `share`; for example, 0.5 gives the median."""
        return self.sizes[max(0, math.ceil(round(len(self.sizes) * share, 9)) - 1)]


def lengths_of(what: str, sizes: Sequence[int], windows: Mapping[str, int]) -> Lengths:
    """Returns the sizes, given in ascending order, with how many exceed each window."""
    return Lengths(what, tuple(sizes), {name: sum(size > most for size in sizes) for name, most in windows.items()})
