"""Drops questions that are answered with a passage of the same document that does not hold the answer."""

from __future__ import annotations

from typing import Annotated

from ragvlc.core.component import Role
from ragvlc.core.data import Span
from ragvlc.questions.drawing import seeded
from ragvlc.questions.examiner import Examiner
from ragvlc.questions.filter import QuestionFilter
from ragvlc.questions.item import FilterFinding


class WrongPassageFilter(QuestionFilter):
    """Asks with another passage of the document: the reply must not be right.

    The passage is drawn by seed among those that have neither evidence nor the words of the answer in them.

    Attributes:
        generator: role of the model that reads.
    """

    generator: Annotated[str, Role("generators")] = "reader"

    def check(self, examiner: Examiner) -> FilterFinding:
        """Returns whether the reply is right with a wrong passage."""
        item = examiner.item
        if item.unanswerable or examiner.kind.form == "summary":
            return self.skipped("unanswerable" if item.unanswerable else "summaries of one document share words")
        document = examiner.documents[0]
        run = examiner.bench.run(examiner.query, (document,))
        chunks = [chunk.span for chunk in examiner.bench.chunks(run, (document,)).chunks]
        evidence = [one.span for one in item.evidence]
        others = [
            span for span in chunks if not _touches(span, evidence) and not examiner.holds_answer(examiner.text(span))
        ]
        if not others:
            return self.skipped("no other passage in the document")
        span = seeded(item.seed, item.id, "wrong passage").choice(others)
        asked = examiner.read([span], self.generator)
        return self.by_reply(asked, "right with a wrong passage", right=False, start=span.start, end=span.end)


def _touches(span: Span, others: list[Span]) -> bool:
    return any(
        span.document_id == other.document_id and span.start < other.end and other.start < span.end for other in others
    )
