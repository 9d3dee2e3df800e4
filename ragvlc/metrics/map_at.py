"""Average precision at k, whose mean over questions is MAP at k.

trec_eval's `map_cut`: the precision at the rank of each relevant item among the first `k`, summed and divided by the
number of all relevant items, ranked or not. `_ranking` says what is ranked.
"""

from __future__ import annotations

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.metrics._ranking import RankingMetric, trec


class MapAt(RankingMetric):
    """Mean of the precisions at the ranks of all relevant items; 0 for each that is not among the first `k`."""

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None if no relevant item is known."""
        judged = self.judged(answer, example)
        return None if judged is None else trec("map_cut", judged, self.k)
