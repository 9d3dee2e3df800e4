"""Search for answers and quoted passages in texts of any typography.

Both sides are folded (`ragvlc.text.folding`), so that `final` is found where a PDF has the ligature, and `information`
where it is broken at a line end. Answers are then compared under the normalisation of scoring
(`ragvlc.text.normalising`), quoted passages letter by letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from ragvlc.text import normalising
from ragvlc.text.folding import Edit, Edits, conjunction, fold, folding

__all__ = ["distinctive", "has_cjk", "locate", "normalise"]

_SAYS_NOTHING = frozenset({"true", "false", "none", "unknown"})
_TELLING = 4
_TELLING_CJK = 2
_HYPHEN = r"(?<=\w)-\s*(?=\w)"
_LOOSE = re.compile(rf"[^\S ]\s*|\s{{2,}}|{_HYPHEN}")
_LOOSE_CJK = re.compile(rf"\s+|{_HYPHEN}")
_LETTERS = re.compile(r"[^\W\d_]+")


def has_cjk(texts: Iterable[str]) -> bool:
    """Returns whether any text has a Chinese character or a kana."""
    return normalising.has_cjk(*texts)


def normalise(text: str, *, cjk: bool) -> str:
    """Returns the tokens of `text` in plain typography, separated and surrounded by blanks, for whole-word search."""
    return f" {normalising.normalise(fold(text), cjk=cjk)} "


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
    """Returns the span of `text` where `quoted` first occurs, or None.

    Word for word if possible; else in any typography, where amounts of white space, white space beside Chinese and
    Japanese characters, and hyphens between letters are not compared. Case is.
    """
    start = text.find(quoted)
    if start >= 0:
        return start, start + len(quoted)
    wanted = _comparable(fold(quoted)).strip()
    if not wanted or _lacks(text, wanted):
        return None
    start = _searched(text).find(wanted)
    if start < 0:
        return None
    plain = Edits(text, folding(text))
    return plain.source(*Edits(plain.text, _loosening(plain.text)).source(start, start + len(wanted)))


def _lacks(text: str, wanted: str) -> bool:
    """Returns whether plain text, in which nothing folds, lacks a word of `wanted`; avoids the slower search."""
    if not text.isascii() or "-" in text:
        return False
    return max(_LETTERS.findall(wanted), key=len, default="") not in text


@lru_cache(maxsize=1024)
def _searched(text: str) -> str:
    return _comparable(fold(text))


def _comparable(text: str) -> str:
    return Edits(text, _loosening(text)).text


def _loosening(text: str) -> Iterator[Edit]:
    """Yields the edits that remove from folded text what `locate` does not compare."""
    cjk = normalising.has_cjk(text)
    for match in (_LOOSE_CJK if cjk else _LOOSE).finditer(text):
        start, end = match.span()
        around = text[max(0, start - 1) : start], text[end : end + 1]
        if text[start] == "-":
            shared = end - start > 1 and conjunction(text, end)  # `pre- and post-war`
            replacement = "- " if shared else "" if all(map(str.isalpha, around)) else "-"
        else:
            replacement = "" if cjk and normalising.has_cjk(*around) else " "
        if replacement != match[0]:
            yield start, end, replacement
