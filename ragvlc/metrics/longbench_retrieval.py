"""LongBench's retrieval score: the share of numbers in the reply that are the right paragraph's.

Bai et al. (2024, arXiv 2308.14508), `LongBench/metrics.py`, `retrieval_score` and `retrieval_zh_score`: the number is
the one after `Paragraph ` or `段落` in the reference; every run of digits in the reply counts, compared as text (`012`
is wrong, `12.5` gives half).

Differences: the script has one pattern a language and fails on a reference without it; here both are tried, and the
metric does not apply to other references.
"""

from __future__ import annotations

from ragvlc.core.data import Example
from ragvlc.metrics._longbench import LongbenchMetric, number_share, paragraph_number


class LongbenchRetrieval(LongbenchMetric):
    """The share of right paragraph numbers in the reply, by LongBench's script."""

    def compare(self, reply: str, reference: str, example: Example) -> float | None:  # noqa: ARG002 - needs no more gold
        """Returns the share of right numbers, or None if the reference names no paragraph."""
        number = paragraph_number(reference)
        return None if number is None else number_share(reply, number)
