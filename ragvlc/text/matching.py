"""Whether a text holds an answer, under the rules that answers are scored by.

See `ragvlc.text.normalising` for the rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ragvlc.text import normalising

__all__ = ["has_cjk", "locate", "normalise", "telling"]

_SAYS_NOTHING = frozenset({"true", "false", "none", "unknown"})
_TELLING = 4
_TELLING_CJK = 2


def has_cjk(texts: Iterable[str]) -> bool:
    """Returns whether any text has a Chinese character or a kana."""
    return normalising.has_cjk(*texts)


def normalise(text: str, *, cjk: bool) -> str:
    """Returns the tokens of `text` between blanks, one before and one after, so that whole words can be looked for."""
    return f" {normalising.normalise(text, cjk=cjk)} "


def telling(references: Iterable[str], *, cjk: bool) -> tuple[str, ...]:
    """Returns the normalised references that say something by standing in a text.

    Shorter ones than four letters or digits (two Chinese or Japanese characters) stand in nearly every text by chance,
    and so do `true`, `false`, `none` and `unknown`: those are left out.
    """
    found = dict.fromkeys(normalise(reference, cjk=cjk) for reference in references)
    return tuple(one for one in found if _tells(one))


def _tells(reference: str) -> bool:
    letters = reference.replace(" ", "")
    least = _TELLING_CJK if normalising.has_cjk(letters) else _TELLING
    return len(letters) >= least and letters not in _SAYS_NOTHING


def locate(quoted: str, text: str) -> tuple[int, int] | None:
    """Returns the characters where `quoted` stands first; any white space, or a break after a hyphen, is the same."""
    start = text.find(quoted)
    if start >= 0:
        return start, start + len(quoted)
    words = quoted.split()
    if not words or max(words, key=len).partition("-")[0] not in text:  # spares most texts the slower look
        return None
    pattern = r"\s+".join(re.escape(word).replace(r"\-", r"\-\s*") for word in words)
    found = re.search(pattern, text)
    return found.span() if found else None
