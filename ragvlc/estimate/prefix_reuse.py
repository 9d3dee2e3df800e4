"""Prediction of the cached prefix of each prompt, for each type of engine, without running a model."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ragvlc import memory
from ragvlc.core.families import Generator
from ragvlc.hardware.memory_plan import plan_memory
from ragvlc.hardware.model_sizes import Shape
from ragvlc.hardware.placement import window_for
from ragvlc.hardware.roofline import Device

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Tokens = NDArray[np.int64]

__all__ = ["Blocks", "Nothing", "Reuse", "SharedPrefixes", "reuse_of"]

LEAST = 16
"""Tokens: `transformers` computes a shorter common prefix again; as long are the blocks of vLLM."""
_COPIED_BELOW = 4
_LIMITED = 64  # tokens compared first: most prompts of other documents differ in them


class Reuse(Protocol):
    """A simulated prefix cache of an engine."""

    def cached(self, tokens: Tokens, max_tokens: int) -> int:
        """Returns the number of the prompt's tokens found in the cache, and adds the prompt to the cache."""
        ...


class Nothing:
    """The simulated prefix cache of an engine that has none."""

    def cached(self, tokens: Tokens, max_tokens: int) -> int:  # noqa: ARG002 - the same for all
        """Returns 0, since no tokens are cached."""
        return 0


@dataclass(slots=True, eq=False)
class _Prefix:
    tokens: Tokens
    columns: int


class SharedPrefixes:
    """The simulated prefix cache of `kind: transformers`; see `ragvlc.engines.batching.packed`.

    A prompt that shares most of its tokens with a cached one is a sequence of that prefix and is not cached itself.

    Args:
        capacity: tokens that fit the memory for prefixes; None for any number.
    """

    def __init__(self, capacity: float | None = None) -> None:
        self._capacity = capacity
        self._cached: OrderedDict[int, _Prefix] = OrderedDict()

    def cached(self, tokens: Tokens, max_tokens: int) -> int:
        """Returns the number of the prompt's tokens found in the cache, and adds the prompt to the cache."""
        size = len(tokens)
        found, common = None, 0
        for prefix in reversed(self._cached.values()):
            length = _common(prefix.tokens, tokens)
            if length > common:
                found, common = prefix, length
        shared = min(common, size - 1)  # the last token is computed: the first new one follows from it
        if found is None or shared < LEAST:
            found, shared = None, 0
        if found is not None and (size - shared) * _COPIED_BELOW <= shared:
            found.columns = max(found.columns, len(found.tokens) + size - shared + max_tokens)
            self._cached.move_to_end(id(found))
        else:
            prefix = _Prefix(tokens, size + size // 8 + max_tokens)
            self._cached[id(prefix)] = prefix
        self._trim()
        return shared

    def _trim(self) -> None:
        held = sum(prefix.columns for prefix in self._cached.values())
        while self._capacity is not None and held > self._capacity and self._cached:
            _, prefix = self._cached.popitem(last=False)
            held -= prefix.columns


class Blocks:
    """The simulated prefix cache of vLLM: it stores whole blocks, never a prompt's last token, without a size limit."""

    def __init__(self, size: int = LEAST) -> None:
        self._size = size
        self._known: set[int] = set()

    def cached(self, tokens: Tokens, max_tokens: int) -> int:  # noqa: ARG002 - the same for all
        """Returns the number of the prompt's tokens found in the cache, and adds the prompt to the cache."""
        chain, found, unbroken = 0, 0, True
        whole = len(tokens) // self._size
        for place in range(whole):
            chain = hash((chain, tokens[place * self._size : (place + 1) * self._size].tobytes()))
            unbroken = unbroken and chain in self._known
            found += unbroken
            self._known.add(chain)
        return min(found, (len(tokens) - 1) // self._size) * self._size


def reuse_of(generator: Generator, shape: Shape | None, device: Device | None) -> tuple[Reuse, str]:
    """Returns the simulated prefix cache of this generator's engine, and a note for the estimate."""
    if generator.kind == "transformers":
        return _of_transformers(generator, shape, device)
    if generator.kind == "vllm":
        if generator.spec()["prefix_caching"]:
            return Blocks(), "cached tokens in whole blocks of 16, as if memory kept all"
        return Nothing(), ""
    if generator.kind == "scripted":
        return Nothing(), ""
    return Nothing(), "no cached tokens counted, for its caching is not known"


def _of_transformers(generator: Generator, shape: Shape | None, device: Device | None) -> tuple[Reuse, str]:
    own = generator.spec()
    if own["batch_size"] == 1 or own["prefix_cache_mb"] == 0 or own["attention"] != "sdpa":
        return Nothing(), ""
    if shape is None:
        return SharedPrefixes(), "cached tokens as if memory kept all"
    if shape.sliding_layers:
        return Nothing(), "no cached tokens, for its layers look back only so far"
    weights = shape.parameters * shape.weight_bytes
    if own["prefix_cache_mb"] is not None:
        held = float(own["prefix_cache_mb"]) * 2**20
    elif device is not None and math.isfinite(device.memory):
        held = (device.memory - weights) / 2
    else:
        left = max(0, memory.budget().total - int(weights))
        window = window_for(generator, [])
        held = plan_memory(shape, left, window, batch_tokens=int(own["batch_tokens"]), prefixes=None).prefixes
    held = max(0.0, held) / shape.held_bytes(1)
    return SharedPrefixes(held), f"cached tokens as {held:,.0f} of them fit the memory for prefixes"


def _common(one: Tokens, other: Tokens) -> int:
    """Returns the number of tokens in the common prefix of two prompts."""
    size = min(len(one), len(other))
    for stop in (min(size, _LIMITED), size):
        differ = (one[:stop] != other[:stop]).argmax() if stop else 0
        if stop and one[differ] != other[differ]:
            return int(differ)
    return size
