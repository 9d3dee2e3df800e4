"""MuSiQue's answer scores: token F1 or exact match, best over the answer and its aliases.

The script of Trivedi et al. (2022, arXiv 2108.00573), `evaluate_v1.0.py`: SQuAD 2.0's normalisation and F1; two texts
that are both empty after normalisation agree. Only answerable questions count. The official figures are rounded to
three digits.

Differences: none. The script's grouped sufficiency scores, which need
the answerable and the unanswerable twin of each question, are not computed: `refusal_recall` and `false_refusal` say
how often each is declined. `supporting_facts` with `empty: musique` is its support score over passages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric, ScoredQuestion
from ragvlc.metrics._overlap import best, harmonic, overlap
from ragvlc.text.normalising import normalise


class MusiqueF1(Metric):
    """Token F1 or exact match of an answer by MuSiQue's script.

    Attributes:
        measure: `f1` or `em`.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})
    measure: Literal["f1", "em"] = "f1"

    @property
    def label(self) -> str:
        """The label, such as `musique_f1`."""
        return f"musique_{self.measure}"

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None for unanswerable examples and those without references."""
        return best(self._score, answer, example, () if example.unanswerable else example.references)

    def _score(self, reply: str, reference: str) -> float:
        found, wanted = normalise(reply).split(), normalise(reference).split()
        if self.measure == "em" or not (found and wanted):
            return found == wanted
        return harmonic(*overlap(found, wanted))

    def official(self, questions: Sequence[ScoredQuestion]) -> Mapping[str, float]:
        """Returns the mean over answerable questions, rounded to three digits."""
        scores = [one.score for one in questions if one.score is not None]
        return {f"answer_{self.measure}": round(sum(scores) / len(scores), 3)} if scores else {}
