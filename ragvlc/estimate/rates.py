"""How long a generator takes: as measured in earlier results, or by its shape and device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Protocol

from ragvlc.core.engines import Request
from ragvlc.core.families import Generator
from ragvlc.estimate.counting import UNBOUNDED, Call
from ragvlc.estimate.devices import CPU, device_named, eager, this_machine
from ragvlc.estimate.history import Measured, Past, Took
from ragvlc.estimate.roofline import Device, decode_seconds, prefill_seconds, together
from ragvlc.estimate.shapes import Shape, UnknownShape, config_of, shape_of
from ragvlc.estimate.sharing import Reuse, reuse_of

__all__ = ["SHARE", "Clock", "EngineFacts", "Machine", "device_for", "facts_of", "shape_for", "window_for"]

SHARE = 0.5
"""Of `max_tokens`: the length of an answer where nothing is stored."""
_LOCAL = ("transformers", "vllm")
_MANY = 16


class Clock(Protocol):
    """Says how long a call keeps its engine busy."""

    def prefill(self, call: Call) -> float:
        """Returns the seconds for the prompt."""
        ...

    def decode(self, call: Call) -> float:
        """Returns the seconds for the new tokens."""
        ...


@dataclass(frozen=True, slots=True)
class _ByTokens:
    """Seconds by token, of answers measured before."""

    prefill_seconds: float
    decode_seconds: float

    def prefill(self, call: Call) -> float:
        return self.prefill_seconds * (call.prompt - call.cached)

    def decode(self, call: Call) -> float:
        passes = sum(one.number for one in call.passes) if call.passes else call.completion
        return self.decode_seconds * passes


@dataclass(frozen=True, slots=True)
class _ByShape:
    """Seconds by shape and device, times what answers measured before took longer.

    Attributes:
        shape: of the model.
        device: what computes.
        batch: answers at a time; sessions are alone.
        factors: of reading prompts, of decoding, and of what sessions do behind their prompts.
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


@dataclass(frozen=True, slots=True)
class Machine:
    """What computes.

    Attributes:
        device: name in the table; empty for this machine's.
        number: of them, sharing every layer.
    """

    device: str = ""
    number: int = 1


@dataclass(slots=True)
class EngineFacts:
    """What the engine of a generator is taken to do, and what that rests on.

    Attributes:
        window: tokens of prompt and answer together.
        reuse: finds beginnings of prompts again.
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
        """Returns how many new tokens an answer is taken to have."""
        mean = self.past.length(routes) if self.new_tokens is None else float(self.new_tokens)
        tokens = ceil(SHARE * request.max_tokens) if mean is None else round(mean)
        return max(1, min(request.max_tokens, tokens))


def facts_of(
    generator: Generator, past: Past, machine: Machine, *, concurrency: int, new_tokens: int | None = None
) -> EngineFacts:
    """Returns what is known of a generator's engine without opening it."""
    notes: list[str] = []
    shape = shape_for(generator, notes)
    device = device_for(generator, machine)
    reuse, said = reuse_of(generator, shape, device)
    notes += [said] if said else []
    local = generator.kind in _LOCAL or generator.kind == "scripted" or ":" in generator.kind
    clock = _clock(generator, past, shape, device, machine, min(concurrency, _batch(generator)), notes)
    facts = EngineFacts(window_for(generator, notes), reuse, clock, local, past, notes, new_tokens)
    notes.append(_length_note(facts))
    return facts


def device_for(part: Any, machine: Machine) -> Device | None:  # noqa: ANN401 - a generator or an embedder
    """Returns what computes this model, as its library uses it; None if that is not known, as for a server.

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
    """Returns the size of a generator's model; None, with the reason in `notes`, if it is not known here."""
    spec = generator.spec()
    names = [spec.get("model"), spec.get("tokenizer_from")]
    for name in names:
        if isinstance(name, str) and name != "server":
            try:
                return shape_of(config_of(name), str(spec.get("dtype") or "auto"))
            except UnknownShape as error:
                if generator.kind in _LOCAL:
                    notes.append(f"the shape of '{name}' is not known: {error}")
    return None


