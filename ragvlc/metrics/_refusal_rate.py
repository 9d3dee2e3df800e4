"""Base class of the two metrics of refusals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import content_key
from ragvlc.core.families import Metric
from ragvlc.metrics._references import Empty, as_counted
from ragvlc.text.refusals import PHRASES, REPLIES, Phrases, refused

__all__ = ["RefusalRate"]


class RefusalRate(Metric):
    """A metric that detects refusals.

    Attributes:
        phrases: patterns of a refusal's first sentence, in the syntax of `text.refusals`; None takes the
            lists there, in English, German, French, Spanish, Italian, Portuguese, Russian, Chinese and Japanese.
        replies: patterns of whole replies that are refusals, in the same syntax; None takes the lists there.
        empty: what a reply without an answer counts as: `no_answer`, no refusal, or `refusal`.
    """

    later_fields: ClassVar[frozenset[str]] = frozenset({"empty"})
    needs: ClassVar[frozenset[str]] = frozenset({"answer"})
    phrases: Phrases = None
    replies: Phrases = None
    empty: Empty = "no_answer"

    def identity(self) -> Mapping[str, Any]:
        """Returns a hash of the default pattern lists if the metric uses them."""
        return {"lists": content_key([PHRASES, REPLIES])}

    def refused(self, answer: Answer) -> float:
        """Returns 1 if the answer is a refusal, else 0."""
        phrases = PHRASES if self.phrases is None else self.phrases
        replies = REPLIES if self.replies is None else self.replies
        return float(refused(as_counted(answer, self.empty), phrases=phrases, replies=replies))
