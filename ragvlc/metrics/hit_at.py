"""Hit rate at k: whether any of the first k items is relevant.

trec_eval's `success`, also called accuracy at k (BEIR: `Accuracy@k`) and, over evidence, recall of any: 1 if a relevant
document, or a chunk that holds evidence, is among the first `k`, else 0. `_ranking` says what is ranked.
"""

from __future__ import annotations

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.metrics._ranking import RankingMetric, trec


class HitAt(RankingMetric):
    """1 if a relevant item is among the first `k` items, else 0."""

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns 0 or 1, or None if no relevant item is known."""
        judged = self.judged(answer, example)
        return None if judged is None else trec("success", judged, self.k)
