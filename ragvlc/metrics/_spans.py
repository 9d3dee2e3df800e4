"""Character counts of text spans, which do not depend on how documents are chunked."""

from __future__ import annotations

from collections.abc import Sequence

from ragvlc.core.data import Span

__all__ = ["characters", "contains_span", "overlap"]


def characters(spans: Sequence[Span]) -> int:
    """Returns the number of characters in disjoint spans."""
    return sum(map(len, spans))


def overlap(left: Sequence[Span], right: Sequence[Span]) -> int:
    """Returns the number of characters shared by two sets of disjoint spans, each in (document, start) order."""
    common = i = j = 0
    while i < len(left) and j < len(right):
        a, b = left[i], right[j]
        if a.document_id == b.document_id:
            common += max(0, min(a.end, b.end) - max(a.start, b.start))
        if (a.document_id, a.end) <= (b.document_id, b.end):
            i += 1
        else:
            j += 1
    return common


def contains_span(spans: Sequence[Span], inner: Span) -> bool:
    """Returns whether every character of `inner` is in `spans`, which must be disjoint and must not touch."""
    return any(
        outer.document_id == inner.document_id and outer.start <= inner.start and inner.end <= outer.end
        for outer in spans
    )
