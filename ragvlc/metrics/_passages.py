"""Evidence spans, and which passages contain them."""

from __future__ import annotations

from ragvlc.core.data import Example, Span

__all__ = ["evidence_of", "holds"]


def evidence_of(example: Example) -> tuple[Span, ...]:
    """Returns the located evidence spans without repeats, in (document, start) order."""
    return tuple(sorted({span for span in example.evidence if len(span) > 0}))


def holds(passage: Span, evidence: Span, min_overlap: float) -> bool:
    """Returns whether a passage has at least one character and the share `min_overlap` of an evidence span."""
    if passage.document_id != evidence.document_id:
        return False
    shared = min(passage.end, evidence.end) - max(passage.start, evidence.start)
    return shared > 0 and shared >= min_overlap * len(evidence)
