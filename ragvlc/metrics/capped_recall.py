"""Capped recall at k: relevant items among the first k, out of as many as k can hold.

BEIR's `R_cap@k` (Thakur et al. 2021, arXiv 2104.08663): relevant documents among the first `k` / min(relevant, `k`), so
that 1 can be reached where there are more relevant documents than `k`. `_ranking` says what is ranked; for `span` it is
chunks that hold evidence.

Differences: BEIR's script divides by zero where nothing is relevant; here the question does not count. Its ties are in
the order of insertion, and so are those here.
"""

from __future__ import annotations

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.metrics._ranking import RankingMetric


class CappedRecall(RankingMetric):
    """Relevant items among the first `k` items, divided by the smaller of `k` and the number of relevant items."""

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None if no relevant item is known."""
        judged = self.judged(answer, example)
        if judged is None:
            return None
        relevant = sum(grade > 0 for grade in judged.grades) + len(judged.missed)
        return sum(grade > 0 for grade in judged.grades[: self.k]) / min(relevant, self.k)
