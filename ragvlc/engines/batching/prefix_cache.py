"""Prefix cache: KV caches of recent prompts, reused by the next prompt that starts with the same tokens."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from ragvlc.engines.batching.shared_prefix import SharedPrefix

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["PrefixCache"]


class PrefixCache:
    """Least-recently-used cache of shared prefixes, bounded by their size in bytes.

    A prefix that a running request uses is never evicted, whatever its size.

    Args:
        capacity: bytes; 0 stores nothing and finds nothing.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[int, SharedPrefix] = OrderedDict()  # by identity, least recently used first

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes(self) -> int:
        """The memory of all entries, in bytes."""
        return sum(prefix.bytes for prefix in self._entries.values())

    def longest_match(self, tokens: NDArray[np.int64]) -> tuple[SharedPrefix | None, int]:
        """Returns the cached prefix that shares the most leading tokens with `tokens`, and their number."""
        match, longest = None, 0
        # Most recent first, and `>` below: of equally long matches the most recent one wins.
        for prefix in reversed(self._entries.values()):
            common = _common(prefix.tokens, tokens)
            if common > longest:
                match, longest = prefix, common
        return match, longest

    def add(self, prefix: SharedPrefix) -> None:
        """Stores `prefix` as the most recently used entry; evicts nothing.

        Its buffers may not be allocated yet.
        """
        if self._capacity:
            self._entries[id(prefix)] = prefix
            self._entries.move_to_end(id(prefix))

    def discard(self, prefix: SharedPrefix) -> None:
        """Removes `prefix` if it is stored."""
        self._entries.pop(id(prefix), None)

    def evict(self, extra: int = 0) -> bool:
        """Evicts entries not in use until `extra` more bytes fit the capacity; returns whether they can fit.

        Nothing is evicted for extra bytes that cannot fit.
        """
        fits = extra + sum(prefix.bytes for prefix in self._entries.values() if not prefix.idle) <= self._capacity
        self.make_space(extra if fits else 0)
        return fits

    def make_space(self, extra: int) -> None:
        """Evicts entries not in use, least recently used first, until `extra` more bytes fit or none is left."""
        held = self.bytes + extra
        for prefix in list(self._entries.values()):
            if held <= self._capacity:
                break
            if prefix.idle:
                held -= prefix.bytes
                self.discard(prefix)

    def holds(self, prefix: SharedPrefix) -> bool:
        """Whether `prefix` is stored."""
        return id(prefix) in self._entries

    def evict_idle(self) -> bool:
        """Evicts every entry that no request is using; returns whether any was evicted."""
        idle = [prefix for prefix in self._entries.values() if prefix.idle]
        for prefix in idle:
            self.discard(prefix)
        return bool(idle)


def _common(one: NDArray[np.int64], other: NDArray[np.int64]) -> int:
    """Returns the number of leading tokens that two token sequences have in common."""
    n = min(len(one), len(other))
    differ = (one[:n] != other[:n]).argmax() if n else 0
    # argmax is 0 both for "differ at once" and for "never differ": the tokens at that index tell which.
    return n if n == 0 or one[differ] == other[differ] else int(differ)
