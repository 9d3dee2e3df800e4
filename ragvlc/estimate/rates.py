"""Seconds of a generator's calls, measured in earlier results or predicted from model size and device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import Protocol

from ragvlc.core.engines import Request
from ragvlc.core.families import Generator
from ragvlc.estimate.history import Past
from ragvlc.estimate.prefix_reuse import Reuse, reuse_of
from ragvlc.hardware.model_sizes import Shape
from ragvlc.hardware.placement import LOCAL_KINDS, Machine, device_for, shape_for, window_for
from ragvlc.hardware.roofline import Device, Passes, decode_seconds, prefill_seconds

__all__ = ["SHARE", "Call", "Clock", "EngineFacts", "facts_of"]

SHARE = 0.5
"""Of `max_tokens`: the length of an answer where nothing is stored."""
_MANY = 16


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a generator, with its token counts.

    Attributes:
        generator: key.
        prompt: tokens.
        cached: of those, found in the engine's cache of prefixes.
        completion: new tokens expected.
        most: new tokens at most.
        stored: found on disk, from earlier runs; nothing is computed.
        passes: after the prompt, where that is not one for each new token.
    """

    generator: str
    prompt: int
    cached: int
    completion: int
    most: int
    stored: bool = False
    passes: tuple[Passes, ...] = ()


class Clock(Protocol):
    """Predicts how many seconds a call keeps its engine busy."""

    def prefill(self, call: Call) -> float:
        """Returns the predicted seconds to read the prompt."""
        ...

    def decode(self, call: Call) -> float:
        """Returns the predicted seconds to generate the new tokens."""
        ...


@dataclass(frozen=True, slots=True)
class _ByTokens:
    """Predicts seconds in proportion to tokens, at the speed measured in stored answers."""

    prefill_seconds: float
    decode_seconds: float

    def prefill(self, call: Call) -> float:
        return self.prefill_seconds * (call.prompt - call.cached)

    def decode(self, call: Call) -> float:
        passes = sum(one.number for one in call.passes) if call.passes else call.completion
        return self.decode_seconds * passes


@dataclass(frozen=True, slots=True)
class _ByShape:
    """Predicts seconds from model size and device, scaled by factors measured in stored answers.

    Attributes:
        shape: of the model.
        device: what computes.
        batch: answers at a time; sessions are alone.
        factors: of reading prompts, of decoding, and of what sessions do after their prompts.
    """

    shape: Shape
    device: Device
    batch: int
    factors: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def prefill(self, call: Call) -> float:
        fresh = call.prompt - call.cached - (1 if call.passes else 0)  # a session's first pass takes the last token
        return self.factors[0] * prefill_seconds(self.shape, self.device, fresh, call.cached)

    def decode(self, call: Call) -> float:
        if call.passes:
            return self.factors[2] * sum(passes.seconds(self.shape, self.device) for passes in call.passes)
        context = call.prompt + call.completion / 2
        step = decode_seconds(self.shape, self.device, context, self.batch) / self.batch
        return self.factors[1] * step * call.completion


@dataclass(slots=True)
class EngineFacts:
    """Assumptions about the engine of a generator, and their sources.

    Attributes:
        window: tokens of prompt and answer together.
        reuse: of prefixes of earlier prompts.
        clock: None where nothing says how long it takes.
        local: whether it runs on one's own machine, where nobody charges for tokens.
        notes: what the figures rest on.
        new_tokens: of every answer, as the user says; None to go by what is stored.
    """

    window: int
    reuse: Reuse
    clock: Clock | None
    local: bool
    past: Past
    notes: list[str]
    new_tokens: int | None = None

    def expected(self, request: Request, routes: frozenset[str]) -> int:
        """Returns the expected number of new tokens of an answer."""
        mean = self.past.length(routes) if self.new_tokens is None else float(self.new_tokens)
        tokens = ceil(SHARE * request.max_tokens) if mean is None else round(mean)
        return max(1, min(request.max_tokens, tokens))


