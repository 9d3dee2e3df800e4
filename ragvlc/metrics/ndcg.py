"""nDCG at k: how well the first k items are ordered, relative to the best possible order.

Järvelin and Kekäläinen (2002, https://doi.org/10.1145/582415.582418) with linear gain, trec_eval's `ndcg_cut`: sum of
grade / log2(rank + 1) over the first `k`, divided by that of the ideal ranking. `_ranking` says what is ranked.

The ideal ranking. `document`: every relevant document, highest grade first, whether it was ranked or not. `span`: every
ranked chunk that holds evidence, and one chunk for each evidence span that no ranked chunk holds; all of grade 1. So 1
means that no chunk without evidence is ranked before one with, and that nothing was missed within `k`. A chunker that
spreads a span over several chunks wants all of them early: compare chunk sizes by `recall_at` instead.
"""

from __future__ import annotations

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.metrics._ranking import RankingMetric, trec


class Ndcg(RankingMetric):
    """Discounted cumulative gain of the first `k` items, divided by that of the ideal order."""

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None if no relevant item is known."""
        judged = self.judged(answer, example)
        return None if judged is None else trec("ndcg_cut", judged, self.k)
