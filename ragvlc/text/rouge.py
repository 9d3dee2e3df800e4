"""ROUGE as two packages compute it: `rouge-score` (Google) and `rouge` 1.0.1 (pltrdy).

Google's: lower case, runs of ASCII letters and digits, n-grams with their multiplicity. `L` is one subsequence over
the whole text; `Lsum` the union, for each line of the reference, of its subsequences with all lines of the prediction,
where no word counts more often than it occurs.

pltrdy's: sentences end at each full stop, words are separated by blanks, letter case and punctuation count, and n-grams
and words are sets, so that repeats vanish. `L` is the union over all pairs of sentences. An empty piece, as behind the
last full stop and a blank, is a sentence of one empty word. F has 1e-8 in its denominator, so that equal texts score
0.999999995. A text of nothing but full stops raises ValueError, as there.

Differences: pltrdy's walk back through the table is recursive and raises RecursionError beyond about 1,000 steps, a
threshold that depends on the caller. Here the value is computed, and `RougeScores.steps` is the length of the longest
walk.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from ragvlc.text.subsequences import lcs_length, lcs_trace

__all__ = ["RougeScores", "RougeType", "google_rouge", "google_words", "lcs_rouge", "pltrdy_rouge"]

RougeType = Literal["1", "2", "L", "Lsum"]
_OTHERS = re.compile(r"[^a-z0-9]+")
LONG = 900
"""Words of two sentences from which the steps of their walk are counted."""


@dataclass(frozen=True, slots=True)
class RougeScores:
    """Precision, recall and F.

    Attributes:
        steps: of the longest walk through a table, where sentences are long; else 0. By pltrdy's `L` only.
    """

    precision: float
    recall: float
    f: float
    steps: int = 0


def google_rouge(kind: RougeType, reference: str, prediction: str, *, stemmer: bool = False) -> RougeScores:
    """Returns ROUGE as the `rouge-score` package computes it."""
    if kind == "Lsum":
        return _summary_level(*(_lines(text, stemmer=stemmer) for text in (reference, prediction)))
    right, given = (google_words(text, stemmer=stemmer) for text in (reference, prediction))
    if kind == "L":
        return lcs_rouge(right, given)
    n = int(kind)
    grams = [Counter(zip(*(words[start:] for start in range(n)), strict=False)) for words in (right, given)]
    common = (grams[0] & grams[1]).total()
    return _google(common, grams[0].total(), grams[1].total())


def lcs_rouge(reference: Sequence[Hashable], prediction: Sequence[Hashable]) -> RougeScores:
    """Returns ROUGE-L of two lists of words."""
    return _google(lcs_length(reference, prediction), len(reference), len(prediction))


def google_words(text: str, *, stemmer: bool = False) -> list[str]:
    """Returns the words that `rouge-score` sees; with a stemmer, those of over three letters lose their endings."""
    words = _OTHERS.sub(" ", text.lower()).split()
    return [_stem(word) if len(word) > 3 else word for word in words] if stemmer else words


@lru_cache(maxsize=1 << 16)
def _stem(word: str) -> str:
    return str(_porter().stem(word))


@lru_cache(maxsize=1)
def _porter() -> Any:  # noqa: ANN401 - an untyped library's object
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer()


def _lines(text: str, *, stemmer: bool) -> list[list[str]]:
    return [google_words(line, stemmer=stemmer) for line in text.split("\n") if line]


def _google(common: int, right: int, given: int) -> RougeScores:
    precision, recall = common / max(given, 1), common / max(right, 1)
    both = precision + recall
    return RougeScores(precision, recall, 2 * precision * recall / both if both > 0 else 0.0)


def _summary_level(right: list[list[str]], given: list[list[str]]) -> RougeScores:
    left = [Counter(word for line in lines for word in line) for lines in (right, given)]
    by_word = _by_word(given)
    totals = [counts.total() for counts in left]
    hits = 0
    for line in right:
        for place in sorted(_covered(line, given, by_word)):
            word = line[place]
            if left[0][word] > 0 and left[1][word] > 0:
                hits += 1
                left[0][word] -= 1
                left[1][word] -= 1
    return _google(hits, *totals)


def _covered(line: list[str], given: list[list[str]], by_word: dict[str, list[int]]) -> set[int]:
    """Returns the places of a line's words in the union of its subsequences with the given lines.

    Only lines that can add a place are compared: those with a word whose place is still open.
    """
    found: set[int] = set()
    done: set[int] = set()
    for place, word in enumerate(line):
        for other in by_word.get(word, ()):
            if place in found:
                break
            if other not in done:
                done.add(other)
                pairs, _ = lcs_trace(given[other], line)
                found.update(own for _, own in pairs)
    return found


def _by_word(sentences: Sequence[Sequence[str]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for place, sentence in enumerate(sentences):
        for word in dict.fromkeys(sentence):
            found.setdefault(word, []).append(place)
    return found


def pltrdy_rouge(kind: RougeType, reference: str, prediction: str) -> RougeScores:
    """Returns ROUGE as the `rouge` package computes it, which has no `Lsum`.

    Raises:
        ValueError: one of the texts is empty, or holds nothing but full stops.
    """
    given, right = _sentences(prediction), _sentences(reference)
    if not given or not right:
        raise ValueError("a text without a sentence")
    if kind == "L":
        count = [len({word for sentence in sentences for word in sentence}) for sentences in (given, right)]
        union, steps = _union(list(dict.fromkeys(right)), list(dict.fromkeys(given)))
        return _pltrdy(len(union), count[0], count[1], steps)
    n, grams = int(kind), []
    for sentences in (given, right):
        words = [word for sentence in sentences for word in sentence]
        grams.append(set(zip(*(words[start:] for start in range(n)), strict=False)))
    return _pltrdy(len(grams[0] & grams[1]), len(grams[0]), len(grams[1]), 0)


def _sentences(text: str) -> list[tuple[str, ...]]:
    return [tuple(piece.split()) or ("",) for piece in text.split(".") if piece]


def _pltrdy(common: int, given: int, right: int, steps: int) -> RougeScores:
    precision, recall = common / given if given else 0.0, common / right if right else 0.0
    return RougeScores(precision, recall, 2.0 * ((precision * recall) / (precision + recall + 1e-8)), steps)


def _union(right: list[tuple[str, ...]], given: list[tuple[str, ...]]) -> tuple[set[str], int]:
    """Returns the words in a subsequence of any pair of sentences, and the steps of the longest walk.

    Only pairs that can add a word, or whose walk may be long, are compared.
    """
    found: set[str] = set()
    by_word, steps = _by_word(given), 0
    for sentence in right:
        done: set[int] = set()
        for other, one in enumerate(given):
            if len(sentence) + len(one) >= LONG:
                done.add(other)
                pairs, walked = lcs_trace(sentence, one)
                steps = max(steps, walked)
                found.update(sentence[place] for place, _ in pairs)
        for word in dict.fromkeys(sentence):
            for other in by_word.get(word, ()):
                if word in found:
                    break
                if other not in done:
                    done.add(other)
                    found.update(sentence[place] for place, _ in lcs_trace(sentence, given[other])[0])
    return found, steps
