"""OpenAI-MRCR: how much of the wanted text the reply repeats, after the prefix that it must begin with.

The grader on the card of the data set (`openai/mrcr`): 0 unless the reply begins with the random string that the
question asks for; else that prefix is taken off reply and reference, and the score is the ratio of difflib's
SequenceMatcher, 2 x matching characters / characters of both. In texts of 200 characters and more difflib ignores
characters of the reference that make up more than 1 % of it, so that equal parts without rare characters may be missed.

Reads `Example.scoring["prefix"]` (`random_string_to_prepend`); does not apply without it. Differences: white space
around the reply is gone before it is scored. With several references the best counts.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric
from ragvlc.metrics._overlap import best

__all__ = ["Mrcr", "sequence_ratio"]


class Mrcr(Metric):
    """Similarity of the reply to the wanted text if it begins with the wanted prefix, else 0."""

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None if the example has no prefix or no reference."""
        prefix = example.scoring.get("prefix")
        if prefix is None:
            return None
        return best(lambda reply, reference: sequence_ratio(reply, reference, str(prefix)), answer, example)


def sequence_ratio(reply: str, reference: str, prefix: str) -> float:
    """Returns the ratio of both texts without the prefix; 0 if the reply does not begin with it."""
    if not reply.startswith(prefix):
        return 0.0
    reply, reference = reply.removeprefix(prefix), reference.removeprefix(prefix)
    return 1.0 if reply == reference else SequenceMatcher(None, reply, reference).ratio()
