"""Decisions of a reviewer about generated questions, and the version of a question that each is about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ragvlc.core.data import content_key
from ragvlc.questions.item import GeneratedQuestion

__all__ = ["DONE", "WORDS", "ReviewDecision", "Word", "reviewed_words", "set_of", "version_of"]

Word = Literal["accept", "edit", "reject"]
WORDS: tuple[Word, ...] = ("accept", "edit", "reject")
DONE: dict[Word, str] = {"accept": "accepted", "edit": "edited", "reject": "rejected"}
"""The decision as the row of a question stores it."""


@dataclass(frozen=True, slots=True)
class ReviewDecision:
    """A decision about one question.

    Attributes:
        id: of the question.
        word: what was decided.
        question: text of the question; None if the file does not say.
        answers: accepted answers; None if the file does not say.
        evidence: quotes from the documents; None if the file does not say.
        reviewer: who decided.
        note: the reviewer's own words.
        version: of the question that the reviewer read; empty if the file does not say.
        place: where it is written, such as `line 4`.
    """

    id: str
    word: Word
    question: str | None = None
    answers: tuple[str, ...] | None = None
    evidence: tuple[str, ...] | None = None
    reviewer: str = ""
    note: str = ""
    version: str = ""
    place: str = ""


def version_of(item: GeneratedQuestion) -> str:
    """Returns the hash of what a reviewer reads of a question: an edit changes it, a decision alone does not.

    It begins with a letter: spreadsheets take some hashes for numbers.
    """
    places = [[one.span.document_id, one.span.start, one.span.end] for one in item.evidence]
    return f"v-{content_key([item.question, list(item.answers), places])[:12]}"


def set_of(items: Iterable[GeneratedQuestion]) -> str:
    """Returns the hash of a set: of the ids of its questions, which no decision changes."""
    return f"s-{content_key(sorted(item.id for item in items))[:12]}"


def reviewed_words(item: GeneratedQuestion) -> str:
    """Returns what a person decided of a question so far, such as `edited by Ada on 2026-11-29`; empty if nothing."""
    review = item.review
    if "decision" not in review:
        return ""
    by = f" by {review['reviewer']}" if review.get("reviewer") else ""
    return f"{review['decision']}{by}" + (f" on {str(review['date'])[:10]}" if review.get("date") else "")
