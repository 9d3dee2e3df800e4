"""Drops questions that another place of the documents answers otherwise."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ragvlc.core.component import Role
from ragvlc.core.data import Span
from ragvlc.questions.examiner import Asked, Examiner
from ragvlc.questions.filter import QuestionFilter
from ragvlc.questions.item import FilterFinding


class AmbiguousFilter(QuestionFilter):
    """Asks with each of the passages that share most words with the question: none may answer otherwise.

    A reply counts as another answer if its words occur in the passage. A wrong reply in words of the model's own is no
    proof either way, and marks the question.

    Attributes:
        generator: role of the model that reads.
        passages: how many, over all documents; those with evidence in them do not count.
    """

    generator: Annotated[str, Role("generators")] = "reader"
    passages: Annotated[int, Field(ge=1)] = 3

    def check(self, examiner: Examiner) -> FilterFinding:
        """Returns whether another passage answers otherwise."""
        item = examiner.item
        if item.unanswerable or examiner.kind.form == "summary":
            return self.skipped("unanswerable" if item.unanswerable else "a summary has many forms")
        hits = examiner.bench.search(item.question, self.passages + 2 * len(item.evidence) + 2)
        others = [hit.chunk.span for hit in hits if not _overlaps(hit.chunk.span, [one.span for one in item.evidence])]
        if not others:
            return self.skipped("no other passage shares a word with the question")
        unsure: tuple[Span, Asked] | None = None
        for span in others[: self.passages]:
            asked = examiner.read([span], self.generator)
            if asked.outcome == "wrong" and asked.grounded:
                return self.dropped("another place answers otherwise", **_place(span), **asked.facts())
            if asked.outcome in {"wrong", "unsure"} and unsure is None:
                unsure = span, asked
        if unsure is not None:
            span, asked = unsure
            why = asked.why or "another passage was answered in words that it does not have"
            return self.unsure(Asked("unsure", asked.reply, why), **_place(span))
        return self.passed(passages=len(others[: self.passages]))


def _overlaps(span: Span, evidence: list[Span]) -> bool:
    return any(
        span.document_id == one.document_id and span.start < one.end and one.start < span.end for one in evidence
    )


def _place(span: Span) -> dict[str, object]:
    return {"doc_id": span.document_id, "start": span.start, "end": span.end}
