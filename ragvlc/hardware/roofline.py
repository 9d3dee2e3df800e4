"""Roofline model of forward passes: the time of a pass is the longer of its arithmetic time and its memory time.

After Yuan et al. 2024 (LLM Inference Unveiled: Survey and Roofline Model Insights, arXiv 2402.16363). Prefill is bound
by arithmetic, two operations a parameter and token and the quadratic part of attention; decoding by the bytes of the
weights and of every row's keys and values. Differences: peaks are what data sheets give times an efficiency, set on
one NVIDIA H200 with an 8B Llama (10.2 s for 130,000 tokens of prompt in vLLM; bytes at the pace of a large copy), and
layers take time to start. Where Python launches them while the device works, a pass takes no less than that; where a
pass is recorded and replayed, its programs wait for each other, and every layer adds its part (see `Recorded`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ragvlc.hardware.model_sizes import Shape

__all__ = [
    "Device",
    "Passes",
    "Recorded",
    "decode_seconds",
    "prefill_seconds",
    "replayed",
    "together",
    "verify_seconds",
]

_TOGETHER = 0.85
"""What is left of each device's speed when several compute one model (tensor parallel): they wait for each other."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Overhead of a forward pass recorded as a CUDA graph, in addition to memory traffic and arithmetic.

    Attributes:
        row_seconds: a layer, for the programs of one row.
        rows_seconds: a layer, for those of several rows of one text: there are more, for less of it is fused.
        rows_share: of the bandwidth that is reached when weights are multiplied with several rows.
    """

    row_seconds: float
    rows_seconds: float
    rows_share: float = 1.0


@dataclass(frozen=True, slots=True)
class Device:
    """A computing device: its speed, memory, bandwidth and efficiency.

    Attributes:
        name: as in the table of devices.
        half_flops: operations a second with numbers of 16 bits, dense.
        single_flops: with numbers of 32 bits.
        bandwidth: bytes a second between memory and processor.
        memory: bytes.
        compute_share: of the operations a second that are reached.
        traffic_share: of the bandwidth that is reached.
        launch_seconds: a layer that Python launches takes no less, whatever is in it; 0 where none is.
        recorded: what passes take that are recorded; None where none is.
    """

    name: str
    half_flops: float
    single_flops: float
    bandwidth: float
    memory: float
    compute_share: float = 0.62
    traffic_share: float = 0.88
    launch_seconds: float = 0.0
    recorded: Recorded | None = None


@dataclass(frozen=True, slots=True)
class Passes:
    """Forward passes that continue one text, with no other work on the device.

    Attributes:
        number: of passes; a mean, so no whole number.
        rows: tokens of the text in each.
        context: tokens before them.
    """

    number: float
    rows: int
    context: float

    def seconds(self, shape: Shape, device: Device) -> float:
        """Returns the seconds of all passes."""
        if self.rows == 1:
            return self.number * decode_seconds(shape, device, self.context)
        return self.number * verify_seconds(shape, device, self.context, self.rows)


def together(device: Device, number: int) -> Device:
    """Returns `number` equal devices that split every layer (tensor parallelism), as one combined device."""
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
    """Returns the seconds to read `tokens` tokens of a prompt after `cached` tokens that are already computed."""
    if tokens <= 0:
        return 0.0
    flops = 2.0 * shape.active_parameters * tokens + shape.attention_flops(tokens, cached)
    whole = _seconds(shape, device, flops + _head_flops(shape, 1), shape.seen_bytes(cached), tokens)
    if device.recorded is None or device.launch_seconds:
        return _launched(shape, device, whole)
    return whole + shape.layers * device.recorded.rows_seconds


def decode_seconds(shape: Shape, device: Device, context: float, batch: int = 1) -> float:
    """Returns the seconds to generate one token for each of `batch` texts of `context` tokens.

    That is one forward pass over all; where only passes of one row are recorded, and a row after the other takes less
    than a pass that Python launches, it is a pass for each.
    """
    together_now = _step(shape, device, context, batch)
    steps = device.recorded if replayed(shape, device) else None
    if steps is None:
        return _launched(shape, device, together_now)
    starting = shape.layers * steps.row_seconds
    if not device.launch_seconds or batch == 1:
        return together_now + starting
    in_turn = batch * (_step(shape, device, context, 1) + starting)
    return min(in_turn, _launched(shape, device, together_now))


def verify_seconds(shape: Shape, device: Device, context: float, rows: int) -> float:
    """Returns the seconds of one forward pass over `rows` drafted tokens after `context` tokens of text."""
    if rows == 1:
        return decode_seconds(shape, device, context + 1)
    flops = 2.0 * shape.active_parameters * rows + shape.attention_flops(rows, int(context)) + _head_flops(shape, rows)
    steps, cache_bytes = device.recorded if replayed(shape, device) else None, shape.seen_bytes(context + rows)
    if steps is None:
        return _launched(shape, device, _seconds(shape, device, flops, cache_bytes, rows))
    return _seconds(shape, device, flops, cache_bytes, rows, steps.rows_share) + shape.layers * steps.rows_seconds


def replayed(shape: Shape, device: Device) -> bool:
    """Returns whether passes over few tokens replay CUDA graphs; libraries may do so only for Llama's layers."""
    return device.recorded is not None and (shape.llama or not device.launch_seconds)


def _head_flops(shape: Shape, rows: int) -> float:
    return 2.0 * shape.vocabulary * shape.hidden * rows


def _step(shape: Shape, device: Device, context: float, batch: int) -> float:
    flops = batch * (2.0 * shape.active_parameters + shape.attention_flops(1, int(context)))
    return _seconds(shape, device, flops + _head_flops(shape, batch), batch * shape.seen_bytes(context), batch)


def _seconds(
    shape: Shape, device: Device, flops: float, cache_bytes: float, tokens: int, weights_share: float = 1.0
) -> float:
    """Returns the seconds of a pass, excluding the time for launching its layers."""
    peak = device.single_flops if shape.cache_bytes > 2 else device.half_flops
    computing = flops / (peak * device.compute_share)
    traffic = shape.read_parameters(tokens) * shape.weight_bytes / weights_share + cache_bytes
    return max(computing, traffic / (device.bandwidth * device.traffic_share))


def _launched(shape: Shape, device: Device, seconds: float) -> float:
    """Returns the seconds of a pass whose layers Python launches one by one while the device computes."""
    return max(seconds, shape.layers * device.launch_seconds)
