"""Scores of intermediate texts, such as notes and candidate answers."""

from __future__ import annotations

from collections.abc import Sequence

from ragvlc.core.answer import Answer, Usage
from ragvlc.core.families import Score

__all__ = ["highest", "texts_of"]


def texts_of(answer: Answer, fact: str) -> tuple[str, ...]:
    """Returns the texts recorded under `fact` in the steps of an answer, without repeats."""
    return tuple(dict.fromkeys(str(text) for text in answer.facts(fact)))


def highest(scores: Sequence[Score]) -> Score:
    """Returns the highest score, with the total usage; the result is missing if any of the scores is missing.

    A missing score might be the highest.
    """
    usage = sum((score.usage for score in scores), Usage())
    if any(score.missing for score in scores):
        return Score(None, ("unjudged",), missing=True, usage=usage)
    values = [score.value for score in scores if score.value is not None]
    best = max(values, default=None)
    flags = next((score.flags for score in scores if score.value == best), ())
    return Score(best, flags, usage=usage)
