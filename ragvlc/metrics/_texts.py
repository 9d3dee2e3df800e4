"""References for metrics that compare whole texts without normalisation."""

from __future__ import annotations

from ragvlc.core.data import Example

__all__ = ["texts_wanted"]


def texts_wanted(example: Example) -> tuple[str, ...]:
    """Returns the references to compare a reply with; none for unanswerable examples.

    Where all are required they are joined into one, in their order.
    """
    if example.unanswerable:
        return ()
    references = tuple(reference for reference in example.references if reference.strip())
    return (" ".join(references),) if references and example.answer_mode == "all" else references
