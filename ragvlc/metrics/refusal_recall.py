"""Refusal recall: the share of unanswerable questions that are refused.

1 if the model declined (`decline` of a route), or its reply is a refusal by the rules of `text.refusals`. A reply
without an answer (its tokens went into a thought, a content filter, a tool call, nothing at all) is no refusal; `empty:
refusal` counts it as one, as SQuAD's script does.
Read it beside `false_refusal`: a model that refuses everything has a perfect refusal recall. Compare LaRA's
hallucination questions (Li et al. 2025, arXiv 2502.09977), which a judge scores; here rules do, so that what they
miss is the same every time.
"""

from __future__ import annotations

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.metrics._refusal_rate import RefusalRate


class RefusalRecall(RefusalRate):
    """1 if an unanswerable question was refused, else 0."""

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns 0 or 1, or None for answerable questions."""
        return self.refused(answer) if example.unanswerable else None
