"""Device, size and context window of a configured model, from its settings and its files."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ragvlc.core.families import Embedder, Generator
from ragvlc.hardware.devices import CPU, device_named, eager, this_machine
from ragvlc.hardware.model_sizes import Shape, UnknownShape, config_of, shape_of
from ragvlc.hardware.roofline import Device, together

__all__ = ["LOCAL_KINDS", "UNBOUNDED", "Machine", "device_for", "shape_for", "window_for"]

LOCAL_KINDS = ("transformers", "vllm")
"""Kinds of generators that compute a model on one's own machine."""
UNBOUNDED = sys.maxsize
"""The window of an engine whose length is not known."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The devices that run the models: their name and number.

    Attributes:
        device: name in the table; empty for this machine's.
        number: of them, sharing every layer.
    """

    device: str = ""
    number: int = 1


def device_for(part: Generator | Embedder, machine: Machine) -> Device | None:
    """Returns the device that runs this model, as used by its library; None if unknown, e.g. for a server.

    Args:
        part: with the model.
        machine: what computes, where it does not say.
    """
    spec = part.spec()
    if machine.device:
        device: Device | None = device_named(machine.device)
    elif spec.get("device") == CPU:
        device = device_named(CPU)
    elif "url" in spec or part.kind == "langchain":
        return None
    else:
        device = this_machine()
    if device is None:
        return None
    number = machine.number if machine.number > 1 else int(spec.get("tensor_parallel") or 1)
    return together(eager(device, recorded=_records(spec)) if part.kind == "transformers" else device, number)


def shape_for(generator: Generator, notes: list[str]) -> Shape | None:
    """Returns the size of a generator's model, or None if unknown; for local models, adds the reason to `notes`."""
    spec = generator.spec()
    for name in _models(spec):
        if name != "server":
            try:
                return shape_of(config_of(name), str(spec.get("dtype") or "auto"))
            except UnknownShape as error:
                if generator.kind in LOCAL_KINDS:
                    notes.append(f"the shape of '{name}' is not known: {error}")
    return None


def window_for(generator: Generator, notes: list[str]) -> int:
    """Returns the context window in tokens; if it is unknown, returns `UNBOUNDED` and adds a note."""
    spec = generator.spec()
    if spec.get("window"):
        return int(spec["window"])
    for name in _models(spec):
        if generator.kind not in LOCAL_KINDS and name == spec.get("model"):
            continue
        try:
            config = config_of(name)
        except UnknownShape:
            continue
        found = {**config, **(config.get("text_config") or {})}.get("max_position_embeddings")
        if found:
            return int(found)
    notes.append("its window is not known here, so no prompt is cut")
    return UNBOUNDED


def _models(spec: Mapping[str, Any]) -> Iterator[str]:
    """Yields the names under which the files of a generator's model may be found."""
    yield from (name for name in (spec.get("model"), spec.get("tokenizer_from")) if isinstance(name, str))


def _records(spec: Mapping[str, Any]) -> bool:
    """Returns whether these settings of `kind: transformers` record forward passes as CUDA graphs."""
    return bool(spec.get("cuda_graphs")) and spec.get("batch_size") != 1 and spec.get("attention") == "sdpa"
