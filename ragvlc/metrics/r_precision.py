"""R-precision: precision at R, the number of the question's relevant items.

trec_eval's `Rprec`: relevant documents among the first R, or chunks that hold evidence, divided by R. `_ranking` says
what is ranked; for `span`, R counts the ranked chunks that hold evidence and one for each span that none holds.
"""

from __future__ import annotations

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.metrics._ranking import Judged, RankedUnits, trec


class RPrecision(RankedUnits):
    """Share of the first R items that are relevant, R being the number of relevant items."""

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None if no relevant item is known."""
        judged = self.judged(answer, example)
        return None if judged is None else trec("Rprec", judged, max(1, len(judged.grades)))

    def depth(self, judged: Judged) -> int:
        """Returns R."""
        return sum(grade > 0 for grade in judged.grades) + len(judged.missed)
