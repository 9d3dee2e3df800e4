"""Reciprocal rank of the first relevant document or chunk; its mean over questions is the mean reciprocal rank (MRR).

1 / rank of the first relevant document, or chunk that holds evidence, if it is among the first `k`, else 0: trec_eval's
`recip_rank` of a ranking cut at `k`. `_ranking` says what is ranked.
"""

from __future__ import annotations

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.metrics._ranking import RankingMetric, trec


class Mrr(RankingMetric):
    """Reciprocal rank of the first relevant item; 0 if no relevant item is among the first `k`."""

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None if no relevant item is known."""
        judged = self.judged(answer, example)
        return None if judged is None else trec("recip_rank", judged, self.k)
