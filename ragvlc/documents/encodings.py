"""Decoding of bytes: by byte order mark, as UTF-8, by the encoding that the file declares, or by the likeliest guess.

Evidence for an encoding of one byte a character is whether its letters belong to one language and stand where letters
stand: "für" is German, "fьr" mixes alphabets, "f¸r" has a mark inside a word. An encoding of two bytes a character is
considered only where most letters need it: a text with few bytes over 127 is none.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ragvlc.documents.alphabets import ALPHABETS, COMMON, FREQUENT

__all__ = ["Encoding", "NotText", "decoded"]

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SINGLE = (
    "cp1252", "cp1250", "cp1251", "koi8-r", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp874", "iso-8859-2",
    "iso-8859-5", "iso-8859-7", "iso-8859-15", "mac-roman", "mac-cyrillic", "cp866", "cp850", "cp852", "cp437",
)  # fmt: skip
"""Encodings of one byte a character; of equally likely ones, the first."""
_USUAL = 0.05
"""What more speaks for Windows' encoding of Western Europe, by far the most frequent where UTF-8 is not."""
_DOUBLE = ("gb18030", "big5", "cp932", "euc_jp", "cp949")
_HIGH = re.compile(rb"[\x80-\xff]+")
_WORD = re.compile(r"[^\W\d_]+")
_OUT_OF_PLACE = re.compile(
    r"(?<=[^\W\d_])[^\w\s\x00-\x7f’‘·–—…\u00ad\u0e31-\u0e4e\u05b0-\u05c7\u064b-\u0652](?=[^\W\d_])"
    r"|\d(?=[^\W\d_\x00-\x7f])|(?<=[^\W\d_\x00-\x7f])\d"
)
"""Marks beyond ASCII within a word, and letters beyond ASCII beside a digit."""
_DENSE = 0.3
_SAMPLE = 200_000
_SHOWN = 4
_ALTERNATIVES = 2


