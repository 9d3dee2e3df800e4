"""Search for answers in texts, under the same normalisation as scoring.

See `ragvlc.text.normalising` for the rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ragvlc.text import normalising

__all__ = ["distinctive", "has_cjk", "locate", "normalise"]

_SAYS_NOTHING = frozenset({"true", "false", "none", "unknown"})
_TELLING = 4
_TELLING_CJK = 2


def has_cjk(texts: Iterable[str]) -> bool:
    """Returns whether any text has a Chinese character or a kana."""
    return normalising.has_cjk(*texts)


def normalise(text: str, *, cjk: bool) -> str:
    """Returns the tokens of `text`, separated and surrounded by blanks, for whole-word search."""
    return f" {normalising.normalise(text, cjk=cjk)} "


def distinctive(references: Iterable[str], *, cjk: bool) -> tuple[str, ...]:
    """Returns the normalised references that are distinctive enough to search for.

    References of fewer than four letters or digits (two Chinese or Japanese characters) occur in nearly every text by
    chance, and so do `true`, `false`, `none` and `unknown`: these are left out.
    """
    found = dict.fromkeys(normalise(reference, cjk=cjk) for reference in references)
    return tuple(one for one in found if _is_distinctive(one))


def _is_distinctive(reference: str) -> bool:
    letters = reference.replace(" ", "")
    least = _TELLING_CJK if normalising.has_cjk(letters) else _TELLING
    return len(letters) >= least and letters not in _SAYS_NOTHING


def locate(quoted: str, text: str) -> tuple[int, int] | None:
    """Returns the span where `quoted` first occurs; white space, and breaks after hyphens, may differ."""
    start = text.find(quoted)
    if start >= 0:
        return start, start + len(quoted)
    words = quoted.split()
    if not words or max(words, key=len).partition("-")[0] not in text:  # skips the slower search for most texts
        return None
    pattern = r"\s+".join(re.escape(word).replace(r"\-", r"\-\s*") for word in words)
    found = re.search(pattern, text)
    return found.span() if found else None
