"""Seconds from shapes: a forward pass takes as long as its arithmetic or its memory traffic, whichever is more.

After Yuan et al. 2024 (LLM Inference Unveiled: Survey and Roofline Model Insights, arXiv 2402.16363). Prefill is bound
by arithmetic, two operations a parameter and token and the quadratic part of attention; decoding by the bytes of the
weights and of every row's keys and values. Differences: peaks are what data sheets give times an efficiency, set on one
NVIDIA H200 with an 8B Llama in vLLM (10.2 s for 130,000 tokens of prompt, 8.8 ms a token behind 131,072), and a forward
pass takes no less than the time of launching its layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ragvlc.estimate.shapes import Shape

__all__ = [
    "Acceptance",
    "Device",
    "decode_seconds",
    "expected_tokens",
    "prefill_seconds",
    "speculative_seconds",
    "together",
    "verify_seconds",
]

Acceptance = float | Sequence[float]
"""Probability that a proposed token is accepted where all before it were: one for all places of a draft, or one for
each, of which the last stands for those beyond."""

_TOGETHER = 0.85
"""What is left of each device's speed when several compute one model (tensor parallel): they wait for each other."""


@dataclass(frozen=True, slots=True)
class Device:
    """What computes.

    Attributes:
        name: as in the table of devices.
        half_flops: operations a second with numbers of 16 bits, dense.
        single_flops: with numbers of 32 bits.
        bandwidth: bytes a second between memory and processor.
        memory: bytes.
        compute_share: of the operations a second that are reached.
        traffic_share: of the bandwidth that is reached.
        launch_seconds: a layer takes no less, whatever is in it.
    """

    name: str
    half_flops: float
    single_flops: float
    bandwidth: float
    memory: float
    compute_share: float = 0.62
    traffic_share: float = 0.78
    launch_seconds: float = 0.0


def together(device: Device, number: int) -> Device:
    """Returns `number` equal devices that share every layer (tensor parallel) as one."""
    if number == 1:
        return device
    gain = number * _TOGETHER
    return replace(
        device,
        name=f"{number} x {device.name}",
        half_flops=device.half_flops * gain,
        single_flops=device.single_flops * gain,
        bandwidth=device.bandwidth * gain,
        memory=device.memory * number,
    )


def prefill_seconds(shape: Shape, device: Device, tokens: int, cached: int = 0) -> float:
    """Returns the seconds to read `tokens` of a prompt behind `cached` ones that are computed already."""
    if tokens <= 0:
        return 0.0
    flops = 2.0 * shape.active_parameters * tokens + shape.attention_flops(tokens, cached)
    return _seconds(shape, device, flops + _head_flops(shape, 1), shape.seen_bytes(cached), tokens)


def decode_seconds(shape: Shape, device: Device, context: float, batch: int = 1) -> float:
    """Returns the seconds of one forward pass that gives each of `batch` rows, `context` tokens long, a token more."""
    flops = batch * (2.0 * shape.active_parameters + shape.attention_flops(1, int(context)))
    return _seconds(shape, device, flops + _head_flops(shape, batch), batch * shape.seen_bytes(context), batch)


def verify_seconds(shape: Shape, device: Device, context: int, rows: int) -> float:
    """Returns the seconds of one forward pass over `rows` drafted tokens of one text behind `context` tokens."""
    flops = 2.0 * shape.active_parameters * rows + shape.attention_flops(rows, context)
    return _seconds(shape, device, flops + _head_flops(shape, rows), shape.seen_bytes(context + rows), rows)


def expected_tokens(gamma: int, acceptance: Acceptance) -> float:
    """Returns the tokens that a round gives on average: those accepted of `gamma`, and one of the target's own.

    With one probability `a` for all places, `(1 - a^(gamma + 1)) / (1 - a)` (Leviathan et al. 2022, equation 1).
    """
    places = [acceptance] if isinstance(acceptance, (int, float)) else list(acceptance)
    tokens = reached = 1.0
    for place in range(gamma):
        reached *= places[min(place, len(places) - 1)] if places else 0.0
        tokens += reached
    return tokens


def speculative_seconds(
    target: Shape, draft: Shape, device: Device, *, contexts: tuple[int, int], gamma: int, acceptance: Acceptance
) -> float:
    """Returns the seconds a token of speculative decoding (Leviathan et al. 2022, arXiv 2211.17192).

    Args:
        target: whose tokens they are.
        draft: proposes.
        device: computes both, one after the other.
        contexts: tokens before them, for the target and for the draft; RAPID's draft reads a shorter text.
        gamma: tokens proposed at a time.
        acceptance: of proposed tokens.
    """
    proposing = gamma * decode_seconds(draft, device, contexts[1])
    checking = verify_seconds(target, device, contexts[0], gamma + 1)
    return (proposing + checking) / expected_tokens(gamma, acceptance)


def _head_flops(shape: Shape, rows: int) -> float:
    return 2.0 * shape.vocabulary * shape.hidden * rows


def _seconds(shape: Shape, device: Device, flops: float, cache_bytes: float, tokens: int) -> float:
    peak = device.single_flops if shape.cache_bytes > 2 else device.half_flops
    computing = flops / (peak * device.compute_share)
    traffic = shape.read_parameters(tokens) * shape.weight_bytes + cache_bytes
    return max(computing, traffic / (device.bandwidth * device.traffic_share), shape.layers * device.launch_seconds)
