"""Evidence recall: the share of the evidence that was sent to the model.

Characters of the evidence that are in the context, divided by characters of the evidence. Both are unions: what two
chunks share counts once. The context is what was really sent, after truncation, so full context scores below 1 where
the document did not fit, and numbers are comparable across chunk sizes. The definition is ours; the passage-level
recall of the literature depends on how passages are cut.
"""

from __future__ import annotations

from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example, covered
from ragvlc.core.families import Metric
from ragvlc.metrics._spans import characters, overlap


class EvidenceRecall(Metric):
    """Share of the evidence's characters that are in the context."""

    needs: ClassVar[frozenset[str]] = frozenset({"context"})

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None if the evidence is not located or a server cut the prompt."""
        evidence = covered(example.evidence)
        if not evidence or answer.unread_tokens:
            return None
        return overlap(evidence, covered(answer.context)) / characters(evidence)
