"""Quote survival: the share of the model's quotes that occur in the documents.

For `retrieve_then_reason`, which looks every quote up in the documents (see there for how). One minus this share is the
rate of invented evidence. An answer without quotes scores 0, and so do routes that never quote: compare routes that do.
"""

from __future__ import annotations

from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric


class QuoteSurvival(Metric):
    """The share of the model's quotes that were found in the documents."""

    needs: ClassVar[frozenset[str]] = frozenset({"quotes"})
    version: ClassVar[int] = 1

    def score(self, answer: Answer, example: Example) -> float | None:  # noqa: ARG002 - needs no gold
        """Returns a share from 0 to 1."""
        quotes, survived = sum(answer.facts("quotes")), sum(answer.facts("survived"))
        return survived / quotes if quotes else 0.0
