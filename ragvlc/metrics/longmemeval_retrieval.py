"""LongMemEval's retrieval scores: whether any or all evidence was found among the first k, and its nDCG.

The scorer of Wu et al. (2024, arXiv 2410.10813), `eval_utils.py`: `recall_any` is 1 if any relevant item is among the
first `k`, `recall_all` is 1 if all are, `ndcg` has grades 0 and 1 and the old form of the discount, which leaves ranks
1 and 2 alike: grade of the first + sum of the others / log2(rank), divided by that of the ideal order. Questions
without an answer are left out.

Sessions are documents (`unit: document`, "session level"); turns are chunks that hold evidence (`unit: span`, "turn
level", exact where a chunk is a turn). Where turns are ranked, the script counts sessions by taking as many turns as
hold `k` sessions; a document's rank here is that of its best chunk, so that the recalls are the same. Differences: its
nDCG then counts every turn of a relevant session, here each session counts once. Excluded documents are taken out
first, as `_ranking` says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.metrics._passages import holds
from ragvlc.metrics._ranking import RankingMetric, judged_evidence, ranked_chunks

__all__ = ["LongmemevalRetrieval", "old_ndcg"]


class LongmemevalRetrieval(RankingMetric):
    """Recall of any or all evidence among the first `k` items, or their nDCG, by LongMemEval's scorer.

    Attributes:
        measure: `recall_any`, `recall_all` or `ndcg`.
    """

    measure: Literal["recall_any", "recall_all", "ndcg"] = "recall_all"

    @property
    def named(self) -> str:
        """The label, such as `longmemeval_recall_all_at_5`."""
        return f"longmemeval_{self.measure}_at_{self.k}"

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None if no relevant item is known or the question has no answer."""
        judged = None if example.unanswerable else self.judged(answer, example)
        if judged is None:
            return None
        first = [grade > 0 for grade in judged.grades[: self.k]]
        relevant = sum(grade > 0 for grade in judged.grades) + len(judged.missed)
        if self.measure == "ndcg":
            return old_ndcg(first, relevant, self.k)
        if self.measure == "recall_any":
            return float(any(first))
        return float(self._all_found(answer, example) if self.unit == "span" else sum(first) == relevant)

    def _all_found(self, answer: Answer, example: Example) -> bool:
        first = ranked_chunks(answer, example)[: self.k]
        evidence = judged_evidence(example)
        return all(any(holds(hit.chunk.span, span, self.min_overlap) for hit in first) for span in evidence)


def old_ndcg(first: Sequence[bool], relevant: int, k: int) -> float:
    """Returns nDCG in LongMemEval's form of which of the first items are relevant, out of all relevant ones."""
    return _gain(first) / _gain([True] * min(relevant, k))


def _gain(grades: Sequence[bool]) -> float:
    return sum(grade / (math.log2(rank) if rank > 1 else 1.0) for rank, grade in enumerate(grades, 1))
