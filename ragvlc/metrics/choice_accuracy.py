"""Choice accuracy: 1 if the reply names the right option of a multiple-choice question, and no other.

The rules for reading a reply are in `text.choices`. A reply that cannot be read scores 0 and is flagged
`unparsed`; one that names several options scores 0 and is flagged `ambiguous`. True and False are options like
others. Where all references are required, exactly the right options must be named. A reply counts as it is even
where the model declined: `It is not known` may be an option.
"""

from __future__ import annotations

from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric
from ragvlc.text.choices import parse_choice


class ChoiceAccuracy(Metric):
    """1 if the reply names a right option and no wrong one, else 0."""

    version: ClassVar[int] = 2
    needs: ClassVar[frozenset[str]] = frozenset({"answer"})

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns 0 or 1, or None if there are no options or the right option is not known."""
        right = set(example.references)
        if not example.query.choices or not right:
            return None
        named = _named(answer, example)
        if example.answer_mode == "all":
            return float(named == right)
        return float(len(named) == 1 and named <= right)

    def flags(self, answer: Answer, example: Example) -> tuple[str, ...]:
        """Returns `unparsed` if the reply names no option, or `ambiguous` if it names too many options."""
        if self.score(answer, example) is None:
            return ()
        named = _named(answer, example)
        if not named:
            return ("unparsed",)
        return ("ambiguous",) if len(named) > 1 and example.answer_mode == "any" else ()


def _named(answer: Answer, example: Example) -> set[str]:
    choices = example.query.choices
    return {choices[place] for place in parse_choice(answer.text, choices)}
