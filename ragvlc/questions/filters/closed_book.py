"""Drops questions that are answered without any document."""

from __future__ import annotations

from typing import Annotated

from ragvlc.core.component import Role
from ragvlc.questions.examiner import Examiner
from ragvlc.questions.filter import QuestionFilter
from ragvlc.questions.item import FilterFinding


class ClosedBookFilter(QuestionFilter):
    """Asks without any text: the reply must not be right.

    Attributes:
        generator: role of the model that answers.
    """

    generator: Annotated[str, Role("generators")] = "reader"

    def check(self, examiner: Examiner) -> FilterFinding:
        """Returns whether the reply is right closed book."""
        if examiner.item.unanswerable:
            return self.skipped("unanswerable")
        asked = examiner.recall(self.generator)
        return self.by_reply(asked, "right closed book", right=False)
