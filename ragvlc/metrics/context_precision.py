"""Context precision: the share of the text sent to the model that is evidence.

Characters of the context inside the evidence, divided by characters of the context, both as unions; 0 for an empty
context. Low by nature for long contexts: it says how much the model had to read past. The definition is ours and not
that of ragas, which judges chunks with a model and weights them by rank.
"""

from __future__ import annotations

from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example, covered
from ragvlc.core.families import Metric
from ragvlc.metrics._spans import characters, overlap


class ContextPrecision(Metric):
    """Share of the context's characters that are evidence."""

    needs: ClassVar[frozenset[str]] = frozenset({"context"})

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None if the evidence is not located or a server cut the prompt."""
        evidence = covered(example.evidence)
        if not evidence or answer.unread_tokens:
            return None
        context = covered(answer.context)
        return overlap(evidence, context) / characters(context) if context else 0.0
