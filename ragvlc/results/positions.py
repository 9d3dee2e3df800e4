"""Position of the evidence in the text that a model read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ragvlc.core.data import Span

__all__ = ["context_position"]


def context_position(evidence: Sequence[Span], context: Iterable[tuple[str, int, int]]) -> float | None:
    """Returns the relative position of evidence in a context, from 0 to 1; None if it was not sent.

    Args:
        evidence: without overlaps.
        context: document, start and end of each passage, in the order of the prompt.
    """
    at = count = weighted = 0
    for document, first, last in context:
        for one in evidence:
            if one.document_id == document:
                start, end = max(one.start, first), min(one.end, last)
                if start < end:
                    count += end - start
                    weighted += (end - start) * (2 * at + start + end - 2 * first)
        at += last - first
    return weighted / (2 * count * at) if count else None
