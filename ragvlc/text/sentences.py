"""Sentence boundaries by simple rules for many scripts.

Own rules rather than a library: pysbd has had no release since 2021, NLTK's Punkt downloads its models, wtpsplit is a
neural model, and none promises that every character keeps its place. Chunks need no more than this: a missed or
doubtful end costs a slightly longer or shorter chunk, never text.

Known limits: an abbreviation outside the lists ends a sentence when a capital follows; a sentence that ends in an
initial ("Plan B. Then ...") runs on into the next; German ordinals ("am 3. Oktober") end one; Thai, which marks no
sentence ends, is divided at line breaks only.
"""

from __future__ import annotations

import re

__all__ = ["sentence_ends"]

_WIDE = "。！？｡"
_STOPS = f".!?…؟۔।॥።።։။{_WIDE}"
_CLOSERS = r"\"'”’»›)\]}」』）】》〉"
_OPENERS = r"\"'“‘„«‹(\[{¿¡「『（【《〈"
_BREAK = re.compile(r"\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")

# Every branch matches at once or not at all, so the search is linear in the text whatever it holds.
_END = re.compile(rf"(?P<stop>[{_STOPS}]+)[{_CLOSERS}]*(?P<gap>\s*)|[\n\r\x0b\x0c\x85\u2028\u2029]\s*")
_OPENING = re.compile(rf"[{_OPENERS}]*")

_WORD = re.compile(r"(?:(?P<word>[^\W\d_]+(?:\.[^\W\d_]+)*)|(?P<item>(?:^|[\n\r])[ \t]*\d{1,3}))\Z")
_LONGEST = 24  # characters before a full stop that are inspected

_TITLES = re.compile(
    "adm|brig|capt|cdr|cmdr|col|dipl|dr|drs|eds|esp|fr|ft|gen|gov|hon|hr|ing|lt|maj|messrs|mlle|mme|mr|mrs|ms|mt|pres|"
    "prof|rep|rev|sen|sgt|sr|st|supt|viz|vs"
)
_NUMBERED = re.compile(
    "abb|app|approx|apr|art|aug|bd|bzw|ca|cf|ch|chap|dec|def|ed|eqs?|eqns?|feb|figs?|jan|jul|jun|kap|lem|mar|nos?|nov|nr|"
    "oct|p|par|pg|pp|prop|refs?|secs?|sect|sept?|tab|thm|vols?|ziff"
)


def sentence_ends(text: str) -> list[int]:
    """Returns the ends of sentences in ascending order (the last is the end of `text`), after trailing white space."""
    ends = [match.end() for match in _END.finditer(text) if _is_end(text, match)]
    if text and (not ends or ends[-1] < len(text)):
        ends.append(len(text))
    return ends


def _is_end(text: str, match: re.Match[str]) -> bool:
    """Returns whether a sentence ends here: at a mark such as a full stop before white space, or at a line break."""
    stop, gap = match["stop"], match["gap"]
    if match.end() == len(text) or len(_BREAK.findall(match[0])) > 1:
        return True
    following = _first_letter(text, match.end())
    if stop is None:
        return not following.islower()
    if any(mark in _WIDE for mark in stop):
        return True
    if not gap or following.islower():
        return False
    return stop != "." or not _is_abbreviation(text, match.start(), following)


def _first_letter(text: str, start: int) -> str:
    """Returns the first character at or after `start` that is not an opening quote or bracket."""
    opening = _OPENING.match(text, start)
    place = opening.end() if opening else start
    return text[place : place + 1]


def _is_abbreviation(text: str, stop: int, following: str) -> bool:
    """Returns whether the full stop at `stop` ends an abbreviation or list number, judging by the next character."""
    found = _WORD.search(text, max(0, stop - _LONGEST), stop)
    if found is None:
        return False
    if found["item"] is not None:
        return True
    word = found["word"].lower()
    last = found["word"].rpartition(".")[2]
    if len(last) == 1 and (last.isupper() or "." in word):
        return True
    return bool(_TITLES.fullmatch(word) or (following.isdigit() and _NUMBERED.fullmatch(word)))
