"""What of a prompt an engine has computed already, as engines of each kind find it: without computing anything."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ragvlc.core.families import Generator
from ragvlc.hardware.roofline import Device
from ragvlc.hardware.shapes import Shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Tokens = NDArray[np.int64]

__all__ = ["Blocks", "Nothing", "Reuse", "Trunks", "reuse_of"]

LEAST = 16
"""Tokens: `transformers` computes a shorter common beginning again; as long are the blocks of vLLM."""
_COPIED_BELOW = 4
_CPU_PREFIX_BYTES = 2**30
_LIMITED = 64  # tokens compared first: most prompts of other documents differ in them


class Reuse(Protocol):
    """What an engine keeps of earlier prompts."""

    def cached(self, tokens: Tokens, max_tokens: int) -> int:
        """Returns how many of the prompt's tokens are found, and keeps the prompt for those to come."""
        ...


class Nothing:
    """Keeps nothing."""

    def cached(self, tokens: Tokens, max_tokens: int) -> int:  # noqa: ARG002 - the same for all
        """Returns 0."""
        return 0


@dataclass(slots=True, eq=False)
class _Trunk:
    tokens: Tokens
    columns: int


class Trunks:
    """The kept prompts of `kind: transformers`, asked one after the other (see `ragvlc.engines.batching.packed`).

    A prompt that shares most of its tokens with a kept one branches off it and is not kept itself.

    Args:
        room: tokens that fit the memory for prefixes; None for any number.
    """

    def __init__(self, room: float | None = None) -> None:
        self._room = room
        self._kept: OrderedDict[int, _Trunk] = OrderedDict()

    def cached(self, tokens: Tokens, max_tokens: int) -> int:
        """Returns how many of the prompt's tokens are found, and keeps the prompt for those to come."""
        size = len(tokens)
        found, common = None, 0
        for trunk in reversed(self._kept.values()):
            length = _common(trunk.tokens, tokens)
            if length > common:
                found, common = trunk, length
        shared = min(common, size - 1)  # the last token is computed: the first new one follows from it
        if found is None or shared < LEAST:
            found, shared = None, 0
        if found is not None and (size - shared) * _COPIED_BELOW <= shared:
            found.columns = max(found.columns, len(found.tokens) + size - shared + max_tokens)
            self._kept.move_to_end(id(found))
        else:
            trunk = _Trunk(tokens, size + size // 8 + max_tokens)
            self._kept[id(trunk)] = trunk
        self._trim()
        return shared

    def _trim(self) -> None:
        held = sum(trunk.columns for trunk in self._kept.values())
        while self._room is not None and held > self._room and self._kept:
            _, trunk = self._kept.popitem(last=False)
            held -= trunk.columns


class Blocks:
    """The blocks of vLLM's prefix caching: whole ones only, and never a prompt's last token. Memory is taken to do."""

    def __init__(self, size: int = LEAST) -> None:
        self._size = size
        self._known: set[int] = set()

    def cached(self, tokens: Tokens, max_tokens: int) -> int:  # noqa: ARG002 - the same for all
        """Returns how many of the prompt's tokens are found, and keeps the prompt for those to come."""
        chain, found, unbroken = 0, 0, True
        whole = len(tokens) // self._size
        for place in range(whole):
            chain = hash((chain, tokens[place * self._size : (place + 1) * self._size].tobytes()))
            unbroken = unbroken and chain in self._known
            found += unbroken
            self._known.add(chain)
        return min(found, (len(tokens) - 1) // self._size) * self._size


def reuse_of(generator: Generator, shape: Shape | None, device: Device | None) -> tuple[Reuse, str]:
    """Returns what this generator's engine will find again, and what to say about it."""
    if generator.kind == "transformers":
        return _of_trunks(generator, shape, device)
    if generator.kind == "vllm":
        if generator.spec()["prefix_caching"]:
            return Blocks(), "cached tokens in whole blocks of 16, as if memory kept all"
        return Nothing(), ""
    if generator.kind == "scripted":
        return Nothing(), ""
    return Nothing(), "no cached tokens counted, for its caching is not known"


def _of_trunks(generator: Generator, shape: Shape | None, device: Device | None) -> tuple[Reuse, str]:
    own = generator.spec()
    if own["batch_size"] == 1 or own["prefix_cache_mb"] == 0 or own["attention"] != "sdpa":
        return Nothing(), ""
    if shape is None:
        return Trunks(), "cached tokens as if memory kept all"
    if shape.sliding_layers:
        return Nothing(), "no cached tokens, for its layers look back only so far"
    room = float(own["prefix_cache_mb"] or 0) * 2**20 or _CPU_PREFIX_BYTES
    if own["prefix_cache_mb"] is None and device is not None and math.isfinite(device.memory):
        room = (device.memory - shape.parameters * shape.weight_bytes) / 2
    held = max(0.0, room) / shape.held_bytes(1)
    return Trunks(held), f"cached tokens as {held:,.0f} of them fit the memory for prefixes"


def _common(one: Tokens, other: Tokens) -> int:
    """Returns how many tokens two prompts begin with alike."""
    size = min(len(one), len(other))
    for stop in (min(size, _LIMITED), size):
        differ = (one[:stop] != other[:stop]).argmax() if stop else 0
        if stop and one[differ] != other[differ]:
            return int(differ)
    return size
