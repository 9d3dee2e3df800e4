"""Quote survival: the share of quotes that the model made of the documents and that really stand there.

Of `retrieve_then_reason`, which looks every quote up (see there for how). One minus this share is how often a model
makes evidence up. An answer without a quote scores 0: nothing that was read was shown to stand in the documents. So do
routes that quote nothing; compare routes that do.
"""

from __future__ import annotations

from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric


class QuoteSurvival(Metric):
    """Share of quotes that were found in the documents."""

    version: ClassVar[int] = 1

    def score(self, answer: Answer, example: Example) -> float | None:  # noqa: ARG002 - needs no gold
        """Returns a share from 0 to 1."""
        quotes, survived = sum(answer.facts("quotes")), sum(answer.facts("survived"))
        return survived / quotes if quotes else 0.0
