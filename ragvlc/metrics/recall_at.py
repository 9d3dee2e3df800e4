"""Recall at k: the share of the relevant items that are among the first k items.

`document`: relevant documents among the first `k` / all relevant documents, trec_eval's `recall`. `span`: evidence
spans that one of the first `k` chunks holds / all evidence spans; two chunks of one span find it once, and one chunk
may find several. `_ranking` says what is ranked and when a span is held.
"""

from __future__ import annotations

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.metrics._passages import holds
from ragvlc.metrics._ranking import RankingMetric, judged_evidence, ranked_chunks, trec


class RecallAt(RankingMetric):
    """Share of the relevant items that are among the first `k` items."""

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None if no relevant item is known."""
        judged = self.judged(answer, example)
        if judged is None:
            return None
        if self.unit == "document":
            return trec("recall", judged, self.k)
        first = [hit.chunk.span for hit in ranked_chunks(answer, example)[: self.k]]
        evidence = judged_evidence(example)
        return sum(any(holds(chunk, span, self.min_overlap) for chunk in first) for span in evidence) / len(evidence)
