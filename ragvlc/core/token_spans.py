"""The character spans of a text's tokens in four to eight bytes a token, where a list of pairs takes over a hundred."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import overload

__all__ = ["TokenSpans", "numbers"]


def numbers(values: Iterable[int] = ()) -> array[int]:
    """Returns whole numbers from 0 to 2**63 as an array of eight bytes each."""
    return array("q", values)


class TokenSpans(Sequence[tuple[int, int]]):
    """Spans (start, end) of tokens that together cover a text without gaps.

    Args:
        ends: the position after each token, in ascending order.
    """

    __slots__ = ("_ends",)

    def __init__(self, ends: Iterable[int]) -> None:
        self._ends = ends if isinstance(ends, array) else numbers(ends)

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return pairwise(chain((0,), self._ends))

    @overload
    def __getitem__(self, place: int) -> tuple[int, int]: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[tuple[int, int]]: ...

    def __getitem__(self, place: int | slice) -> tuple[int, int] | Sequence[tuple[int, int]]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        end = self._ends[place]
        place = place + len(self._ends) if place < 0 else place
        return (self._ends[place - 1] if place else 0), end

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TokenSpans):
            return self._ends == other._ends
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(tuple.__eq__, self, other))

    def __hash__(self) -> int:
        return hash(self._ends.tobytes())

    def __repr__(self) -> str:
        return f"TokenSpans({list(self._ends)})"
