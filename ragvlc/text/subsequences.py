"""Longest common subsequences of long sequences, by bits of whole numbers.

One row of the table of lengths is one number: bit j is 0 where the length grows from column j to j + 1 (Hyyrö 2004,
"Bit-parallel LCS-length computation revisited"). Two texts of 100,000 words take about a second.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from math import isqrt

__all__ = ["lcs_length", "lcs_trace"]

FEW = 8
"""Places of an item up to which its mask is made anew each time: masks of rare words would fill the memory."""
WHOLE = 1 << 28
"""The bits of a table whose rows are all held at once."""


def lcs_length(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Returns the length of a longest common subsequence."""
    if not a or not b:
        return 0
    step, full = _stepper(b)
    row = full
    for item in a:
        row = step(row, item)
    return len(b) - row.bit_count()


def lcs_trace(outer: Sequence[Hashable], inner: Sequence[Hashable]) -> tuple[list[tuple[int, int]], int]:
    """Returns the places of one longest common subsequence, last first, and the steps of the walk that finds it.

    The walk starts at both ends. Where the items are equal it takes both; else it leaves out one of `outer` if that
    alone does not shorten the subsequence and leaving out one of `inner` does, and one of `inner` otherwise.
    """
    i, j = len(outer), len(inner)
    if not i or not j:
        return [], 0
    step, full = _stepper(inner)
    every = 1 if i * j <= WHOLE else isqrt(i) + 1
    marks = [full]
    row = full
    for place, item in enumerate(outer, 1):
        row = step(row, item)
        if place % every == 0:
            marks.append(row)
    found: list[tuple[int, int]] = []
    size = len(inner) // 8 + 1
    steps, block, rows = 0, -1, marks
    read, bits = -1, b""
    while i and j:
        if every > 1 and (i - 1) // every != block:
            block = (i - 1) // every
            rows = [marks[block]]
            for item in outer[block * every : (block + 1) * every]:
                rows.append(step(rows[-1], item))
        steps += 1
        if outer[i - 1] == inner[j - 1]:
            i, j = i - 1, j - 1
            found.append((i, j))
            continue
        if read != i:  # a bit of a long number takes as long as the number; one of its bytes does not
            read, bits = i, rows[i - block * every if every > 1 else i].to_bytes(size, "little")
        if bits[(j - 1) >> 3] >> ((j - 1) & 7) & 1:
            j -= 1
        else:
            i -= 1
    return found, steps


def _stepper(b: Sequence[Hashable]) -> tuple[Callable[[int, Hashable], int], int]:
    """Returns the function from one row and the next item to the next row, and the first row."""
    places: dict[Hashable, list[int]] = {}
    for place, item in enumerate(b):
        places.setdefault(item, []).append(place)
    full = (1 << len(b)) - 1
    masks: dict[Hashable, int] = {}

    def step(row: int, item: Hashable) -> int:
        mask = masks.get(item)
        if mask is None:
            own = places.get(item)
            if own is None:
                return row
            mask = _mask(own)
            if len(own) > FEW:
                masks[item] = mask
        both = row & mask
        return ((row + both) | (row - both)) & full

    return step, full


def _mask(places: Sequence[int]) -> int:
    if len(places) <= FEW:
        return sum(1 << place for place in places)
    found = bytearray(places[-1] // 8 + 1)
    for place in places:
        found[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(found, "little")
