"""The texts that CMRC 2018's script compares: segments, and text without punctuation."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from functools import cache
from itertools import chain
from typing import Any

__all__ = ["longest_common_run", "segments", "without_punctuation"]

_PUNCTUATION = "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』"
_HANZI = "\u4e00-\u9fa5"
_WHOLE = re.compile(rf"[{_HANZI}]|[^{_HANZI}]+")
_DELETED = str.maketrans("", "", _PUNCTUATION)


def without_punctuation(text: str) -> str:
    """Returns the lower-case text without the script's list of punctuation; white space inside stays."""
    return text.lower().strip().translate(_DELETED)


def segments(text: str) -> list[str]:
    """Returns Chinese characters one by one, and the words of everything between them; punctuation is left out."""
    parts = (match[0] for match in _WHOLE.finditer(without_punctuation(text)))
    return list(chain.from_iterable([part] if re.match(rf"[{_HANZI}]", part) else _words(part) for part in parts))


def longest_common_run(left: Sequence[Hashable], right: Sequence[Hashable]) -> int:
    """Returns the length of the longest run of items that both have, in time linear in both.

    By a suffix automaton of the shorter side, through which the longer one is read.
    """
    short, long = sorted((left, right), key=len)
    moves: list[dict[Hashable, int]] = [{}]
    link, length, last = [-1], [0], 0
    for item in short:
        state = len(moves)
        moves.append({})
        link.append(0)
        length.append(length[last] + 1)
        place, last = last, state
        while place != -1 and item not in moves[place]:
            moves[place][item] = state
            place = link[place]
        if place == -1:
            continue
        target = moves[place][item]
        if length[target] == length[place] + 1:
            link[state] = target
            continue
        copy = len(moves)
        moves.append(dict(moves[target]))
        link.append(link[target])
        length.append(length[place] + 1)
        while place != -1 and moves[place].get(item) == target:
            moves[place][item] = copy
            place = link[place]
        link[target] = link[state] = copy
    return _longest_read(long, moves, link, length)


def _longest_read(
    items: Sequence[Hashable], moves: list[dict[Hashable, int]], link: list[int], length: list[int]
) -> int:
    state = run = longest = 0
    for item in items:
        while state and item not in moves[state]:
            state = link[state]
            run = length[state]
        if item in moves[state]:
            state, run = moves[state][item], run + 1
        longest = max(longest, run)
    return longest


def _words(text: str) -> list[str]:
    return list(_tokenizer().tokenize(text)) if text.strip() else []


@cache
def _tokenizer() -> Any:  # noqa: ANN401 - an untyped library's object; it keeps no state between calls
    from nltk.tokenize.destructive import NLTKWordTokenizer

    return NLTKWordTokenizer()
