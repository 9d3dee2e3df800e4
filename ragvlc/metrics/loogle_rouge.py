"""LooGLE's ROUGE: recall of the reference's words, pairs of words, or common subsequence.

The script of Li et al. (2024, arXiv 2311.04939), `automatic_metrics.py`, which takes recall, not F, of the package
`rouge` 1.0.1 (`ragvlc.text.rouge`): sets of words between blanks, with case and punctuation. A reply that repeats the
document therefore scores high. An empty reply is read as the word `None`.

Differences: the script fails on a text of nothing but full stops, which scores 0 here, and on sentences of about 1,000
words, whose value is computed here. With several references the best counts.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric
from ragvlc.metrics._loogle import EMPTY
from ragvlc.metrics._overlap import best
from ragvlc.text.rouge import RougeType, pltrdy_rouge

_KINDS: dict[Literal[1, 2, "L"], RougeType] = {1: "1", 2: "2", "L": "L"}


class LoogleRouge(Metric):
    """Recall of the reference in the reply, by ROUGE-1, ROUGE-2 or ROUGE-L.

    Attributes:
        type: 1 and 2 count words and pairs of words, L is the longest common subsequence by sentences.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})
    type: Literal[1, 2, "L"] = "L"

    @property
    def label(self) -> str:
        """The label, such as `loogle_rouge_1`."""
        return f"{self.kind}_{self.type}"

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None for unanswerable examples and those without references."""
        return best(self._recall, answer, example)

    def _recall(self, reply: str, reference: str) -> float:
        try:
            return pltrdy_rouge(_KINDS[self.type], reference, reply or EMPTY).recall
        except ValueError:
            return 0.0
