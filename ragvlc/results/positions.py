"""Position of the evidence in the text that a model read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ragvlc.core.data import Span

__all__ = ["context_position", "read_from_start"]


def context_position(evidence: Sequence[Span], context: Iterable[tuple[str, int, int]]) -> float | None:
    """Returns the relative position of evidence in a context, from 0 to 1; None if it was not sent.

    Args:
        evidence: without overlaps.
        context: document, start and end of each passage, in the order of the prompt.
    """
    at = count = weighted = 0
    for document, first, last in context:
        for one in evidence:
            if one.start < last and first < one.end and one.document_id == document:
                start, end = max(one.start, first), min(one.end, last)
                if start < end:
                    count += end - start
                    weighted += (end - start) * (2 * at + start + end - 2 * first)
        at += last - first
    return weighted / (2 * count * at) if count else None


def read_from_start(context: Iterable[tuple[str, int, int]], documents: Sequence[tuple[str, int]]) -> tuple[int, int]:
    """Returns the characters sent, and how many of these, in front, are the documents from their start and in order.

    Args:
        context: document, start and end of each passage, in the order of the prompt.
        documents: of the question: id and characters, in order.
    """
    sent = lead = place = at = 0
    unbroken = True
    for document, first, last in context:
        if unbroken and place < len(documents) and at == documents[place][1]:
            place, at = place + 1, 0
        unbroken = unbroken and place < len(documents) and document == documents[place][0] and first <= at
        new = max(0, last - (at if unbroken else first))
        sent += new
        if unbroken:
            lead, at = lead + new, max(at, last)
    return sent, lead