class NotText(Exception):
    """The error raised for bytes that cannot be read as text; its message is the reason."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """The encoding that bytes were decoded with, and how it was chosen.

    Attributes:
        name: as Python knows it.
        guessed: whether it was chosen by evidence, not stated by the file or the user.
        alternatives: others that fit, the likeliest first, each with the same sample.
        sample: words with characters beyond ASCII as they were read.
        broken: bytes that could not be read and stand as U+FFFD.
    """

    name: str
    guessed: bool = False
    alternatives: tuple[tuple[str, str], ...] = ()
    sample: str = ""
    broken: int = 0

    def sentence(self) -> str:
        """Returns a sentence that names the chosen encoding, sample words, and the next likely encodings."""
        others = "; ".join(f"{name}: {sample}" for name, sample in self.alternatives)
        return f"not UTF-8, read as {self.name}: {self.sample}" + (f" (less likely {others})" if others else "")


def decoded(data: bytes, encoding: str = "", declared: str = "") -> tuple[str, Encoding]:
    """Returns the text without a byte order mark, and the encoding that was used.

    Args:
        data: the bytes.
        encoding: as the user says; anything else is refused.
        declared: as the file says of itself; used where the bytes are not UTF-8 and fit.

    Raises:
        NotText: the bytes are no text, or not in that encoding.
    """
    if encoding:
        return _strictly(data, encoding)
    for mark, wide in _MARKS:
        if data.startswith(mark):
            return _strictly(data, wide)
    try:
        return data.decode("utf-8-sig"), Encoding("utf-8")
    except UnicodeDecodeError as error:
        place = error.start
    return _stated(data, declared) or _guessed(data, place)


def _stated(data: bytes, declared: str) -> tuple[str, Encoding] | None:
    """Returns the text if zero bytes, nearly valid UTF-8 or a declared encoding decide the decoding; else None."""
    if wide := _wide(data):
        return _strictly(data, wide)
    if damaged := _damaged(data):
        return damaged
    try:
        return _strictly(data, _as_browsers(declared)) if declared else None
    except NotText:  # what pages say of themselves is often wrong: the evidence decides
        return None


def _strictly(data: bytes, encoding: str) -> tuple[str, Encoding]:
    try:
        return data.decode(encoding).removeprefix("\ufeff"), Encoding(encoding)
    except LookupError as error:
        raise NotText(f"'{encoding}' is no known encoding") from error
    except UnicodeDecodeError as error:
        raise NotText(f"not {encoding} text (byte {error.start})") from error


def _as_browsers(declared: str) -> str:
    """Returns the encoding that browsers use for a declared one, such as Windows-1252 for Latin 1."""
    try:
        name = codecs.lookup(declared).name
    except LookupError:
        return declared
    return {"iso8859-1": "cp1252", "ascii": "cp1252", "iso8859-9": "cp1254", "gb2312": "gb18030"}.get(name, declared)


def _wide(data: bytes) -> str:
    """Returns UTF-16 with its byte order if every other byte is mostly 0, as in UTF-16 text; else an empty text."""
    sample = data[: _SAMPLE - _SAMPLE % 2]
    half = len(sample) // 2
    if len(data) % 2 or half < 2:
        return ""
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if min(even, odd) > half * 0.02 or max(even, odd) < half * 0.5:
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"


def _damaged(data: bytes) -> tuple[str, Encoding] | None:
    """Returns the text as UTF-8 if few bytes are invalid, as in a file cut inside a character; else None."""
    if b"\x00" in data:
        return None
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    whole = sum(len(run) for run in re.findall(r"[^\x00-\x7f\ufffd]+", text))
    if not whole or broken > max(1, whole * 0.05):
        return None
    return text.removeprefix("\ufeff"), Encoding("utf-8", broken=broken)


def _guessed(data: bytes, place: int) -> tuple[str, Encoding]:
    if b"\x00" in data:
        raise NotText(f"not text in any known encoding (not UTF-8 from byte {place} on)")
    sample = data if len(data) <= _SAMPLE else _around_high(data)
    runs = [len(run) for run in _HIGH.findall(sample)]
    high = sum(runs)
    letters = high + sum(map(len, re.findall(rb"[A-Za-z]+", sample)))
    paired = sum(count for count in runs if count > 1)
    candidates: Iterable[str] = _SINGLE
    if high >= letters * _DENSE and paired >= high * 0.5:
        candidates = (*_DOUBLE, *_SINGLE)
    scores: dict[str, float] = {}
    for name in candidates:
        try:
            text = sample.decode(name, "ignore" if name in _DOUBLE and len(data) > _SAMPLE else "strict")
            data.decode(name)
        except UnicodeDecodeError:
            continue
        scores[name] = _double_score(text, name) if name in _DOUBLE else _single_score(text)
    if "cp1252" in scores:
        scores["cp1252"] += _USUAL
    best = max(scores.values(), default=0.0)
    if best <= 0:
        raise NotText(f"not text in any known encoding (not UTF-8 from byte {place} on)")
    ranked = sorted(scores, key=lambda name: (-scores[name], list(candidates).index(name)))
    text = data.decode(ranked[0])
    others = _alternatives(sample, ranked)
    return text, Encoding(ranked[0], guessed=True, alternatives=others, sample=_shown(text[:_SAMPLE]))


def _around_high(data: bytes) -> bytes:
    """Returns the lines of a long text that contain non-ASCII bytes, up to a sample size."""
    lines, size = [], 0
    for line in data.splitlines(keepends=True):
        if not line.isascii():
            lines.append(line)
            size += len(line)
            if size > _SAMPLE:
                break
    return b"".join(lines)[: 2 * _SAMPLE]


def _single_score(text: str) -> float:
    """Returns the share of non-ASCII characters that one language explains, minus a penalty for misplaced ones."""
    counts = Counter(character for character in text if character > "\x7f")
    total = sum(counts.values())
    if not total:
        return 0.0
    explained = max(
        sum(count for one, count in counts.items() if one in letters or one in COMMON)
        for name, letters in ALPHABETS.items()
        if name not in _DOUBLE
    )
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    mixed = sum(sum(one > "\x7f" for one in word) for word in words if _mixed(word))
    symbols = sum(count for one, count in counts.items() if not one.isalpha() and one not in COMMON)
    odd = mixed + symbols + len(_OUT_OF_PLACE.findall(text)) + sum(_case_breaks(word) for word in words)
    frequent = sum(count for one, count in counts.items() if one in FREQUENT)
    return (explained + 0.2 * frequent - 2.0 * odd) / total


def _mixed(word: str) -> bool:
    """Returns whether a word has letters of several alphabets."""
    scripts = {_script(one) for one in word}
    return len(scripts - {""}) > 1


def _script(letter: str) -> str:
    code = ord(letter)
    for name, first, last in (
        ("latin", 0x41, 0x24F),
        ("greek", 0x370, 0x3FF),
        ("cyrillic", 0x400, 0x52F),
        ("hebrew", 0x590, 0x5FF),
        ("arabic", 0x600, 0x6FF),
        ("thai", 0xE00, 0xE7F),
    ):
        if first <= code <= last:
            return name
    return ""


def _case_breaks(word: str) -> int:
    """Returns the number of capitals that follow a small letter, where one of the two is not ASCII."""
    return sum(one.islower() and two.isupper() and max(one, two) > "\x7f" for one, two in pairwise(word))


def _double_score(text: str, name: str) -> float:
    """Returns a score for the share of non-ASCII characters that are frequent in the encoding's language."""
    wanted = ALPHABETS[name]
    characters = [one for one in text if one > "\x7f" and not one.isspace()]
    if not characters:
        return 0.0
    return 4.0 * sum(one in wanted for one in characters) / len(characters)


def _alternatives(sample: bytes, ranked: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Returns the next likely encodings that would give a different text, each with sample words."""
    seen = {sample.decode(ranked[0], "replace")}
    found: list[tuple[str, str]] = []
    for name in ranked[1:]:
        text = sample.decode(name, "replace")
        if text not in seen and len(found) < _ALTERNATIVES:
            seen.add(text)
            found.append((name, _shown(text)))
    return tuple(found)


def _shown(text: str) -> str:
    """Returns a few different words of a text that contain non-ASCII characters."""
    words = dict.fromkeys(word for word in re.findall(r"\S*[^\x00-\x7f]\S*", text[:_SAMPLE]))
    return ", ".join(f"'{word[:24]}'" for word in list(words)[:_SHOWN])
