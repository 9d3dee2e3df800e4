"""BABILong: whether the right label of the task is the only one in the reply.

The scorer of Kuratov et al. (2024, arXiv 2406.10149), `babilong/metrics.py`: the reply is lower-cased and cut at the
first full stop, `<context>` or `<example>`; all labels of the task that occur in it as substrings are taken, without
those that occur in the question; right if that is the wanted label alone. A reference with commas and more than three
characters names several labels, all of which and no others must occur. Substrings: the labels of directions
(`n,n`) occur in other words, and `no` in `none`. A further cut at `Question` never applies there, as the text is
already in lower case.

Reads `Example.scoring["labels"]`, the labels of the task; does not apply without them. Differences: none in the score;
with several references any will do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric
from ragvlc.metrics._overlap import best

__all__ = ["Babilong", "only_label"]

_END = re.compile(r"\.|<context>|<example>")


class Babilong(Metric):
    """1 if the reply holds the right label and no other that the question does not hold, else 0."""

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns 0 or 1, or None if the example has no labels or no reference."""
        labels = example.scoring.get("labels")
        if labels is None:
            return None
        question = example.query.text
        return best(lambda reply, reference: only_label(reply, reference, question, labels), answer, example)


def only_label(reply: str, reference: str, question: str, labels: Iterable[str]) -> bool:
    """Returns whether the labels in a reply are those of the reference, by BABILong's scorer."""
    first = _END.split(reply.lower(), maxsplit=1)[0]
    wanted, asked = reference.lower(), question.lower()
    found = {label for label in map(str.lower, labels) if label in first and label not in asked}
    if "," in wanted and len(wanted) > 3:
        parts = wanted.split(",")
        return len(found) == len(parts) and found.issuperset(parts)
    return found == {wanted}
