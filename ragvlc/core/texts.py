"""Makes external text, such as a server's error or a model's answer, safe to print on a terminal."""

from __future__ import annotations

import re

__all__ = ["first_fault", "first_line", "one_line", "printable", "several", "visible", "word_count"]

_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # titles, links, device strings; only where they end
)
_WORD = re.compile(r"\S+")
_LONG = 1_000_000
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


_HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\U000e0000-\U000e007f]"
    r"|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"  # joiners belong between letters and pictures
)


def visible(text: str) -> str:
    """Returns the text with each character that a terminal would obey, or show as nothing, as a visible sign.

    Control characters become their Unicode pictures (an escape is U+241B), others their code point in angle brackets:
    bidirectional and zero-width controls, line separators, tags. Tabs and line ends stay. Joiners stay between
    characters of scripts and pictures that need them.
    """
    if text.isascii() and text.isprintable():
        return text
    return _HIDDEN.sub(_sign, text.replace("\r\n", "\n"))


def _sign(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"<U+{code:04X}>"


def printable(text: str) -> str:
    """Returns the text without terminal escapes, control characters and bidirectional marks.

    Tabs and line ends stay; a carriage return ends a line.
    """
    text = _SEQUENCES.sub("", text)
    return _CONTROLS.sub("", re.sub(r"\r\n?", "\n", text))


def one_line(text: str, longest: int) -> str:
    """Returns the text in printable characters on one line, shortened if it has more than `longest` characters."""
    text = " ".join(printable(text).split())
    return text if len(text) <= longest else f"{text[:longest].rstrip()} ..."


def word_count(text: str) -> int:
    """Returns `len(text.split())`, without holding all words of a long text."""
    if len(text) < _LONG:
        return len(text.split())
    return sum(1 for _ in _WORD.finditer(text))


def several(count: int, word: str) -> str:
    """Returns a count with its word, which is in the plural unless the count is 1."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def first_fault(error: BaseException) -> str:
    """Returns where the first wrong value of a file is and what is wrong with it, in a few words."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        place, message = ".".join(map(str, first["loc"])), str(first["msg"]).removeprefix("Value error, ")
        return f"{place}: {message[:1].lower()}{message[1:]}" if place else message
    return library_words(error)


def library_words(error: BaseException) -> str:
    """Returns what a library says about a file that it cannot read; nothing of its own code's confusion over it."""
    if isinstance(error, (AttributeError, AssertionError, LookupError, NameError, RecursionError, TypeError)):
        return "its content is damaged"
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    return first_line(error)


def first_line(error: BaseException) -> str:
    """Returns the first line of an error's message, or the name of its type if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
