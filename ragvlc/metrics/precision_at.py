"""Precision at k: the share of the first k items that are relevant.

Relevant documents, or chunks that hold evidence, among the first `k` / `k`, trec_eval's `P`. The divisor stays `k`
where fewer were ranked, so that one relevant document out of one scores 1/k. `_ranking` says what is ranked.
"""

from __future__ import annotations

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.metrics._ranking import RankingMetric, trec


class PrecisionAt(RankingMetric):
    """Share of the first `k` items that are relevant."""

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None if no relevant item is known."""
        judged = self.judged(answer, example)
        return None if judged is None else trec("P", judged, self.k)
