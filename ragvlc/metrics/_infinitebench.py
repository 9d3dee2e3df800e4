"""The scorers of InfiniteBench as pure functions, by task.

Zhang et al. (2024, arXiv 2402.13718), `src/compute_scores.py`. A label is the list of an example's right answers; of a
multiple-choice question it is the text of the right option and its letter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from ragvlc.metrics._longbench import normalise_chinese, qa_f1
from ragvlc.metrics._published import token_f1
from ragvlc.text.rouge import google_rouge

__all__ = ["CHOICES", "NUMBERS", "TASKS", "calculated"]

_DIGITS = re.compile(r"[0-9]+")
_NUMBER = re.compile(r"\d+\.\d+|\d+")
_BLANKS = re.compile(r" {2,}")
_SENTENCE = str.maketrans(dict.fromkeys("\n:\"'.,?!{}", " "))
_OPTION = str.maketrans(dict.fromkeys("\n\"'.,?!{}", " "))
_CODE = str.maketrans(dict.fromkeys("\n.`'\":", " "))
_DEBUG = str.maketrans(dict.fromkeys("\n`'\"-*", " "))
_CHOSEN = ("answer is:", "answer:", "answer is", "option is")
_FOUND = ("answer is:", "is:", "answer:", "correct option is:")
_LONGEST = 4000
"""Digits that are read as a number: Python refuses more."""
NUMBERS = frozenset({"math_find", "code_run"})
"""Tasks whose label is a number."""
CHOICES = frozenset({"code_debug", "longbook_choice_eng"})
"""Tasks whose label is an option and its letter."""


def first_number(reply: str, label: Sequence[str]) -> float:
    """Returns 1 if the first run of digits is the first label."""
    found = _DIGITS.search(reply)
    return float((found[0] if found else "") == label[0])


def has_word(reply: str, label: Sequence[str]) -> float:
    """Returns 1 if the first label is a word of the reply, with punctuation as blanks."""
    return float(label[0] in reply.translate(_SENTENCE).split())


def has_upper_word(reply: str, label: Sequence[str]) -> float:
    """Returns 1 if the first label is a word of the reply in upper case."""
    return float(label[0] in reply.strip().translate(_SENTENCE).upper().split())


def last_number(reply: str, label: Sequence[str]) -> float:
    """Returns 1 if the last word of the reply is a whole number equal to the first label."""
    words = reply.strip().translate(_CODE).split()
    try:
        return float(int(words[-1]) == int(label[0])) if words else 0.0
    except ValueError:
        return 0.0


def same_number(reply: str, label: Sequence[str]) -> float:
    """Returns 1 if the first number of the reply is the label: a decimal number if the label has a point."""
    found = _NUMBER.search(reply)
    if found is None or len(found[0]) > _LONGEST:
        return 0.0
    whole = label[0].strip().lstrip("+-").isdigit()
    if whole and "." in found[0]:  # on which the script fails
        return 0.0
    return float(float(found[0]) == float(label[0]))


def debugged(reply: str, label: Sequence[str]) -> float:
    """Returns 1 if the reply begins with the right letter and a mark, or names letter or function behind a phrase."""
    function, letter = label
    text = reply.strip()
    if text[:2] in (f"{letter}.", f"{letter}:"):
        return 1.0
    text = text.translate(_DEBUG).replace("Option", " ").replace("option", " ")
    return _behind(_BLANKS.sub(" ", text), _FOUND, (letter, function)) or 0.0


def chosen(reply: str, label: Sequence[str]) -> float:
    """Returns 1 if the reply begins with the right letter, is the label, or names it behind a phrase or as a word."""
    text = reply.strip()
    if not text:
        return 0.0
    if text[0] in "ABCD":
        return float(text[0] in label)
    if text in label:
        return 1.0
    text = _BLANKS.sub(" ", text.translate(_OPTION))
    found = _behind(text, _CHOSEN, label)
    if found is None:
        found = next((float(word in label) for word in text.split() if word in "ABCD"), 0.0)
    return found


def _behind(text: str, phrases: Sequence[str], wanted: Sequence[str]) -> float | None:
    """Returns whether what is wanted comes one character behind the first of the phrases that occurs; None without."""
    for phrase in phrases:
        place = text.find(phrase)
        if place != -1:
            return float(text[place + len(phrase) + 1 :].startswith(tuple(wanted)))
    return None


def answered(reply: str, label: Sequence[str]) -> float:
    """Returns token F1 by the best label."""
    return max(qa_f1(reply, one) for one in label)


def answered_chinese(reply: str, label: Sequence[str]) -> float:
    """Returns F1 of characters by the best label."""
    return max(token_f1(normalise_chinese(reply), normalise_chinese(one)) for one in label)


def summarised(reply: str, label: Sequence[str]) -> float:
    """Returns Google's ROUGE-Lsum by the best label."""
    return max(google_rouge("Lsum", one, reply).f for one in label)


def calculated(reply: str, label: Sequence[str], *, skip: int = 0) -> float:
    """Returns the share of numbers that are right before the first wrong one.

    Args:
        reply: runs of digits are its numbers.
        label: the numbers, one a text or all in one.
        skip: numbers of the reply that are left out first.
    """
    wanted = [_plain(one) for text in label for one in _DIGITS.findall(text)]
    given = [_plain(one) for one in _DIGITS.findall(reply)][skip:]
    right = 0
    for one, other in zip(wanted, given, strict=False):
        if one != other:
            break
        right += 1
    return right / len(wanted) if wanted else 0.0


def _plain(digits: str) -> str:
    return digits.lstrip("0") or "0"


TASKS: Mapping[str, Callable[[str, Sequence[str]], float]] = {
    "passkey": first_number,
    "number_string": first_number,
    "kv_retrieval": has_word,
    "longdialogue_qa_eng": has_upper_word,
    "longbook_sum_eng": summarised,
    "longbook_choice_eng": chosen,
    "longbook_qa_eng": answered,
    "longbook_qa_chn": answered_chinese,
    "math_find": same_number,
    "math_calc": calculated,
    "code_run": last_number,
    "code_debug": debugged,
}
