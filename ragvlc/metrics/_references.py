"""What a reply is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.text.normalising import has_cjk, normalise

__all__ = ["Comparison", "compare", "reply_text", "share_found", "wanted"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A normalised reply and the normalised references; the best one counts."""

    reply: str
    references: tuple[str, ...]


def reply_text(answer: Answer) -> str:
    """Returns what was answered: nothing, if the model declined."""
    return "" if answer.finish == "declined" else answer.text


def compare(answer: Answer, example: Example) -> Comparison | None:
    """Returns both sides under SQuAD 2.0's rules, or None where nothing is known about the right answer.

    References that are empty after normalisation are dropped; if none is left, only an empty reply is right. The
    same goes for unanswerable examples, whatever sentence their references hold. Where all references are required,
    they are joined into one, as Qasper does with the spans of an answer.
    """
    if not example.references and not example.unanswerable:
        return None
    reply = reply_text(answer)
    gold = () if example.unanswerable else example.references
    cjk = has_cjk(reply, *gold)
    references = wanted(example, cjk=cjk)
    if example.answer_mode == "all":
        references = [" ".join(references)]
    return Comparison(normalise(reply, cjk=cjk), tuple(references) or ("",))


def wanted(example: Example, *, cjk: bool) -> list[str]:
    """Returns the normalised references to look for in a text: none for unanswerable examples, none without a word."""
    gold = () if example.unanswerable else example.references
    return [normal for reference in gold if (normal := normalise(reference, cjk=cjk))]


def share_found(found: Sequence[bool], example: Example) -> float | None:
    """Returns the share of `wanted` that was found where all are required, else whether any was; None without any."""
    if not found:
        return None
    return sum(found) / len(found) if example.answer_mode == "all" else float(any(found))
