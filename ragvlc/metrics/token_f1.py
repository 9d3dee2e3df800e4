"""Token F1: the overlap of words between reply and reference.

SQuAD 2.0's definition (Rajpurkar, Jia and Liang 2018): tokens are the words after normalisation, common tokens are
counted with their multiplicity, precision is their share of the reply, recall their share of the reference, the score
is the harmonic mean and the maximum over the references. If either side is empty, the score is 1 if both are, else 0.
See `normalising` for tokens, `_references` for empty references. Unanswerable examples score 1 for a declined or
empty reply only.

Differences: Chinese and Japanese by character, as `normalising` says. Where all references are required, they are
joined into one, as Qasper joins the spans of an answer (Dasigi et al. 2021); their order does not matter.
"""

from __future__ import annotations

from collections import Counter

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric
from ragvlc.metrics._references import compare


class TokenF1(Metric):
    """Harmonic mean of token precision and recall against the best reference."""

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None if the example has no references."""
        sides = compare(answer, example)
        if sides is None:
            return None
        return max(_f1(sides.reply.split(), reference.split()) for reference in sides.references)


def _f1(reply: list[str], reference: list[str]) -> float:
    if not reply or not reference:
        return float(reply == reference)
    common = (Counter(reply) & Counter(reference)).total()
    return 2 * common / (len(reply) + len(reference))
