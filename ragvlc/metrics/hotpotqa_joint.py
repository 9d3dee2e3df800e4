"""HotpotQA's joint score of answer and supporting facts.

The script of Yang et al. (2018, arXiv 1809.09600), `hotpot_evaluate_v1.py`: joint precision is the precision of the
answer times that of the supporting facts, joint recall likewise; `f1` is their harmonic mean, and `em` the product of
both exact matches.

Differences: HotpotQA's model names the sentences that support its answer. Here the passages that were read stand for
them, as in `supporting_facts` with `empty: hotpotqa`: read there when a passage is right. With several references the
one with the highest joint score counts.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric
from ragvlc.metrics._overlap import best, harmonic
from ragvlc.metrics.hotpotqa_f1 import precision_and_recall
from ragvlc.metrics.supporting_facts import SupportingFacts
from ragvlc.text.normalising import normalise

__all__ = ["HotpotqaJoint", "joint"]


class HotpotqaJoint(Metric):
    """Joint F1 or exact match of the answer and of the passages that were read.

    Attributes:
        measure: `f1`, `em`, `precision` or `recall`.
        min_overlap: the share of an evidence span's characters that a passage must have; 0 asks for one character.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answer", "context"})
    measure: Literal["f1", "em", "precision", "recall"] = "f1"
    min_overlap: Annotated[float, Field(ge=0, le=1)] = 0.0

    @property
    def label(self) -> str:
        """The label, such as `hotpotqa_joint_f1`."""
        return f"{self.kind}_{self.measure}" + (f"_{self.min_overlap:g}" if self.min_overlap else "")

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None without references or located evidence, or if the prompt was cut."""

        def facts(measure: Literal["em", "precision", "recall"]) -> float | None:
            return SupportingFacts(measure=measure, min_overlap=self.min_overlap).score(answer, example)

        precision, recall, exact = facts("precision"), facts("recall"), facts("em")
        if precision is None or recall is None or exact is None:
            return None

        def score(reply: str, reference: str) -> float:
            if self.measure == "em":
                return (normalise(reply) == normalise(reference)) * exact
            both = joint(precision_and_recall(reply, reference), (precision, recall))
            if self.measure == "f1":
                return harmonic(*both)
            return both[0] if self.measure == "precision" else both[1]

        return best(score, answer, example)


def joint(answer: tuple[float, float], facts: tuple[float, float]) -> tuple[float, float]:
    """Returns joint precision and recall from those of the answer and of the supporting facts."""
    return answer[0] * facts[0], answer[1] * facts[1]
