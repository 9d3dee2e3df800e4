"""Detection of documents whose texts are equal or nearly equal.

Nearly equal: the share of groups of five words that two texts have in common (Jaccard's index of w-shingles; Broder
1997), estimated on every sixteenth group by its hash, which keeps it cheap and the same on every machine.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING
from zlib import crc32

from ragvlc.core.data import Document

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["equal_texts", "near_texts"]

_GROUP = 5
_EVERY = 16
_LEAST_GROUPS = 8
_COMMON = 50
_NEAR = 0.8
_FACTOR = 0x9E3779B97F4A7C15


def equal_texts(documents: Sequence[Document]) -> list[list[str]]:
    """Returns groups of ids of documents with the same text, apart from white space and case."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for document in documents:
        if words := " ".join(document.text.casefold().split()):
            groups[words].append(document.id)
    return [ids for ids in groups.values() if len(ids) > 1]


def near_texts(documents: Sequence[Document], near: float = _NEAR) -> list[tuple[str, str, float]]:
    """Returns pairs of ids of nearly equal texts, with the share of common word groups, largest share first.

    Equal texts are not among them, nor texts too short to tell; groups that stand in more than 50 documents (what
    every page repeats) do not count.
    """
    groups = [_groups(document.text) for document in documents]
    holders: defaultdict[int, list[int]] = defaultdict(list)
    for place, found in enumerate(groups):
        if len(found) >= _LEAST_GROUPS:
            for group in found.tolist():
                holders[group].append(place)
    shared: Counter[tuple[int, int]] = Counter()
    for places in holders.values():
        if 1 < len(places) <= _COMMON:
            shared.update(combinations(places, 2))
    pairs = []
    for (one, other), count in shared.items():
        share = count / (len(groups[one]) + len(groups[other]) - count)
        if share >= near and _words(documents[one]) != _words(documents[other]):
            pairs.append((documents[one].id, documents[other].id, share))
    return sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1]))


def _words(document: Document) -> list[str]:
    return document.text.casefold().split()


def _groups(text: str) -> NDArray[np.uint64]:
    """Returns sorted, distinct hashes of about one sixteenth of the text's groups of five words."""
    import numpy as np

    words = np.array([crc32(word.encode("utf-8", "surrogatepass")) for word in text.casefold().split()], np.uint64)
    if len(words) < _GROUP:
        return np.empty(0, np.uint64)
    hashes = np.zeros(len(words) - _GROUP + 1, np.uint64)
    for step in range(_GROUP):
        hashes = hashes * np.uint64(_FACTOR) + words[step : len(words) - _GROUP + 1 + step]
    hashes ^= hashes >> np.uint64(29)
    return np.unique(hashes[hashes % np.uint64(_EVERY) == 0])
