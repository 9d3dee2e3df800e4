"""Letters of multiple-choice options, as scripts that ask for letters know the right ones."""

from __future__ import annotations

from ragvlc.core.data import Example

__all__ = ["right_letters"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def right_letters(example: Example) -> list[str]:
    """Returns the letters of the right options in their order; none without options, or if a reference is none."""
    choices, references = example.query.choices, example.references
    if not references or any(one not in choices for one in references):
        return []
    return [LETTERS[place] for place, one in enumerate(choices[: len(LETTERS)]) if one in references]
