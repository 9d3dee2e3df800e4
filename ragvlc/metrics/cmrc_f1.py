"""CMRC 2018's F1: the longest run of characters that reply and reference share, for Chinese.

The script of Cui et al. (2019, arXiv 1810.07366), `cmrc2018_evaluate.py`: both texts are lower-cased, a fixed list of
punctuation is left out, Chinese characters (U+4E00 to U+9FA5) are tokens, and so are the words of everything between
them. Precision and recall are the length of the longest common run of tokens, divided by the tokens of reply and
reference. The run is contiguous: one wrong character in the middle of a right reply halves it. The best reference
counts, x 100 in the official figure. `…` and ASCII points and commas stay, as the script's list has none of them.

Differences: words between Chinese characters are cut as nltk does without its model of sentence ends, so that a point
in the middle of such a passage stays on its word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric, ScoredQuestion
from ragvlc.metrics._cmrc import longest_common_run, segments
from ragvlc.metrics._overlap import best, harmonic

__all__ = ["CmrcF1", "cmrc_f1"]


class CmrcF1(Metric):
    """F1 of the longest common run of characters, best over the references."""

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None for unanswerable examples and those without references."""
        return best(cmrc_f1, answer, example)

    def official(self, questions: Sequence[ScoredQuestion]) -> Mapping[str, float]:
        """Returns the mean x 100, with three digits."""
        scores = [one.score for one in questions if one.score is not None]
        return {"F1": round(100 * sum(scores) / len(scores), 3)} if scores else {}


def cmrc_f1(reply: str, reference: str) -> float:
    """Returns F1 of a reply by CMRC's script."""
    found, wanted = segments(reply), segments(reference)
    run = longest_common_run(found, wanted)
    return harmonic(run / len(found), run / len(wanted)) if run else 0.0