def window_for(generator: Generator, notes: list[str]) -> int:
    """Returns the tokens of prompt and answer together; `UNBOUNDED`, with a note, if that is not known here."""
    spec = generator.spec()
    if spec.get("window"):
        return int(spec["window"])
    for name in (spec.get("model"), spec.get("tokenizer_from")):
        if not isinstance(name, str) or (generator.kind not in _LOCAL and name == spec.get("model")):
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


def _records(spec: Mapping[str, Any]) -> bool:
    """Returns whether `kind: transformers` records passes on a GPU, for models that it can record."""
    return bool(spec.get("cuda_graphs")) and spec.get("batch_size") != 1 and spec.get("attention") == "sdpa"


def _batch(generator: Generator) -> int:
    spec = generator.spec()
    return int(spec.get("batch_size") or spec.get("concurrency") or _MANY)


def _clock(
    generator: Generator,
    past: Past,
    shape: Shape | None,
    device: Device | None,
    machine: Machine,
    together_now: int,
    notes: list[str],
) -> Clock | None:
    measured, sessions = ([], []) if machine.device else (past.measured, past.sessions)
    by_shape = None if shape is None or device is None else _ByShape(shape, device, together_now)
    if measured or sessions:
        # Answers of these overlap in time, each with seconds of its own: those of all together are fewer.
        overlap = 1 if generator.kind in {"transformers", "scripted"} or ":" in generator.kind else together_now
        of = "" if past.exact else " of the same model under other settings"
        notes.append(f"seconds as measured in {past.timed:,} stored answers{of}")
        return _calibrated(by_shape, measured, sessions, overlap) if by_shape else _by_tokens(past, overlap)
    if by_shape and device is not None:
        notes.append(f"seconds by shape on {device.name}, {together_now} answers at a time; nothing measured")
        return by_shape
    notes.append("seconds unknown: no stored answers, and its model or device is not known here")
    return None


def _by_tokens(past: Past, overlap: int) -> _ByTokens:
    measured = past.measured
    fresh = sum(one.calls * (one.prompt - one.cached) for one in measured)
    new = sum(one.calls * one.completion for one in measured)
    prefill, decode = (sum(getattr(one, f"{phase}_seconds") for one in measured) for phase in ("prefill", "decode"))
    if not new:  # nothing but sessions: their passes are all that is known of decoding
        new, decode = sum(one.passes.number for one in past.sessions), sum(one.seconds for one in past.sessions)
    return _ByTokens(prefill / max(1.0, fresh) / overlap, decode / max(1.0, new) / overlap)


def _calibrated(clock: _ByShape, measured: Sequence[Measured], sessions: Sequence[Took], overlap: int) -> _ByShape:
    calls = [(one.calls, Call("", round(one.prompt), round(one.cached), round(one.completion), 0)) for one in measured]
    expected = [sum(count * seconds(call) for count, call in calls) for seconds in (clock.prefill, clock.decode)]
    took = [sum(getattr(one, f"{phase}_seconds") for one in measured) for phase in ("prefill", "decode")]
    prefill, decode = (_ratio(real, by_shape) / overlap for real, by_shape in zip(took, expected, strict=True))
    alone = sum(one.passes.seconds(clock.shape, clock.device) for one in sessions)
    behind = _ratio(sum(one.seconds for one in sessions), alone) if sessions else decode
    return replace(clock, factors=(prefill, decode, behind))


def _ratio(real: float, by_shape: float) -> float:
    """Returns how many times longer it took; 1 where there is nothing to compare, as where all stood in a cache."""
    return real / by_shape if by_shape > 0 else 1.0


def _length_note(facts: EngineFacts) -> str:
    if facts.new_tokens is not None:
        return f"{facts.new_tokens} new tokens an answer, as given"
    calls = sum(count for _, count in facts.past.lengths.values())
    if not calls:
        return f"new tokens taken as {SHARE:.0%} of what is allowed: no stored answers"
    of = "" if facts.past.exact else " of the same model under other settings"
    return f"new tokens as in {calls:,} stored answers{of}"
