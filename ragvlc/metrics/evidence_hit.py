"""Evidence hit: the share of evidence spans that were sent to the model in full.

A span counts if every one of its characters is in the context (the strict reading; a span cut at one end is a miss),
be it in one chunk or across several. Repeated spans count once. For multi-hop questions 1 means that every hop is
there. The definition is ours.
"""

from __future__ import annotations

from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example, covered
from ragvlc.core.families import Metric
from ragvlc.metrics._spans import contains_span


class EvidenceHit(Metric):
    """The share of evidence spans of which every character is in the context."""

    needs: ClassVar[frozenset[str]] = frozenset({"context"})

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None if the evidence is not located or a server cut the prompt."""
        evidence = {span for span in example.evidence if len(span) > 0}
        if not evidence or answer.unread_tokens:
            return None
        context = covered(answer.context)
        return sum(contains_span(context, span) for span in evidence) / len(evidence)
