"""Memory budget for decode states: one answer at a time, unless the device has memory for more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from ragvlc import memory
from ragvlc.core import interruption

if TYPE_CHECKING:
    import torch

__all__ = ["MemoryBudget", "memory_budget_of"]

_FREE_SHARE = 0.5
"""Of the memory that is free while no state is open; the rest is for batches and cached prefixes."""
_STATES_PER_ANSWER = 2
"""An answer opens a second state, the drafter's, after its first: memory is counted for both at once."""


class MemoryBudget:
    """Admits a thread when the device has memory for the thread's decode states.

    A thread that was admitted opens further states without waiting. Otherwise two threads, each with its first state
    open, could wait for each other's memory for ever.

    Args:
        free: returns the bytes that are free on the device.
    """

    def __init__(self, free: Callable[[], int]) -> None:
        self._free = free
        self._changed = threading.Condition()
        self._held: dict[int, list[int]] = {}
        self._budget = 0.0

    def acquire(self, needed: int) -> int:
        """Waits until a decode state of `needed` bytes is admitted; returns the thread id to pass to `release`."""
        me = threading.get_ident()
        with self._changed:
            while not self._changed.wait_for(lambda: self._admits(me, needed), interruption.POLL_SECONDS):
                interruption.check()
            # Measured only while nothing is held: open states would count against the budget twice.
            if not self._held:
                self._budget = self._free() * _FREE_SHARE
            self._held.setdefault(me, []).append(needed)
        return me

    def release(self, thread: int, needed: int) -> None:
        """Returns a state's memory to the budget; any thread may call this, not only the one that acquired it."""
        with self._changed:
            self._held[thread].remove(needed)
            if not self._held[thread]:
                del self._held[thread]
            self._changed.notify_all()

    def _admits(self, me: int, needed: int) -> bool:
        # The first is admitted whatever its size: if it does not fit, the allocator will say so.
        if not self._held or me in self._held:
            return True
        held = sum(max(sum(own), own[0] * _STATES_PER_ANSWER) for own in self._held.values())
        return held + needed * _STATES_PER_ANSWER <= self._budget


@cache
def memory_budget_of(device: torch.device) -> MemoryBudget:
    """Returns the memory budget of a device, which all models on it share."""
    return MemoryBudget(lambda: _free(device))


def _free(device: torch.device) -> int:
    if device.type == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info(device)
        # Memory that PyTorch's allocator has reserved and not handed out is in use for the driver, but free for us.
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + unused)
    planned = memory.budget().total - memory.resident()
    return max(0, min(planned, memory.available()))
