"""The scorers of L-Eval as pure functions, and the base of its metrics.

An et al. (2023, arXiv 2307.11088), `Evaluation/em.py`, `f1.py`, `rouge.py` and `auto_eval.py`. Figures are means times
100, rounded to four digits, over all questions of a file; a failed call counts 0.
"""

from __future__ import annotations

import re
import string
from typing import ClassVar

from ragvlc.metrics._published import PublishedMetric

__all__ = [
    "LevalMetric",
    "chosen_letters",
    "clean_code",
    "clean_code_reply",
    "exact_match",
    "first_verdict",
    "number_in",
    "right_letters_in",
    "split_fact",
]

_OPTIONS = frozenset("ABCD")
_ARTICLE = re.compile(r"\b(a|an|the)\b")
_DELETED = str.maketrans("", "", string.punctuation)
_OPTION = re.compile(r"[A-Z](?=[\s.)])")
_OTHERS = re.compile(r"[^A-D]")
_ANSWER = re.compile(r"The answer is (\S+)")
_SPACE = re.compile(r"\s+")
_CODE = ((",", ""), ("'", ""), ("\\", ""), (".0", ""), ("] [", "]["), ("[ [", "[["), ("] ]", "]]"))
_SAID = ("will be", "of the code", "is", "would be", "the value of", "the result of", "printed")
_OUTPUT = "the final output"
FACT = "[fact:"


class LevalMetric(PublishedMetric):
    """A metric of L-Eval."""

    benchmark: ClassVar[str] = "L-Eval"
    digits: ClassVar[int | None] = 4


def exact_match(reply: str, reference: str) -> float:
    """Returns 1 or 0, and 0.25 for some of several right letters.

    Where the reference is made of the letters A to D alone, both texts must be equal after normalisation; a reply with
    some of the letters and no other, also one with no letter at all, scores 0.25. Else numbers are compared as numbers
    where both texts are numbers, or the reference must be part of the reply, without blanks and in lower case.
    """
    right = _normalised(reference)
    if set(right) <= _OPTIONS:
        given = _normalised(reply)
        return 1.0 if given == right else 0.25 * (set(given) <= set(right))
    try:
        return float(float(reply) == float(reference))
    except ValueError:
        return float(reference.lower().replace(" ", "") in reply.lower().replace(" ", ""))


def _normalised(text: str) -> str:
    return " ".join(_ARTICLE.sub(" ", text.translate(_DELETED)).split())


def chosen_letters(reply: str, *, several: bool) -> str:
    """Returns the letters that a reply to a multiple-choice question is read as.

    One letter is the first character that is A, B, C or D, wherever it occurs; A without any. Several are the leading
    letters or, of less than two, also capital letters before white space, a full stop or a bracket, up to the word
    Question. A reply of nothing but white space is `None`.
    """
    if not reply.strip():
        return "None"
    if reply in "ABCD":
        return reply
    if not several:
        return next((one for one in reply if one in _OPTIONS), "A")
    end = next((place for place, one in enumerate(reply) if one not in _OPTIONS), len(reply))
    leading = reply[:end]
    if len(leading) > 1:
        return "".join(sorted(set(leading)))
    rest = reply[end:].partition("Question")[0]
    found = _OTHERS.sub("", leading + "".join(_OPTION.findall(rest)))
    return "".join(sorted(set(found))) or _first_run(rest) or "A"


def _first_run(text: str) -> str:
    start = next((place for place, one in enumerate(text) if one in _OPTIONS), len(text))
    end = next((place for place in range(start, len(text)) if text[place] not in _OPTIONS), len(text))
    return text[start:end]


def right_letters_in(reference: str) -> str:
    """Returns the letters A to D in the first word of a reference, `A` without any."""
    first = reference.split(maxsplit=1)
    return _OTHERS.sub("", first[0] if first else "") or "A"


def number_in(text: str) -> str:
    """Returns the digits of an answer up to a full stop.

    The answer is the word after `The answer is`, or else the last word with a digit in the first paragraph.
    """
    found = _ANSWER.search(text)
    if found:
        word = found[1]
    else:
        words = text.partition("\n\n")[0].split(" ")
        word = next((one for one in reversed(words) if any(map(str.isdigit, one))), "")
    return "".join(filter(str.isdigit, word.partition(".")[0]))


def split_fact(text: str) -> tuple[str, str | None]:
    """Returns the two halves of `True [fact: False]` in lower case; None without the second."""
    loyalty, *rest = text.lower().split(FACT)
    return loyalty.strip(), rest[0][:-1].strip() if rest else None


def first_verdict(text: str) -> str:
    """Returns `true` or `false`, whichever the first word with one of them has, or `<error>`."""
    for word in text.split():
        if "true" in word:
            return "true"
        if "false" in word:
            return "false"
    return "<error>"


def clean_code(text: str) -> str:
    """Returns the output of a program as it is compared: without commas, quotes, backslashes and `.0`."""
    text = _SPACE.sub(" ", text)
    for old, new in _CODE:
        text = text.replace(old, new)
    return text


def clean_code_reply(reply: str, reference: str) -> str:
    """Returns the words behind `the final output`, or the last words: three more than the reference has."""
    wanted, text = len(reference.split()) + 3, clean_code(reply)
    for words in _SAID:
        text = text.replace(words, "")
    if _OUTPUT in text:
        return " ".join(_SPACE.split(text.rpartition(_OUTPUT)[2])[:wanted])
    return " ".join(_SPACE.split(text)[-wanted:])
