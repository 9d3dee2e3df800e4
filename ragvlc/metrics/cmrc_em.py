"""CMRC 2018's exact match, for Chinese.

The script of Cui et al. (2019, arXiv 1810.07366), `cmrc2018_evaluate.py`: 1 if reply and a reference are equal after
lower-casing and deleting a fixed list of punctuation, x 100 in the official figure. White space inside is not deleted,
and neither are `…` and ASCII points and commas.

Differences: none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric, ScoredQuestion
from ragvlc.metrics._cmrc import without_punctuation
from ragvlc.metrics._overlap import best


class CmrcEm(Metric):
    """1 if the reply equals a reference but for case and punctuation, else 0."""

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns 0 or 1, or None for unanswerable examples and those without references."""
        return best(_equal, answer, example)

    def official(self, questions: Sequence[ScoredQuestion]) -> Mapping[str, float]:
        """Returns the mean x 100, with three digits."""
        scores = [one.score for one in questions if one.score is not None]
        return {"EM": round(100 * sum(scores) / len(scores), 3)} if scores else {}


def _equal(reply: str, reference: str) -> float:
    return without_punctuation(reply) == without_punctuation(reference)
