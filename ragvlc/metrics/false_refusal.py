"""False refusals: the share of answerable questions that are refused (lower is better).

1 if the model declined (`decline` of a route), or its reply is a refusal by the rules of `text.refusals`. A reply
without an answer is no refusal, unless `empty: refusal` says so: its count is a column of its own. A question that
failed counts as 1: it is no better than a refusal. A question whose reference or
option is itself a refusal (`It is not known`) is left out: there a refusal may be right.
"""

from __future__ import annotations

from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.metrics._refusal_rate import RefusalRate


class FalseRefusal(RefusalRate):
    """1 if an answerable question was refused, else 0; lower is better."""

    smaller_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = 1.0

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns 0 or 1, or None if the question is unanswerable or a refusal might be right."""
        right = (*example.references, *example.query.choices)
        if (
            example.unanswerable
            or not example.references
            or any(self.refused(Answer(text, finish="stop" if text.strip() else "declined")) for text in right)
        ):
            return None
        return self.refused(answer)
