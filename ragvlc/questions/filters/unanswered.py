"""Drops unanswerable questions that the document does answer."""

from __future__ import annotations

from typing import Annotated

from ragvlc.core.component import Role
from ragvlc.questions.examiner import Asked, Examiner
from ragvlc.questions.filter import QuestionFilter
from ragvlc.questions.item import FilterFinding


class UnansweredFilter(QuestionFilter):
    """Asks an unanswerable question over its whole document, in pieces that fit the window: all must decline.

    Attributes:
        generator: role of the model that reads.
    """

    generator: Annotated[str, Role("generators")] = "reader"

    def check(self, examiner: Examiner) -> FilterFinding:
        """Returns whether a piece of the document answers."""
        if not examiner.item.unanswerable:
            return self.skipped("has an answer")
        pieces = [span for document in examiner.documents for span in examiner.pieces(document, self.generator)]
        unsure: Asked | None = None
        for span in pieces:
            asked = examiner.read([span], self.generator)
            if asked.outcome == "wrong":
                return self.dropped("the document answers it", start=span.start, end=span.end, **asked.facts())
            unsure = unsure or (asked if asked.outcome == "unsure" else None)
        return self.passed(pieces=len(pieces)) if unsure is None else self.unsure(unsure)
