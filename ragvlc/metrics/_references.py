"""Normalised replies and references, compared by the word metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.text import matching
from ragvlc.text.normalising import mostly_cjk, normalise

__all__ = [
    "Empty",
    "NormalisedReply",
    "Script",
    "as_counted",
    "by_character",
    "compare",
    "reply_text",
    "share_found",
    "sought",
]

Script = Literal["auto", "latin", "cjk"]
"""Whether texts are compared by words or, as Chinese and Japanese, by characters; `auto` is decided by the example."""

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


def by_character(script: Script, example: Example) -> bool:
    """Returns whether to compare by the rule for Chinese and Japanese; the reply has no say.

    `auto` takes that rule where at least half of the words of a reference or of the question are Chinese or Japanese
    characters. One such character in an English reference changes nothing.
    """
    if script == "auto":
        return any(map(mostly_cjk, (*example.references, example.query.text)))
    return script == "cjk"


def compare(answer: Answer, example: Example, script: Script) -> NormalisedReply | None:
    """Returns the reply and references under SQuAD 2.0's normalisation, or None if the right answer is not known.

    References that are empty after normalisation are dropped; if none is left, only an empty reply is right. The
    same goes for unanswerable examples, whatever sentence their references hold. Where all references are required,
    they are joined into one, as Qasper does with the spans of an answer. Where there is no answer, no reference is
    right.
    """
    if not example.references and not example.unanswerable:
        return None
    if not answer.answered:
        return NormalisedReply("", ())
    cjk = by_character(script, example)
    gold = () if example.unanswerable else example.references
    references = [normal for reference in gold if (normal := normalise(reference, cjk=cjk))]
    if example.answer_mode == "all":
        references = [" ".join(references)]
    return NormalisedReply(normalise(reply_text(answer), cjk=cjk), tuple(references) or ("",))


def sought(example: Example, *, cjk: bool) -> list[str]:
    """Returns the references to search for, surrounded by blanks; empty for unanswerable examples.

    Typography is folded, so that a reference is found in any; references without words are left out.
    """
    gold = () if example.unanswerable else example.references
    found = [matching.normalise(reference, cjk=cjk) for reference in gold]
    return [one for one in found if one.strip()]


def share_found(found: Sequence[bool], example: Example) -> float | None:
    """Returns the share of references found if all are required, else 1 if any was found; None without references."""
    if not found:
        return None
    return sum(found) / len(found) if example.answer_mode == "all" else float(any(found))
