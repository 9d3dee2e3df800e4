"""Drops questions that the evidence alone does not answer as written."""

from __future__ import annotations

from typing import Annotated

from ragvlc.core.component import Role
from ragvlc.questions.examiner import Examiner
from ragvlc.questions.filter import QuestionFilter
from ragvlc.questions.item import FilterFinding


class EvidenceAloneFilter(QuestionFilter):
    """Asks with the evidence alone: the reply must be right.

    Attributes:
        generator: role of the model that reads.
    """

    generator: Annotated[str, Role("generators")] = "reader"

    def check(self, examiner: Examiner) -> FilterFinding:
        """Returns whether the reply is right with the evidence alone."""
        if examiner.item.unanswerable:
            return self.skipped("unanswerable")
        asked = examiner.read([one.span for one in examiner.item.evidence], self.generator)
        return self.by_reply(asked, "not right with the evidence alone", right=True)