def facts_of(
    generator: Generator, past: Past, machine: Machine, *, concurrency: int, new_tokens: int | None = None
) -> EngineFacts:
    """Returns the facts known about a generator's engine without loading a model."""
    notes: list[str] = []
    shape, device = shape_for(generator, notes), device_for(generator, machine)
    reuse, said = reuse_of(generator, shape, device)
    notes += [said] if said else []
    own = ":" in generator.kind or generator.kind == "scripted"
    spec = generator.spec()
    together = min(concurrency, int(spec.get("batch_size") or spec.get("concurrency") or _MANY))
    by_shape = None if shape is None or device is None else _ByShape(shape, device, together)
    # Stored answers of other engines overlap in time, each with seconds of its own: those of all together are fewer.
    overlap = 1 if own or generator.kind == "transformers" else together
    clock, said = _clock(by_shape, past.without_seconds() if machine.device else past, overlap)
    notes.append(said)
    window, local = window_for(generator, notes), own or generator.kind in LOCAL_KINDS
    facts = EngineFacts(window, reuse, clock, local, past, notes, new_tokens)
    notes.append(_length_note(facts))
    return facts


def _clock(by_shape: _ByShape | None, past: Past, overlap: int) -> tuple[Clock | None, str]:
    """Returns a clock that predicts seconds, or None, and a note on the source of the prediction."""
    if past.measured or past.sessions:
        clock = _calibrated(by_shape, past, overlap) if by_shape else _by_tokens(past, overlap)
        return clock, f"seconds as measured in {past.timed:,} stored answers{past.whose}"
    if by_shape:
        device, batch = by_shape.device.name, by_shape.batch
        return by_shape, f"seconds by shape on {device}, {batch} answers at a time; nothing measured"
    return None, "seconds unknown: no stored answers, and its model or device is not known here"


def _by_tokens(past: Past, overlap: int) -> _ByTokens:
    measured = past.measured
    fresh = sum(one.calls * (one.prompt - one.cached) for one in measured)
    new = sum(one.calls * one.completion for one in measured)
    prefill, decode = (sum(getattr(one, f"{phase}_seconds") for one in measured) for phase in ("prefill", "decode"))
    if not new:  # nothing but sessions: their passes are all that is known of decoding
        new, decode = sum(one.passes.number for one in past.sessions), sum(one.seconds for one in past.sessions)
    return _ByTokens(prefill / max(1.0, fresh) / overlap, decode / max(1.0, new) / overlap)


def _calibrated(clock: _ByShape, past: Past, overlap: int) -> _ByShape:
    measured, sessions = past.measured, past.sessions
    calls = [(one.calls, Call("", round(one.prompt), round(one.cached), round(one.completion), 0)) for one in measured]
    expected = [sum(count * seconds(call) for count, call in calls) for seconds in (clock.prefill, clock.decode)]
    took = [sum(getattr(one, f"{phase}_seconds") for one in measured) for phase in ("prefill", "decode")]
    prefill, decode = (_ratio(real, by_shape) / overlap for real, by_shape in zip(took, expected, strict=True))
    alone = sum(one.passes.seconds(clock.shape, clock.device) for one in sessions)
    in_sessions = _ratio(sum(one.seconds for one in sessions), alone) if sessions else decode
    return replace(clock, factors=(prefill, decode, in_sessions))


def _ratio(real: float, by_shape: float) -> float:
    """Returns measured seconds divided by predicted seconds; 1 if none were predicted, e.g. for cached prompts."""
    return real / by_shape if by_shape > 0 else 1.0


def _length_note(facts: EngineFacts) -> str:
    if facts.new_tokens is not None:
        return f"{facts.new_tokens} new tokens an answer, as given"
    calls = sum(count for _, count in facts.past.lengths.values())
    if not calls:
        return f"new tokens taken as {SHARE:.0%} of what is allowed: no stored answers"
    return f"new tokens as in {calls:,} stored answers{facts.past.whose}"
