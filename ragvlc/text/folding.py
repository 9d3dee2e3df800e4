"""Typographic folding: one spelling for texts that look alike, with positions that map back to the original text.

`fold` alone says what is the same typography: `locate`, `contains`, `answer_in_context`, the padding of contexts and
BM25 compare folded texts. `docs/matching.md` has examples. The rules:

- Characters that Unicode calls compatible are the plain ones (NFKC): ligatures, full-width and half-width forms, Arabic
  presentation forms, Kangxi radicals, roman numerals, the ellipsis; combining marks are composed.
- Curly, low and angle quotes and primes are straight quotes; hyphens, en dashes and the minus sign are `-`; an em dash
  is ` - `, between digits `-`; white space of any width is a blank, and line breaks stay.
- Soft hyphens, zero-width characters, direction marks, variation selectors, the Arabic tatweel and `®`, `™`, `℠` go.
- A word broken by a hyphen at a line end, also across pages, is one word. A hyphen before `and`, `or` and the like
  stays with its line break (`pre-` and `and post-war` on the next line), unless the text has the joined word
  elsewhere. Beside a digit the hyphen stays and the line break goes (`COVID-19`).

Values are never changed: `10²` is not `102`, and `3½` is `3 1/2`. Raised and lowered characters that do not follow a
digit are plain (`CO₂`). Case, accents and the digits of other scripts are not folded.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import cache

__all__ = ["Edit", "Edits", "conjunction", "fold", "folding"]

Edit = tuple[int, int, str]
"""The start and end of a piece of text, and its replacement."""

_HYPHENS = "‐‑‒–⁃−﹣－\u058a\u05be"
_OWN = {
    **dict.fromkeys("‘’‚‛‹›ʹʻʼʽˈ′‵´", "'"),
    **dict.fromkeys("“”„‟«»″‶〝〞〟ˮ", '"'),
    **dict.fromkeys(_HYPHENS, "-"),
    "‴": "'''",
    "⁄": "/",
    "∕": "/",
}
_EM = "—―⸺⸻﹘"
_DROPPED = (
    "\u00ad\u034f\u061c\u0640\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff"
    "\U000e0100-\U000e01ef®™℠"
)
_INVISIBLE = _DROPPED.replace("®™℠", "")
_RAISED = ("<super>", "<sub>", "<circle>", "<fraction>")
_HALF_WIDTH_MARKS = "\uff9e\uff9f"
_LAST = 0x33500  # nothing from here on has a compatible plain form
_CONJUNCTIONS = frozenset(
    "and or nor to und oder bzw sowie bis et ou y e o ed od en of och eller og i и или".split()  # noqa: SIM905
)

_NEWLINE = "\n\r\x0b\x0c\x85\u2028\u2029"
_BLANK = f"[\\s{_INVISIBLE}]"
_LINE_END = f"(?:(?![{_NEWLINE}]){_BLANK})*+[{_NEWLINE}]{_BLANK}*+"
_ON_PAGE = f"(?:(?!\\x0c){_BLANK})*+"
_NUMBER = r"(?:\d{1,4}"  # of a page, on a line of its own
_PAGE_END = (
    f"{_ON_PAGE}{_NUMBER}{_ON_PAGE})?\\x0c{_BLANK}*+{_NUMBER}(?:(?![{_NEWLINE}]){_BLANK})*+[{_NEWLINE}]{_BLANK}*+)?"
)
_WORD = re.compile(r"[^\W\d_]+")


def fold(text: str, *, broken: str = "") -> str:
    """Returns `text` in plain typography; ASCII text without words broken at line ends is returned as it is.

    Args:
        text: anything.
        broken: what the hyphen of a word broken at a line end becomes.
    """
    pieces: list[str] = []
    done = 0
    for start, end, replacement in folding(text, broken=broken):
        pieces += (text[done:start], replacement)
        done = end
    return "".join((*pieces, text[done:])) if done else text


def folding(text: str, *, broken: str = "") -> Iterator[Edit]:
    """Yields the edits that fold `text`, in order and without overlap."""
    if text.isascii():
        if "-" not in text:
            return
        pattern = _ascii_pattern()
    else:
        pattern = _pattern(composed=unicodedata.is_normalized("NFC", text))
    words: frozenset[str] | None = None
    for match in pattern.finditer(text):
        start, end, found = match.start(), match.end(), match[0]
        match match.lastgroup:
            case "broken":
                if _one_hyphen(found):
                    words = _words(text) if words is None and conjunction(text, end) else words
                    replacement = _unbroken(text, start, end, broken, words)
                else:
                    replacement = "".join(map(_plain, found))
            case "em":
                replacement = "-" if _digit(text, start - 1) and _digit(text, end) else " - "
            case "raised":
                replacement = _lowered(found, after_digit=_digit(text, start - 1))
            case "cluster":
                replacement = "".join(map(_plain, unicodedata.normalize("NFKC", found)))
            case _:
                replacement = _table().get(found, "")
        if replacement != found:
            yield start, end, replacement


class Edits:
    """A text after edits, whose positions map back to the text before them.

    Args:
        text: before the edits.
        edits: in order and without overlap.

    Attributes:
        text: after the edits.
    """

    def __init__(self, text: str, edits: Iterable[Edit]) -> None:
        pieces: list[str] = []
        self._starts: list[int] = []
        self._sources: list[tuple[int, int]] = []  # of a replacement; of an unchanged piece the end is -1
        done = length = 0
        for start, end, replacement in edits:
            length = self._add(pieces, length, text[done:start], (done, -1))
            length = self._add(pieces, length, replacement, (start, end))
            done = end
        self._add(pieces, length, text[done:], (done, -1))
        self.text = "".join(pieces)

    def _add(self, pieces: list[str], length: int, piece: str, source: tuple[int, int]) -> int:
        if piece:
            pieces.append(piece)
            self._starts.append(length)
            self._sources.append(source)
        return length + len(piece)

    def source(self, start: int, end: int) -> tuple[int, int]:
        """Returns the span of the original text that the characters from `start` to `end` come from; not for none."""
        return self._character(start)[0], self._character(end - 1)[1]

    def _character(self, place: int) -> tuple[int, int]:
        row = bisect_right(self._starts, place) - 1
        start, end = self._sources[row]
        if end >= 0:
            return start, end
        start += place - self._starts[row]
        return start, start + 1


def _one_hyphen(found: str) -> bool:
    """Returns whether a line end follows one hyphen, hard or soft, and not two or only invisible characters."""
    hard = sum(one == "-" or one in _HYPHENS for one in found)
    return hard == 1 or (hard == 0 and "\u00ad" in found)


def _unbroken(text: str, start: int, end: int, broken: str, words: frozenset[str] | None) -> str:
    """Returns what replaces a hyphen and the line end after it."""
    before, after = (unicodedata.normalize("NFKC", one) for one in (text[start - 1 : start], text[end : end + 1]))
    if before[-1:].isdecimal() or after[:1].isdecimal():
        return "-"
    following = conjunction(text, end)
    if following and words is not None and not text[start:end].startswith("\u00ad"):
        first = re.search(r"[^\W\d_]*\Z", text[max(0, start - 40) : start])
        if first and f"{first[0]}{following}".lower() not in words:
            return "-" + text[end - 1 : end] if text[end - 1 : end].isspace() else "-\n"
    return broken


def conjunction(text: str, start: int) -> str:
    """Returns the word at `start` if it is one before which a hyphen stands for a shared ending."""
    word = _WORD.match(text, start, start + 8)
    return (
        word[0] if word and word[0].lower() in _CONJUNCTIONS and not text[word.end() : word.end() + 1].isalnum() else ""
    )


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower()))


def _digit(text: str, place: int) -> bool:
    return 0 <= place < len(text) and text[place].isdecimal()


def _lowered(found: str, *, after_digit: bool) -> str:
    """Returns raised characters as plain ones; behind a digit, powers stay and fractions get a blank before them."""
    if not after_digit:
        return "".join(map(_plain, unicodedata.normalize("NFKC", found)))
    if all(unicodedata.decomposition(one).startswith("<fraction>") for one in found):
        return " " + unicodedata.normalize("NFKC", found).replace("⁄", "/")
    return found


def _plain(character: str) -> str:
    return _table().get(character, character)


@cache
def _table() -> dict[str, str]:
    """Returns the plain form of every single character that has another one and is not raised."""
    found: dict[str, str] = {}
    for code in range(0x80, _LAST):
        one = chr(code)
        plain = unicodedata.normalize("NFKC", one)
        if one.isspace():
            plain = one if one in _NEWLINE else " "
        accent = plain[0] == " " and len(plain) > 1  # spacing accents are a blank with a mark
        if plain != one and not accent and not unicodedata.decomposition(one).startswith(_RAISED):
            found[one] = plain
    found |= {one: "".join(_OWN.get(part, part) for part in plain) for one, plain in found.items()}
    return found | _OWN | dict.fromkeys(filter(re.compile(f"[{_DROPPED}]").match, map(chr, range(0x80, 0xE01F0))), "")


def _composed(character: str) -> bool:
    parts = unicodedata.decomposition(character)
    return " " in parts and parts[0] != "<"


@cache
def _ascii_pattern() -> re.Pattern[str]:
    return re.compile(f"(?P<broken>-(?<=\\w-)(?:{_PAGE_END}|{_LINE_END})(?=\\w))")


@cache
def _pattern(*, composed: bool) -> re.Pattern[str]:
    """Returns the pattern of what folding changes outside ASCII.

    Args:
        composed: whether only characters with another plain form may compose with the marks after them.
    """
    every = [chr(code) for code in range(0x80, _LAST)]
    marks = [one for one in every if unicodedata.combining(one)]
    raised = [one for one in every if unicodedata.decomposition(one).startswith(_RAISED) and one not in _table()]
    rules = {
        "broken": f"(?<=[\\w{_ranges(marks)}])[-{_HYPHENS}{_INVISIBLE}]++(?:{_PAGE_END}|{_LINE_END})(?=\\w)",
        "em": f"(?<![^\\S{_NEWLINE}])[^\\S{_NEWLINE}]*+[{_EM}](?:\\s*+[{_EM}])*+\\s*+",
        "raised": f"[{_ranges(raised)}]+",
        "single": f"[{_ranges(_table())}]",
    }
    seconds = {unicodedata.normalize("NFD", one)[-1] for one in every if _composed(one)}
    following = _ranges({*marks, *seconds, *_HALF_WIDTH_MARKS, *map(chr, range(0x1161, 0x1200))})
    base = f"[{_ranges(_table())}]" if composed else f"[^\\s{_EM}{following}]"
    rules = {"broken": rules["broken"], "cluster": f"{base}[{following}]+", **rules}
    return re.compile("|".join(f"(?P<{name}>{rule})" for name, rule in rules.items()))


def _ranges(characters: Iterable[str]) -> str:
    """Returns the inside of a regular expression's class for characters outside ASCII."""
    found: list[list[int]] = []
    for code in sorted(map(ord, characters)):
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        elif code >= 0x80:
            found.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in found)
