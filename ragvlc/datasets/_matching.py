"""Whether a text holds an answer, under the rules that answers are scored by.

`normalise` repeats the rules of the metrics (SQuAD 2.0's; with Chinese or Japanese, MLQA's), for the families of parts
do not import one another; a test holds the two together.
"""

from __future__ import annotations

import re
import string
import sys
import unicodedata
from collections.abc import Iterable
from functools import cache

__all__ = ["has_cjk", "locate", "normalise", "telling"]

_CJK = re.compile(
    "[\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U000323af]"
)
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
_SAYS_NOTHING = frozenset({"true", "false", "none", "unknown"})
_TELLING = 4
_TELLING_CJK = 2


def has_cjk(texts: Iterable[str]) -> bool:
    """Returns whether any text has a Chinese character or a kana."""
    return any(_CJK.search(text) for text in texts)


def normalise(text: str, *, cjk: bool) -> str:
    """Returns the tokens of `text` between blanks, one before and one after, so that whole words can be looked for."""
    text = text.lower().translate(_unicode_punctuation() if cjk else _ASCII_PUNCTUATION)
    words = _ARTICLE.sub(" ", _CJK.sub(r" \g<0> ", text) if cjk else text).split()
    return f" {' '.join(words)} "


def telling(references: Iterable[str], *, cjk: bool) -> tuple[str, ...]:
    """Returns the normalised references that say something by standing in a text.

    Shorter ones than four letters or digits (two Chinese or Japanese characters) stand in nearly every text by chance,
    and so do `true`, `false`, `none` and `unknown`: those are left out.
    """
    found = dict.fromkeys(normalise(reference, cjk=cjk) for reference in references)
    return tuple(one for one in found if _tells(one))


def _tells(reference: str) -> bool:
    letters = reference.replace(" ", "")
    least = _TELLING_CJK if _CJK.search(letters) else _TELLING
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


@cache
def _unicode_punctuation() -> dict[int, str]:
    points = (point for point in range(sys.maxunicode + 1) if unicodedata.category(chr(point)).startswith("P"))
    return dict.fromkeys((*points, *map(ord, string.punctuation)), "")
