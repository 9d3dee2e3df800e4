"""The main memory that an opened generator reserves: its weights before they are loaded, then caches and batches."""

from __future__ import annotations

import weakref
from typing import Protocol

from ragvlc import memory
from ragvlc.engines.batching.packed import PassLimits
from ragvlc.hardware.memory_plan import MemoryPlan, plan_memory
from ragvlc.hardware.model_sizes import Shape
from ragvlc.packaged.model_files import weight_bytes

__all__ = ["LocalModel", "PlannedMemory", "limits_of", "torch_device"]


class LocalModel(Protocol):
    """What the plan asks of a generator that loads its model into this process."""

    @property
    def model(self) -> str:
        """A folder or a hub id."""

    @property
    def dtype(self) -> str:
        """Of the weights."""

    @property
    def device(self) -> str:
        """Where the model is computed."""

    @property
    def batch_tokens(self) -> int:
        """Tokens of a batch."""

    @property
    def prefix_cache_mb(self) -> int | None:
        """Megabytes of prefixes; None: planned."""


class PlannedMemory:
    """Reservations of one model in the budget of this process; none on a GPU, which has its own memory.

    They end with `release`, and with the object itself where a model is dropped unclosed.

    Args:
        spec: of the model.

    Raises:
        EngineError: its weights do not fit the budget.
    """

    def __init__(self, spec: LocalModel) -> None:
        self._spec = spec
        self._budget = memory.budget()
        self._here = not torch_device(spec.device).startswith("cuda")
        self._held: list[memory.Reservation] = []
        self.release = weakref.finalize(self, _release, self._budget, self._held)
        """Returns the reservations to the budget; a second call changes nothing."""
        size = weight_bytes(spec.model, spec.dtype) if self._here else None
        if size:
            self._held.append(self._budget.reserve_weights(spec.model, size, spec.dtype))

    def plan(self, window: int, shape: Shape | None) -> MemoryPlan | None:
        """Returns the shares of what is left for a model of `shape`, and reserves them; None on a GPU."""
        if not self._here:
            return None
        spec = self._spec
        prefixes = None if spec.prefix_cache_mb is None else spec.prefix_cache_mb * 2**20
        plan = plan_memory(shape, self._budget.left, window, batch_tokens=spec.batch_tokens, prefixes=prefixes)
        for what, size in (("prefixes and batches", plan.kv_bytes), ("forward passes", plan.pass_bytes)):
            self._held.append(self._budget.reserve(what, spec.model, size))
        return plan


def limits_of(plan: MemoryPlan) -> PassLimits:
    """Returns the limits of a forward pass that a plan sets."""
    return PassLimits(plan.pass_tokens, plan.mask_entries, plan.token_bytes)


def _release(budget: memory.ProcessBudget, held: list[memory.Reservation]) -> None:
    budget.release(*held)
    held.clear()


def torch_device(wanted: str) -> str:
    """Returns the device that torch computes on; `auto` takes CUDA, then MPS, then the CPU."""
    import torch

    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
