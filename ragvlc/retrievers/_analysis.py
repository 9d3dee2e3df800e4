"""Text analysis for keyword search: search words from texts and questions in any script, without a dictionary.

Scripts with spaces give their words. Scripts without (Chinese, Japanese, Thai, Lao, Khmer, Burmese), and Hangul, whose
words carry their particles, give each letter and each pair of neighbours: the bigrams of Lucene's CJK analyser, and
letters beside them, so that a question's one-letter word is found inside a run. Over 1,122 questions on 27 Chinese
texts, in chunks of 150 characters, the answer's chunk came first for 73 % with both, 71 % with letters alone, 70 % with
pairs alone. Typography is folded (`ragvlc.text.folding`): ligatures, full-width letters, quotes. A word broken by a
hyphen at a line end gives its halves and the joined word, so that a question finds it in either spelling.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Literal

from ragvlc.text.folding import fold

__all__ = ["Analyser", "Stemming"]

Stemming = Literal[
    "none", "arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "finnish", "french", "german",
    "greek", "hindi", "hungarian", "indonesian", "irish", "italian", "lithuanian", "nepali", "norwegian", "portuguese",
    "romanian", "russian", "serbian", "spanish", "swedish", "tamil", "turkish", "yiddish",
]  # fmt: skip
"""No stemmer, or one of the Snowball stemmers that every PyStemmer from 2.2 on has."""

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u318f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97f\uaa60-\uaa7f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U000323af"
)
"""Unicode blocks of Thai to Lao, Burmese, Hangul, Khmer, kana and Han; the patterns skip their non-letters."""

_BROKEN = "\u2010"
"""The hyphen of a word broken at a line end; folded text has no other."""


@dataclass(frozen=True, slots=True)
class Analyser:
    """Splits texts into search words.

    Attributes:
        stemmer: applies to words of its own alphabet only, never to letters of unspaced scripts.
        stop_words: words to leave out. Each is split like any text, so `don't` leaves out `don` and `t`.
    """

    stemmer: Stemming = "none"
    stop_words: tuple[str, ...] = ()

    def words(self, texts: Iterable[str]) -> list[list[str]]:
        """Returns the search words of each text, in order and with repeats."""
        return list(self.each(texts))

    def each(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """Yields the search words of one text after another: those of a whole collection take much memory."""
        stops = {word for text in self.stop_words for word in _words(text)}
        if self.stemmer == "none":
            stem = None
        else:
            import Stemmer

            stem = Stemmer.Stemmer(self.stemmer).stemWords  # made for each call: a stemmer is not safe across threads
        for text in texts:
            found = [word for word in _words(text) if word not in stops]
            yield found if stem is None else stem(found)


def _words(text: str) -> list[str]:
    run, letter, broken = _patterns()
    found: list[str] = []
    plain = fold(text, broken=_BROKEN).casefold()
    for match in run.finditer(plain):
        if match["unspaced"] is None:
            found.append(match[0])
        else:
            letters = letter.findall(match[0])
            found += letters
            found += [one + next_one for one, next_one in pairwise(letters)]
    if _BROKEN in plain:
        found += [match[0].replace(_BROKEN, "") for match in broken.finditer(plain)]
    return found


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    r"""Returns patterns for a run of letters, a single letter, and a word with broken hyphens, with combining marks.

    `\w` lacks vowel signs and accents that are characters of their own, and would cut Hindi words at each of them.
    """
    found = [chr(code) for code in range(0x300, 0x20000) if unicodedata.category(chr(code))[0] == "M"]
    marks = f"[{''.join(found)}\U000e0100-\U000e01ef]"
    unspaced = f"(?:(?!\\W)[{_UNSPACED}]{marks}*)+"
    spaced = f"[^\\W{_UNSPACED}]"
    word = f"{spaced}(?:{spaced}|{marks})*+"
    return (
        re.compile(f"(?P<unspaced>{unspaced})|{word}"),
        re.compile(f"\\w{marks}*"),
        re.compile(f"{word}(?:{_BROKEN}{word})+"),
    )
