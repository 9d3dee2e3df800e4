"""SORT: whether the reply names the segment that came first, by its label.

The scorer of Pink et al. (2024, arXiv 2410.08133), `evaluation_utils.py`, as it reads texts: the reply is right if it
holds the right label and not the other one, anywhere and in upper case, so that "Answer: B" is unreadable (it holds an
A). `parser: openai` is the rule that it has for replies of OpenAI's servers: a single letter; else the same; else the
last label, in their order, that is followed by a colon. A lower-case letter is read there, and is wrong.

The reference is the label, or, where the question has options, the option. Differences: the figures in the paper are
by the probability of the two labels as first token, which is not seen here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric

__all__ = ["SortAccuracy", "label_in", "label_in_openai"]
LABELS = ("A", "B")


class SortAccuracy(Metric):
    """1 if the reply holds the right label alone, else 0.

    Attributes:
        parser: `plain`, or `openai`, SORT's rule for replies of OpenAI's servers.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})
    parser: Literal["plain", "openai"] = "plain"

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns 0 or 1, or None if no reference is one of the labels or options."""
        right = {name for reference in example.references if (name := self._label_of(reference, example))}
        return float(self._label(answer) in right) if right else None

    def flags(self, answer: Answer, example: Example) -> tuple[str, ...]:
        """Returns `unparsed` if the reply names none of the labels, or both."""
        return ("unparsed",) if self.score(answer, example) is not None and not self._label(answer) else ()

    def _label(self, answer: Answer) -> str:
        read = label_in_openai if self.parser == "openai" else label_in
        return read(answer.text, LABELS)

    def _label_of(self, reference: str, example: Example) -> str:
        choices = example.query.choices[:2]
        if reference in choices:
            return LABELS[choices.index(reference)]
        return reference.strip() if reference.strip() in LABELS else ""


def label_in(reply: str, labels: Sequence[str]) -> str:
    """Returns the only label in a reply; empty if there is none or both."""
    found = [label for label in labels if label in reply]
    return found[0] if len(found) == 1 else ""


def label_in_openai(reply: str, labels: Sequence[str]) -> str:
    """Returns the label that SORT reads in a reply of OpenAI's servers; empty if it reads none."""
    reply = reply.strip()
    if (len(reply) == 1 and reply in labels) or reply in [label.lower() for label in labels]:
        return reply
    followed = [label for label in labels if f"{label}:" in reply]
    return label_in(reply, labels) or (followed[-1] if followed else "")
