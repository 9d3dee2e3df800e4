"""Normalised replies and references, compared by the word metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.text.normalising import has_cjk, normalise

__all__ = ["Empty", "NormalisedReply", "as_counted", "compare", "reply_text", "share_found", "wanted"]


Empty = Literal["no_answer", "refusal"]
"""What a reply without an answer counts as: `no_answer`, which is wrong everywhere, or `refusal`, SQuAD's rule."""


def as_counted(answer: Answer, empty: Empty) -> Answer:
    """Returns the answer; where there is none and that counts as a refusal, one that declines."""
    return replace(answer, finish="declined") if empty == "refusal" and not answer.answered else answer


@dataclass(frozen=True, slots=True)
class NormalisedReply:
    """A normalised reply and its normalised references; metrics score against the best reference."""

    reply: str
    references: tuple[str, ...]


def reply_text(answer: Answer) -> str:
    """Returns the text of the answer; empty if the model declined."""
    return "" if answer.finish == "declined" else answer.text


def compare(answer: Answer, example: Example) -> NormalisedReply | None:
    """Returns the reply and references under SQuAD 2.0's normalisation, or None if the right answer is not known.

    References that are empty after normalisation are dropped; if none is left, only an empty reply is right. The
    same goes for unanswerable examples, whatever sentence their references hold. Where all references are required,
    they are joined into one, as Qasper does with the spans of an answer. Where there is no answer, no reference is
    right.
    """
    if not example.references and not example.unanswerable:
        return None
    reply = reply_text(answer)
    if not answer.answered:
        return NormalisedReply("", ())
    gold = () if example.unanswerable else example.references
    cjk = has_cjk(reply, *gold)
    references = wanted(example, cjk=cjk)
    if example.answer_mode == "all":
        references = [" ".join(references)]
    return NormalisedReply(normalise(reply, cjk=cjk), tuple(references) or ("",))


def wanted(example: Example, *, cjk: bool) -> list[str]:
    """Returns the normalised references to search for; empty for unanswerable examples and references without words."""
    gold = () if example.unanswerable else example.references
    return [normal for reference in gold if (normal := normalise(reference, cjk=cjk))]


def share_found(found: Sequence[bool], example: Example) -> float | None:
    """Returns the share of references found if all are required, else 1 if any was found; None without references."""
    if not found:
        return None
    return sum(found) / len(found) if example.answer_mode == "all" else float(any(found))
