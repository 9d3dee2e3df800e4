"""Passages that a cell's models read: their positions, and their text if the documents are available."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragvlc.core.data import Span, covered

if TYPE_CHECKING:
    from ragvlc.core.answer import Answer

__all__ = ["Passage", "PassagePart", "passages"]

LONGEST = 600
"""The most characters shown of a passage; of longer ones, both ends and the evidence."""
EDGE = 120
GAP = " [...] "


@dataclass(frozen=True, slots=True)
class PassagePart:
    """A part of a passage's text; `evidence` says whether the part is known to hold the answer."""

    text: str
    evidence: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """A span of a document that a model read.

    Attributes:
        span: its position.
        evidence: number of evidence characters in it.
        pieces: its text, shortened in the middle; empty if the document is not available.
    """

    span: Span
    evidence: int
    pieces: tuple[PassagePart, ...] = ()


def passages(facts: Mapping[str, Any], answer: Answer, texts: Mapping[str, str] | None = None) -> tuple[Passage, ...]:
    """Returns the passages of an answer's context in the order of the prompt, with adjoining passages joined.

    Args:
        facts: stored facts of the question.
        answer: with its context.
        texts: documents by id; a text that ends before the passage is another document and is not shown.
    """
    evidence = covered(Span(*span) for span in facts["evidence"])
    joined: list[Span] = []
    for span in answer.context:
        last = joined[-1] if joined else None
        if last and last.document_id == span.document_id and last.end == span.start:
            joined[-1] = Span(last.document_id, last.start, span.end)
        else:
            joined.append(span)
    found = []
    for span in joined:
        inside = [_within(one, span) for one in evidence if one.document_id == span.document_id]
        inside = [one for one in inside if one.start < one.end]
        text = (texts or {}).get(span.document_id, "")
        pieces = _pieces(text, span, inside) if span.end <= len(text) else ()
        found.append(Passage(span, sum(map(len, inside)), pieces))
    return tuple(found)


def _within(one: Span, span: Span) -> Span:
    return Span(span.document_id, max(one.start, span.start), min(one.end, span.end))


def _pieces(text: str, span: Span, evidence: Sequence[Span]) -> tuple[PassagePart, ...]:
    """Returns the text of `span` in parts, split at the boundaries of the evidence."""
    windows = [span]
    if len(span) > LONGEST:
        ends = [
            Span(span.document_id, span.start, span.start + EDGE),
            Span(span.document_id, span.end - EDGE, span.end),
        ]
        around = [_within(Span(span.document_id, one.start - EDGE, one.end + EDGE), span) for one in evidence]
        windows = list(covered([*ends, *around]))
    pieces: list[PassagePart] = []
    for window in windows:
        if pieces:
            pieces.append(PassagePart(GAP))
        at = window.start
        for one in evidence:
            start, end = max(one.start, window.start), min(one.end, window.end)
            if start < end:
                pieces += [PassagePart(text[at:start]), PassagePart(text[start:end], evidence=True)]
                at = end
        pieces.append(PassagePart(text[at : window.end]))
    return tuple(piece for piece in pieces if piece.text)
