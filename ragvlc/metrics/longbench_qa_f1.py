"""LongBench's token F1 for English answers.

Bai et al. (2024, arXiv 2308.14508), `LongBench/metrics.py`, `qa_f1_score`: words after SQuAD's normalisation, counted
with their multiplicity; texts without a common word score 0, two empty ones, too. Best reference. Its first-line rule
and figures are in `_longbench`.

Differences: none in value.
"""

from __future__ import annotations

from ragvlc.core.data import Example
from ragvlc.metrics._longbench import LongbenchMetric, qa_f1


class LongbenchQaF1(LongbenchMetric):
    """Token F1 of the reply by LongBench's script."""

    def compare(self, reply: str, reference: str, example: Example) -> float:  # noqa: ARG002 - needs no more gold
        """Returns F1 of the words."""
        return qa_f1(reply, reference)
