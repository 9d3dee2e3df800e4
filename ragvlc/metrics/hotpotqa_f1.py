"""HotpotQA's answer scores: token F1 with the rule for yes and no, or exact match.

The script of Yang et al. (2018, arXiv 1809.09600), `hotpot_evaluate_v1.py`: SQuAD's normalisation; if reply or
reference normalises to `yes`, `no` or `noanswer` and they differ, F1 is 0, so that "yes, he did" earns nothing against
"yes"; no common word is 0, also where both are empty (exact match is then 1).

Differences: the script has one reference; with several the best counts.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric
from ragvlc.metrics._overlap import best, harmonic, overlap
from ragvlc.text.normalising import normalise

__all__ = ["HotpotqaF1", "precision_and_recall"]

_WHOLE = ("yes", "no", "noanswer")


class HotpotqaF1(Metric):
    """Token F1, exact match, precision or recall of an answer by HotpotQA's script.

    Attributes:
        measure: `f1`, `em`, `precision` or `recall`.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})
    measure: Literal["f1", "em", "precision", "recall"] = "f1"

    @property
    def label(self) -> str:
        """The label, such as `hotpotqa_f1`."""
        return f"hotpotqa_{self.measure}"

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None for unanswerable examples and those without references."""
        return best(self._score, answer, example)

    def _score(self, reply: str, reference: str) -> float:
        if self.measure == "em":
            return normalise(reply) == normalise(reference)
        precision, recall = precision_and_recall(reply, reference)
        if self.measure == "f1":
            return harmonic(precision, recall)
        return precision if self.measure == "precision" else recall


def precision_and_recall(reply: str, reference: str) -> tuple[float, float]:
    """Returns token precision and recall of a reply by HotpotQA's script."""
    found, wanted = normalise(reply), normalise(reference)
    if found != wanted and (found in _WHOLE or wanted in _WHOLE):
        return 0.0, 0.0
    return overlap(found.split(), wanted.split())
