"""The text normalisation of all components that compare words, such as metrics and data sets that search for answers.

Text without Chinese or Japanese characters follows the script of SQuAD 2.0 (Rajpurkar, Jia and Liang 2018) to
the letter: lower-case, delete ASCII punctuation, replace the words a, an and the by a blank, squeeze white
space. Its quirks are kept, since published numbers contain them: `New-York` becomes `newyork`, `3.5` equals
`35`, the answer `A` becomes empty, curly quotes and `。` stay, `ß` is not `ss`, full-width digits differ from
ASCII ones.

Where Chinese or Japanese takes part, all Unicode punctuation is deleted (categories P*, so `《》`, `。` and curly
quotes go as well) and every such character is a token of its own; Latin words and numbers between them stay
whole. Which rule applies is the metrics' setting `script`, never decided by the reply. That is the rule of MLQA's
script (Lewis et al. 2020), with these differences: kana count as characters too, and English articles are deleted here
as everywhere. It differs from LongBench, whose list of punctuation lacks `《` and `〈〉`, and which cuts words with
jieba. Full-width forms are not folded. Korean is written with blanks and follows the first rule.
"""

from __future__ import annotations

import re
import string
import sys
import unicodedata
from functools import cache

__all__ = ["has_cjk", "mostly_cjk", "normalise", "words"]

_CJK = re.compile(
    "[\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U000323af]"
)
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)


def has_cjk(*texts: str) -> bool:
    """Returns whether any text has a Chinese character or a kana; punctuation and full-width forms do not count."""
    return any(_CJK.search(text) for text in texts)


def mostly_cjk(text: str) -> bool:
    """Returns whether at least half of the words of `text` are Chinese or Japanese, each character being a word."""
    characters = len(_CJK.findall(text))
    return characters > 0 and 2 * characters >= len(words(text))


def normalise(text: str, *, cjk: bool = False) -> str:
    """Returns the tokens of `text`, joined by one blank.

    Args:
        text: anything.
        cjk: use the Chinese and Japanese rule. Both sides of a comparison need the same one.
    """
    text = text.lower().translate(_unicode_punctuation("") if cjk else _ASCII_PUNCTUATION)
    text = _ARTICLE.sub(" ", _spaced(text) if cjk else text)
    return " ".join(text.split())


def words(text: str) -> list[str]:
    """Returns the lower-case words of a text in any script, including articles; split at punctuation as in ROUGE."""
    return _spaced(text.lower().translate(_unicode_punctuation(" "))).split()


def _spaced(text: str) -> str:
    return _CJK.sub(r" \g<0> ", text)


@cache
def _unicode_punctuation(replacement: str) -> dict[int, str]:
    points = (point for point in range(sys.maxunicode + 1) if unicodedata.category(chr(point)).startswith("P"))
    return dict.fromkeys((*points, *map(ord, string.punctuation)), replacement)
