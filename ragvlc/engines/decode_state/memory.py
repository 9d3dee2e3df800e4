"""How many answers hold sessions at the same time: one, unless the device's memory takes more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["Room", "room_of"]

_FREE_SHARE = 0.5
"""Of the memory that is free while no session is open; the rest is for batches and prefixes."""
_PAIR = 2
"""An answer opens a second session behind its first: room is asked for both at once."""


class Room:
    """Lets threads in. A thread that is in opens further sessions without waiting, so none waits for another's second.

    Args:
        free: returns the bytes that are free on the device.
    """

    def __init__(self, free: Callable[[], int]) -> None:
        self._free = free
        self._changed = threading.Condition()
        self._held: dict[int, list[int]] = {}
        self._room = 0.0

    def enter(self, needed: int) -> int:
        """Waits until there is room for a session of `needed` bytes; returns what `leave` takes."""
        me = threading.get_ident()
        with self._changed:
            self._changed.wait_for(lambda: self._has_room(me, needed))
            if not self._held:
                self._room = self._free() * _FREE_SHARE
            self._held.setdefault(me, []).append(needed)
        return me

    def leave(self, thread: int, needed: int) -> None:
        """Gives a session's room back."""
        with self._changed:
            self._held[thread].remove(needed)
            if not self._held[thread]:
                del self._held[thread]
            self._changed.notify_all()

    def _has_room(self, me: int, needed: int) -> bool:
        if not self._held or me in self._held:
            return True
        held = sum(max(sum(own), own[0] * _PAIR) for own in self._held.values())
        return held + needed * _PAIR <= self._room


@cache
def room_of(device: torch.device) -> Room:
    """Returns the room on a device, which all models there share."""
    return Room(lambda: _free(device))


def _free(device: torch.device) -> int:
    if device.type == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info(device)
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + unused)
    import psutil

    return int(psutil.virtual_memory().available)
