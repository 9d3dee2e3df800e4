"""Quantile bins for breakdowns by a number, labelled by the smallest and largest value that each of them has."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Bins", "binned"]

DISTINCT = 6
"""Up to this many values of a number are shown one by one."""
LEAST = 8
"""Fewer questions are not binned."""
SIZES = ((40, 4), (15, 3), (0, 2))
"""Bins from so many questions on, so that each has about eight or more."""


@dataclass(frozen=True, slots=True)
class Bins:
    """Neighbouring ranges of a number that hold about equally many questions; equal values are in one bin.

    Attributes:
        starts: smallest value of each bin, rising.
        labels: such as `12 to 40`, or `40` where the bin has a single value.
    """

    starts: tuple[float, ...]
    labels: tuple[str, ...]

    def label(self, value: object) -> str:
        """Returns the label of the bin that holds a value that the bins were made of."""
        number = _number(value)
        return self.labels[max(0, bisect_right(self.starts, number if number is not None else math.nan) - 1)]


def binned(values: Mapping[str, object]) -> Bins | None:
    """Returns quantile bins of a number by question.

    None if some value is no number, if there are few of them, and for running numbers, which say nothing of a question.
    """
    numbers = [_number(value) for value in values.values()]
    known = sorted(number for number in numbers if number is not None)
    if len(known) < max(LEAST, len(numbers)) or len(set(known)) <= DISTINCT:
        return None
    if len(set(known)) == len(known) == known[-1] - known[0] + 1 and known[0] in {0, 1}:
        return None
    count = next(bins for least, bins in SIZES if len(known) >= least)
    starts = sorted({known[place * len(known) // count] for place in range(count)})
    ends = [max(value for value in known if value < start) for start in starts[1:]] + [known[-1]]
    for write in (_short, repr):
        labels = tuple(_range(write(low), write(high)) for low, high in zip(starts, ends, strict=True))
        if len(set(labels)) == len(labels):
            break
    return Bins(tuple(starts), labels) if len(starts) > 1 else None


def _number(value: object) -> float | None:
    """Returns a value as a number, also if it is written as a text; None for words and truth values."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _short(value: float) -> str:
    if not value.is_integer():
        return f"{value:.4g}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.0f}"  # years have four digits


def _range(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"
