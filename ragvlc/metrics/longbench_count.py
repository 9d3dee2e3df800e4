"""LongBench's counting score: the share of numbers in the reply that equal the right one.

Bai et al. (2024, arXiv 2308.14508), `LongBench/metrics.py`, `count_score`: every run of digits in the reply counts,
compared as text with the reference: `5.0` gives half for 5, `05` nothing.

Differences: none in value.
"""

from __future__ import annotations

from ragvlc.core.data import Example
from ragvlc.metrics._longbench import LongbenchMetric, number_share


class LongbenchCount(LongbenchMetric):
    """The share of right numbers in the reply, by LongBench's script."""

    def compare(self, reply: str, reference: str, example: Example) -> float:  # noqa: ARG002 - needs no more gold
        """Returns the share of right numbers."""
        return number_share(reply, reference)
