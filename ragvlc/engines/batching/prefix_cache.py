"""Computed prompts that are kept, so that the next one with the same beginning starts behind it."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from ragvlc.engines.batching.shared_prefix import Trunk

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Prefixes"]


class Prefixes:
    """Trunks by their tokens, the most recently used last, bounded by the bytes of all together.

    A trunk at work stays whatever its size. What no row works on goes when there is no room, the least recently used
    first.

    Args:
        room: bytes; 0 keeps nothing and finds nothing.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._kept: OrderedDict[int, Trunk] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def bytes(self) -> int:
        """Memory held by all of them."""
        return sum(trunk.bytes for trunk in self._kept.values())

    def best(self, tokens: NDArray[np.int64]) -> tuple[Trunk | None, int]:
        """Returns the trunk with the longest common beginning, and how many tokens that is."""
        found, longest = None, 0
        for trunk in reversed(self._kept.values()):
            common = _common(trunk.tokens, tokens)
            if common > longest:
                found, longest = trunk, common
        return found, longest

    def use(self, trunk: Trunk) -> None:
        """Keeps `trunk`, as the most recently used."""
        if self._room:
            self._kept[id(trunk)] = trunk
            self._kept.move_to_end(id(trunk))

    def forget(self, trunk: Trunk) -> None:
        """Keeps `trunk` no longer."""
        self._kept.pop(id(trunk), None)

    def trim(self, beside: int = 0) -> bool:
        """Forgets what there is no room for, beside so many other bytes; whether that is enough.

        Where it cannot be enough, nothing is forgotten for the others' sake.
        """
        fits = beside + sum(trunk.bytes for trunk in self._kept.values() if not trunk.idle) <= self._room
        held = self.bytes + (beside if fits else 0)
        for trunk in list(self._kept.values()):
            if held <= self._room:
                break
            if trunk.idle:
                held -= trunk.bytes
                self.forget(trunk)
        return fits

    def holds(self, trunk: Trunk) -> bool:
        """Whether `trunk` is kept."""
        return id(trunk) in self._kept

    def drop(self) -> bool:
        """Forgets all that no row works on; whether there was any."""
        idle = [trunk for trunk in self._kept.values() if trunk.idle]
        for trunk in idle:
            self.forget(trunk)
        return bool(idle)


def _common(one: NDArray[np.int64], other: NDArray[np.int64]) -> int:
    n = min(len(one), len(other))
    differ = (one[:n] != other[:n]).argmax() if n else 0
    return n if n == 0 or one[differ] == other[differ] else int(differ)
