"""Sub-questions: parsed from a planner's reply, and sorted into an order in which they can be asked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ragvlc.text.normalising import has_cjk, normalise

__all__ = ["Subquestion", "levels", "new_questions", "questions_in", "resolved"]

_REFERENCE = re.compile(r"#(\d{1,3})")
_BULLET = re.compile(r"^\s*(?:[-*•]\s+|\(?\d{1,3}[.):]\s+)?")


@dataclass(frozen=True, slots=True)
class Subquestion:
    """A sub-question, and its answer once there is one.

    Attributes:
        number: counts from 1 over all rounds.
        question: as it was planned; `#1` stands for the answer to number 1.
        answer: empty before it was asked.
    """

    number: int
    question: str
    answer: str = ""

    @property
    def needs(self) -> frozenset[int]:
        """The numbers of the sub-questions whose answers this one needs."""
        return frozenset(int(number) for number in _REFERENCE.findall(self.question))


def new_questions(
    reply: str, before: Sequence[Subquestion], most: int, barred: Sequence[str] = ()
) -> list[Subquestion]:
    """Returns up to `most` new sub-questions in a planner's reply, without those already asked and those in `barred`.

    A JSON list anywhere in the reply counts: of texts, or of objects with `question`. Without one, lines that end with
    a question mark do.
    """
    seen = {_plain(text) for text in (*barred, *(one.question for one in before))}
    texts = questions_in(reply)
    found: list[Subquestion] = []
    for text in texts:
        if (plain := _plain(text)) and plain not in seen and len(found) < most:
            seen.add(plain)
            found.append(Subquestion(len(before) + len(found) + 1, " ".join(text.split())))
    return found


def questions_in(text: str) -> list[str]:
    """Returns the texts of the first JSON list of questions; without one, the lines that end with a question mark."""
    listed = _listed(text)
    lines = [_BULLET.sub("", line).strip() for line in text.splitlines()]
    return [line for line in lines if line.endswith(("?", "？", "؟"))] if listed is None else listed


def levels(planned: Sequence[Subquestion]) -> Iterator[list[Subquestion]]:
    """Yields groups of mutually independent sub-questions, each group after the groups whose answers it needs.

    What is needed and was not planned counts as known; of a circle all are asked together.
    """
    left = {one.number: one for one in planned}
    while left:
        ready = [one for one in left.values() if not ((one.needs - {one.number}) & left.keys())]
        ready = ready or list(left.values())
        for one in ready:
            del left[one.number]
        yield ready


def resolved(asked: Subquestion, findings: Sequence[Subquestion]) -> Subquestion:
    """Returns the sub-question with references such as `#1` replaced by the answers that are known."""
    answers = {one.number: one.answer for one in findings if one.answer}
    text = _REFERENCE.sub(lambda match: answers.get(int(match[1]), match[0]), asked.question)
    return replace(asked, question=text)


def _listed(reply: str) -> list[str] | None:
    """Returns the texts of the first JSON list of texts or question objects in the reply, or None."""
    decoder = json.JSONDecoder()
    for start in (match.start() for match in re.finditer(r"\[", reply)):
        try:
            value, _ = decoder.raw_decode(reply, start)
        except ValueError:
            continue
        items = [item.get("question") if isinstance(item, dict) else item for item in value]
        texts = [item for item in items if isinstance(item, str)]
        if len(texts) == len(items):
            return texts
    return None


def _plain(text: str) -> str:
    return normalise(text, cjk=has_cjk(text))
