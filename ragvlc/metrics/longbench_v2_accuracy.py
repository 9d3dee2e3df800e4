"""LongBench v2's accuracy: the letter in `The correct answer is (A)`.

Bai et al. (2024, arXiv 2412.15204), `pred.py` and `result.py`: asterisks are deleted; the first `The correct answer is
(X)` counts, else the first `The correct answer is X`, with X from A to D and letter case as it is (`is Apple` names A).
A reply without either is wrong, and flagged `unparsed`.

The official figures are accuracies in per cent to one digit: overall, for the difficulties easy and hard, and for the
lengths short, medium and long (`tags`). Empty replies and failed calls are written to no file by the script, so they
leave the denominator; `compensated: true` counts a reply that names no letter as 0.25, a switch of the script that is
off.

Differences: the right letter is that of the option that equals a reference, or, where the question has no options, the
letter that is the reference; the metric does not apply to other questions. A reply of white space alone leaves the
denominator here, while the script calls it unparsed. Groups without a question have no figure; the script divides by
zero.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric, ScoredQuestion
from ragvlc.metrics._letters import right_letters

__all__ = ["LongbenchV2Accuracy", "named_letter"]

_PATTERNS = (re.compile(r"The correct answer is \(([A-D])\)"), re.compile(r"The correct answer is ([A-D])"))
_LETTERS = ("A", "B", "C", "D")
_GROUPS = (("difficulty", ("easy", "hard")), ("length", ("short", "medium", "long")))


class LongbenchV2Accuracy(Metric):
    """1 if the reply names the right letter in the words that LongBench v2 asks for, else 0.

    Attributes:
        compensated: whether a reply that names no letter scores 0.25, what a guess would.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})
    compensated: bool = False

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns 0 or 1, for a reply without a letter 0.25 if compensated, or None without options."""
        right = _right(example)
        if not right:
            return None
        letter = named_letter(answer.text)
        if letter is None:
            return 0.25 if self.compensated and answer.text else 0.0
        return float(letter in right)

    def flags(self, answer: Answer, example: Example) -> tuple[str, ...]:
        """Returns `unparsed` if the reply names no letter."""
        return ("unparsed",) if _right(example) and named_letter(answer.text) is None else ()

    def official(self, questions: Sequence[ScoredQuestion]) -> Mapping[str, float]:
        """Returns the accuracies of questions with a reply: overall, by difficulty and by length."""
        asked = [one for one in questions if one.score is not None and one.replied and not one.failed]
        groups = [("overall", asked)]
        for tag, names in _GROUPS:
            groups += [(name, [one for one in asked if one.tags.get(tag) == name]) for name in names]
        return {name: round(100 * sum(one.score or 0 for one in own) / len(own), 1) for name, own in groups if own}


def _right(example: Example) -> Sequence[str]:
    """Returns the right letters; none if the example has neither options nor letters for references."""
    if example.query.choices:
        return right_letters(example)
    letters = [one.strip() for one in example.references]
    return letters if all(one in _LETTERS for one in letters) else ()


def named_letter(reply: str) -> str | None:
    """Returns the letter that a reply names as the correct answer, or None."""
    text = reply.replace("*", "")
    return next((found[1] for pattern in _PATTERNS if (found := pattern.search(text))), None)
