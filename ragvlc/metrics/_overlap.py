"""Word overlap as scripts of question answering sets compute it, and the best of several scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example

__all__ = ["best", "harmonic", "overlap"]


def harmonic(precision: float, recall: float) -> float:
    """Returns F1; 0 if both are 0."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def overlap(reply: Sequence[str], reference: Sequence[str]) -> tuple[float, float]:
    """Returns precision and recall of tokens counted with their multiplicity; 0 and 0 if none is common."""
    common = (Counter(reply) & Counter(reference)).total()
    return (common / len(reply), common / len(reference)) if common else (0.0, 0.0)


def best(
    score: Callable[[str, str], float], answer: Answer, example: Example, references: Iterable[str] | None = None
) -> float | None:
    """Returns the highest score of the reply against a reference; None if the example has none, or no answer.

    A reference without text is one like any other, as in the scripts: an empty reply equals it.

    Args:
        score: compares a reply with one reference.
        answer: whose text is the reply, as it is.
        example: whose references count, unless others are given; where all are required, joined into one.
        references: those that count instead.
    """
    wanted = _references(example) if references is None else tuple(references)
    return max((float(score(answer.text, reference)) for reference in wanted), default=None)


def _references(example: Example) -> tuple[str, ...]:
    if example.unanswerable:
        return ()
    references = example.references
    return (" ".join(references),) if references and example.answer_mode == "all" else references
