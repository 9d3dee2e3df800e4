"""Correction of p-values for multiple comparisons."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["SETTLED", "holm"]

SETTLED = 0.05
"""A difference is settled where its p, corrected for several comparisons, is below this."""


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Returns the p-values, in the same order, corrected for multiple comparisons by Holm's step-down rule (1979).

    None stays None and does not count as a test.
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        corrected[place] = largest
    return corrected
