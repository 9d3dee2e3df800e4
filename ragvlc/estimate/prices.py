"""Costs of a call or an embedded text, in tokens, seconds and money."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ragvlc.core.answer import Usage
from ragvlc.core.families import Embedder, Generator
from ragvlc.estimate.rates import Call, EngineFacts
from ragvlc.hardware.model_sizes import Shape, UnknownShape, config_of, shape_of
from ragvlc.hardware.placement import Machine, device_for
from ragvlc.hardware.roofline import Device, prefill_seconds

__all__ = ["Prices"]


@dataclass(slots=True)
class Prices:
    """Computes the costs of calls and embedded texts; unknown figures are NaN.

    Attributes:
        generators: by key.
        facts: of their engines, by key.
        embedders: by key.
        machine: what computes.
    """

    generators: Mapping[str, Generator]
    facts: Mapping[str, EngineFacts]
    embedders: Mapping[str, Embedder]
    machine: Machine
    _calls: dict[Call, dict[str, float]] = field(default_factory=dict)
    _embedding: dict[str, tuple[Shape, Device] | None] = field(default_factory=dict)

    def of(self, call: Call) -> Mapping[str, float]:
        """Returns the tokens, seconds and money of one computed call."""
        if call not in self._calls:
            self._calls[call] = self._of(call)
        return self._calls[call]

    def _of(self, call: Call) -> dict[str, float]:
        generator, facts = self.generators[call.generator], self.facts[call.generator]
        prefill = facts.clock.prefill(call) if facts.clock else math.nan
        decode = facts.clock.decode(call) if facts.clock else math.nan
        money = most = 0.0 if facts.local else math.nan
        if generator.price is not None:
            money = generator.price.at_most(Usage(call.prompt, call.cached, call.completion, 1))
            most = generator.price.at_most(Usage(call.prompt, call.cached, call.most, 1))
        return {
            "calls": 1,
            "prompt_tokens": call.prompt,
            "cached_tokens": call.cached,
            "completion_tokens": call.completion,
            "completion_tokens_most": call.most,
            "prefill_seconds": prefill,
            "decode_seconds": decode,
            "seconds": prefill + decode,
            "money": money,
            "money_most": most,
        }

    def of_text(self, embedder: str, tokens: int) -> Mapping[str, float]:
        """Returns the tokens and seconds of one embedded text; the seconds are 0 if unknown."""
        if embedder not in self._embedding:
            self._embedding[embedder] = self._embeds(self.embedders[embedder])
        found = self._embedding[embedder]
        seconds = prefill_seconds(*found, tokens) if found else 0.0
        return {"texts_embedded": 1, "tokens_embedded": tokens, "embed_seconds": seconds, "seconds": seconds}

    def times_embedding(self, embedder: str) -> bool:
        """Returns whether the seconds of this embedder are known."""
        return self._embedding.get(embedder) is not None

    def _embeds(self, embedder: Embedder) -> tuple[Shape, Device] | None:
        spec = embedder.spec()
        try:
            shape = shape_of(config_of(str(spec.get("model"))), str(spec.get("dtype") or "auto"))
        except UnknownShape:
            return None
        device = device_for(embedder, self.machine)
        # Many texts are embedded in one pass: what its layers take to start is not what each of them takes.
        return (shape, replace(device, recorded=None)) if device else None
