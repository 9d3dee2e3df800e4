"""Pairs of segments from books, drawn as BookSORT draws them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["SegmentPair", "body_of", "distance_bins", "pairs_of"]

_STARTS = re.compile(r"\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG[^\n]*\*\*\*")
_ENDS = re.compile(r"\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG")
_MARKS = frozenset(".?!;")
_TITLES = frozenset({"mr.", "mrs.", "dr."})


@dataclass(frozen=True, slots=True)
class SegmentPair:
    """Two segments of an excerpt.

    Attributes:
        excerpt: number of the excerpt in its book.
        words: of the excerpt.
        first: word at which the earlier segment begins.
        second: word at which the later one begins.
        distance_bin: largest distance of its bin.
        first_is_a: whether the earlier segment is shown first, as A.
    """

    excerpt: int
    words: Sequence[str]
    first: int
    second: int
    distance_bin: int
    first_is_a: bool


def distance_bins(excerpt: int, segment: int) -> list[tuple[int, int]]:
    """Returns BookSORT's bins of distances in words: more than the first number, at most the second."""
    middle = [excerpt // 4, excerpt // 3] if excerpt < 5000 else [1000, excerpt // 4]
    edges = [segment, *middle, excerpt // 2, int(excerpt // 1.25)]
    return list(pairwise(edges))


def body_of(text: str) -> str:
    """Returns a book without what Project Gutenberg puts before and after it."""
    start, end = _STARTS.search(text), _ENDS.search(text)
    return text[start.end() if start else 0 : end.start() if end else len(text)]


def pairs_of(words: Sequence[str], lengths: tuple[int, int], count: int, seed: str) -> Iterator[SegmentPair]:
    """Yields `count` pairs for each bin of distances, in excerpts that begin with a sentence, as do the segments.

    Each excerpt gives one pair a bin; in each bin, the earlier segment is A in half of the pairs. An excerpt without a
    pair in some bin is drawn again. Yields nothing for a book that is too short, and less where no pairs are found.
    """
    excerpt, segment = lengths
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    bins = distance_bins(excerpt, segment)
    shown = {end: [place % 2 == 0 for place in range(count)] for _, end in bins}
    for flags in shown.values():
        chance.shuffle(flags)
    number = 0
    for _ in range(count * 20):
        if number == count or len(words) <= excerpt:
            return
        start = chance.randrange(len(words) - excerpt)
        while start > 0 and not _ends_sentence(words[start - 1]):
            start -= 1
        text = words[start : start + excerpt]
        starts = [0, *(place + 1 for place, word in enumerate(text) if _ends_sentence(word))]
        starts = [place for place in starts if place < excerpt - segment]
        drawn = [_drawn(starts, least, most, chance) for least, most in bins]
        if all(drawn):
            for (_, most), found in zip(bins, drawn, strict=True):
                if found is not None:
                    yield SegmentPair(number, text, *found, most, shown[most][number])
            number += 1


def _drawn(starts: Sequence[int], least: int, most: int, chance: random.Random) -> tuple[int, int] | None:
    """Returns two starts in their order whose distance is in a bin; None if there are none."""
    for one in chance.sample(starts, len(starts)):
        others = [other for other in starts if least < abs(other - one) <= most]
        if others:
            other = chance.choice(others)
            return min(one, other), max(one, other)
    return None


def _ends_sentence(word: str) -> bool:
    return word.lower() not in _TITLES and not _MARKS.isdisjoint(word)
