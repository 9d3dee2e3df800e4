"""Drops questions that share too many words with their evidence, which any search for words finds."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ragvlc.questions.examiner import Examiner
from ragvlc.questions.filter import QuestionFilter
from ragvlc.questions.item import FilterFinding


class SharedWordsFilter(QuestionFilter):
    """Compares the share of the question's content words that occur in the evidence with a limit.

    Attributes:
        max_overlap: the largest share; 1 lets every question pass.
    """

    max_overlap: Annotated[float, Field(ge=0, le=1)] = 1.0

    def check(self, examiner: Examiner) -> FilterFinding:
        """Returns whether the overlap is within the limit."""
        overlap = examiner.item.overlap
        if overlap is None:
            return self.skipped("no evidence to compare with")
        if overlap > self.max_overlap:
            return self.dropped("shares too many words with its evidence", overlap=round(overlap, 3))
        return self.passed()
