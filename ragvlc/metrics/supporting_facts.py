"""Supporting facts: whether the passages that were read are exactly those that contain the evidence.

HotpotQA's set scores (Yang et al. 2018, arXiv 1809.09600) with evidence spans for its sentences and passages for its
predictions. A passage is one span of the context, as it was in the prompt (chunks that touch or overlap are
one there). It holds an evidence span if it has at least one character of it, and at least the share `min_overlap`.

- recall: evidence spans that some passage holds / evidence spans;
- precision: passages that hold an evidence span / passages;
- `f1`: their harmonic mean; `em`: 1 if both are 1.

Differences: HotpotQA's model names sentences, so there a prediction is right or wrong; here a passage is right as soon
as it holds evidence, however much else is in it (`context_precision` counts that). Without a passage, precision and
recall are 0. Full context is one passage a document.

An unanswerable question has no evidence, and the scripts differ on two empty sets: see `empty`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example, Span
from ragvlc.core.families import Metric
from ragvlc.metrics._passages import evidence_of, holds


class SupportingFacts(Metric):
    """Compares the set of passages that were read with the set of evidence spans, for example by F1.

    Attributes:
        measure: `f1`, `em`, `precision` or `recall`.
        min_overlap: the share of an evidence span's characters that a passage must have; 0 asks for one character.
        empty: what an unanswerable question without evidence scores: `skip`, none; `musique`, 1 if nothing was read,
            else 0 (Trivedi et al. 2022); `hotpotqa`, the same for `em`, and 0 in any case for the other measures.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"context"})
    measure: Literal["f1", "em", "precision", "recall"] = "f1"
    min_overlap: Annotated[float, Field(ge=0, le=1)] = 0.0
    empty: Literal["skip", "musique", "hotpotqa"] = "skip"

    @property
    def label(self) -> str:
        """The label, such as `supporting_facts_f1`."""
        return f"{self.kind}_{self.measure}" + (f"_{self.min_overlap:g}" if self.min_overlap else "")

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None if the evidence is not located or a server cut the prompt."""
        if answer.unread_tokens:
            return None
        passages = {span for span in answer.context if len(span) > 0}
        evidence = evidence_of(example)
        if not evidence:
            return self._of_none(passages) if example.unanswerable and self.empty != "skip" else None
        right = sum(any(self._holds(passage, span) for span in evidence) for passage in passages)
        found = sum(any(self._holds(passage, span) for passage in passages) for span in evidence)
        precision = right / len(passages) if passages else 0.0
        recall = found / len(evidence)
        if self.measure == "em":
            return float(precision == recall == 1)
        if self.measure == "f1":
            return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        return precision if self.measure == "precision" else recall

    def _holds(self, passage: Span, evidence: Span) -> bool:
        return holds(passage, evidence, self.min_overlap)

    def _of_none(self, passages: set[Span]) -> float:
        return float(not passages and (self.empty == "musique" or self.measure == "em"))
