r"""OOLONG: an aggregate over a long text, with part of the score for near numbers.

The scorer of Bertsch et al. (2025, arXiv 2511.02817), `eval_helpers.py`, in its two forms.

`synth`: the answer is what follows the last colon of the reply, without asterisks and square brackets; without a colon
the whole reply if it is shorter than 20 characters, else its last word. An answer of 20 characters or more that holds
`more common`, `less common` or `same frequency` becomes that, and is right if the reference holds it. Equal texts score
1. Else whole numbers score .75 to the power of the difference, and dates 1 if they are the same day.

`real`: the text in `\boxed{...}` or `\boxed{\text{...}}`, else the whole reply, which then is a text. A whole number
scores .75 to the power of the difference, a list (with commas) the share of wanted items found, a text 1 if it is equal
but for case; 0 where the types differ. Items that are not wanted cost nothing.

Reads `Example.scoring["answer_type"]` for `synth` (`ANSWER_TYPE.NUMERIC`, `ANSWER_TYPE.DATE`, others); does not apply
without it. The reference is the data set's `answer`, as it stands in the file (`['x']`, `[datetime.date(2023, 5, 1)]`)
or as text. Differences: a date without day, month or year is wrong, where the script fills in today's; replies that
make the script fail (only white space, a number too large) score 0. With several references the best counts.
"""

from __future__ import annotations

import ast
import re
from contextlib import suppress
from datetime import datetime
from typing import ClassVar, Literal

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric
from ragvlc.metrics._overlap import best

__all__ = ["Oolong", "boxed", "candidate", "real_score", "synth_score"]

_WORDINGS = ("more common", "less common", "same frequency")
_DATE = re.compile(r"\[?datetime\.date\((\d+), (\d+), (\d+)\)\]?")
_FILLED = (datetime(2000, 1, 1), datetime(2004, 2, 2))  # noqa: DTZ001
"""Two days to fill a date in from: one that names day, month and year is the same by both."""
_LONGEST = 200
"""A longer text is no date."""


class Oolong(Metric):
    r"""Score of an answer by OOLONG's scorer.

    Attributes:
        split: `synth`, the answer after the last colon, or `real`, the answer in `\boxed{}`.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})
    split: Literal["synth", "real"] = "synth"

    @property
    def label(self) -> str:
        """The label, `oolong` or `oolong_real`."""
        return self.kind + "_real" * (self.split == "real")

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None without a reference or, for `synth`, the type of the answer."""
        if self.split == "real":
            return best(real_score, answer, example)
        kind = example.scoring.get("answer_type")
        if kind is None:
            return None
        return best(lambda reply, reference: synth_score(reply, reference, str(kind)), answer, example)


def candidate(reply: str) -> str:
    """Returns the answer in a reply to a synthetic question."""
    if ":" not in reply:
        return reply if len(reply) < 20 else (reply.split() or [""])[-1]
    found = reply.rpartition(":")[2].strip().translate(str.maketrans("", "", "*[]"))
    if len(found) < 20:
        return found
    return next((wording for wording in _WORDINGS if wording in found), found)


def synth_score(reply: str, reference: str, answer_type: str) -> float:
    """Returns the score of a reply to a synthetic question, by the type of its answer."""
    found, wanted = candidate(reply), _gold(reference)
    if found == str(wanted):
        return 1.0
    if found in _WORDINGS:
        return float(found in str(wanted))
    if answer_type.endswith("NUMERIC"):
        return _near(found, str(wanted))
    if answer_type.endswith("DATE") and isinstance(wanted, datetime):
        return float(_date(found) == wanted)
    return 0.0


def real_score(reply: str, reference: str) -> float:
    """Returns the score of a reply to a question over real text."""
    inside, wanted = boxed(reply), _parsed(reference)
    found = reply if inside is None else _parsed(inside)
    if isinstance(wanted, int) and isinstance(found, int):
        return _near(str(found), str(wanted))
    if isinstance(wanted, str) and isinstance(found, str):
        return float(wanted.strip().lower() == found.strip().lower())
    if isinstance(wanted, list) and isinstance(found, list):
        return len(set(wanted) & set(found)) / len(wanted) if wanted else 0.0
    return 0.0


def boxed(reply: str) -> str | None:
    r"""Returns the text in the first `\boxed{\text{...}}` of a reply, else in its first `\boxed{...}`; None if none."""
    opening = "\\boxed{\\text{"
    place = reply.find(opening)
    while place != -1 and (end := reply.find("}", place + len(opening))) != -1:
        if reply.startswith("}}", end):
            return reply[place + len(opening) : end]
        # The next opening that may match: one before `end` would end there too.
        place = reply.find(opening, end)
    place = reply.find("\\boxed{")
    if place == -1:
        return None
    start = place + len("\\boxed")
    end = reply.find("}", start)
    return None if end == -1 else reply[start:end].lstrip("{")


def _gold(reference: str) -> object:
    if found := _DATE.fullmatch(reference.strip()):
        with suppress(ValueError):
            year, month, day = map(int, found.groups())
            return datetime(year, month, day)  # noqa: DTZ001 - a day, compared with days
    if reference.lstrip().startswith("["):
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            values = ast.literal_eval(reference.strip())
            if values:
                return values[0]
    return reference


def _near(found: str, wanted: str) -> float:
    try:
        return float(0.75 ** abs(int(wanted) - int(found)))
    except (ValueError, OverflowError):
        return 0.0


def _date(text: str) -> datetime | None:
    """Returns a text's date; None if it is no date, or lacks day, month or year."""
    from dateutil import parser  # type: ignore[import-untyped]

    if len(text) > _LONGEST:
        return None
    try:
        one, other = (parser.parse(text, default=filled) for filled in _FILLED)
    except (ValueError, OverflowError, TypeError):
        return None
    return one if isinstance(one, datetime) and one == other else None


def _parsed(answer: str) -> int | str | list[str]:
    with suppress(ValueError):
        return int(answer)
    if "," in answer:
        return [item.strip() for item in answer.split(",") if item.strip()]
    return answer
