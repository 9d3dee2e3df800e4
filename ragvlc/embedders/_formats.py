"""Which number format an embedder computes in under `backend: auto`, from a measured table of speed and ranking.

The table is that of `tests/benchmarks/embedding_formats.py`, all-MiniLM-L6-v2 on a CPU; docs/embedders.md has it whole,
with the 8-bit ways that lost too much. Only processors that were measured are in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ragvlc.engines.batching.dtypes import cpu_flags, has_accelerator

__all__ = ["Format", "chosen_dtype", "format_remarks"]

Dtype = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class Format:
    """What computing in bfloat16 in place of float32 was measured to do on one kind of processor.

    Attributes:
        speed: how many times as many texts in the same processor time; below 1 it is slower.
        points: change of nDCG@10, in points of 100.
        error: half the width of its 95 % interval over questions.
        other: share of questions with other passages among their first 8.
    """

    speed: float
    points: float
    error: float
    other: float


LEAST_SPEED, MOST_LOSS = 1.3, 0.5
BFLOAT16: dict[str, Format] = {
    "amx_bf16": Format(speed=2.5, points=0.05, error=0.15, other=0.04),
    "avx512_bf16": Format(speed=0.8, points=0.05, error=0.15, other=0.04),
    "avx512f": Format(speed=0.3, points=0.05, error=0.15, other=0.04),
    "avx2": Format(speed=0.2, points=0.05, error=0.15, other=0.04),
}
"""By instruction set, the best first; the ranking was measured on one processor, as the format is the same on all."""
_ISA = {"amx_bf16": ("AMX",), "avx512_bf16": ("AMX", "FP16", "BF16"), "avx512f": ("AMX", "AVX512")}
"""Words in oneDNN's limit on instruction sets that leave each of them in use."""


def chosen_dtype(device: str) -> Dtype:
    """Returns the fastest format on this machine's CPU that loses at most half a point; float32 on other devices.

    The key of vectors has the format, so machines that choose differently never mix theirs.
    """
    found = _measured(device)
    return "bfloat16" if found and found.speed >= LEAST_SPEED and -found.points <= MOST_LOSS else "float32"


def format_remarks(model: str, dtype: str, device: str, *, auto: bool = False) -> Iterator[str]:
    """Yields what the format costs and gains on this machine.

    Args:
        model: the embedder's name.
        dtype: that it is computed in.
        device: that it is computed on.
        auto: the dtype was chosen here.
    """
    found = _measured(device)
    if auto and dtype == "float32":
        yield (
            f"embedder '{model}' is computed in float32: no other format was measured here to be {LEAST_SPEED} times "
            f"as fast and to lose at most {MOST_LOSS} points of nDCG@10 (docs/embedders.md)."
        )
    if dtype != "bfloat16" or found is None:
        return
    low, high = found.points - found.error, found.points + found.error
    change = f"nDCG@10 changes by {found.points:+.2f} points (95% interval {low:+.2f} to {high:+.2f})"
    if found.speed < 1:
        yield (
            f"embedder '{model}' in bfloat16 is slower here: {1 / found.speed:.2g} times as slow as float32 where "
            "it was measured. Set dtype: float32, or backend: auto."
        )
    else:
        yield (
            f"embedder '{model}' is computed in bfloat16, {found.speed:g} times as fast as float32 on such a CPU: "
            f"{change}, and {found.other:.0%} of questions have other passages among their first 8 (measured with "
            "all-MiniLM-L6-v2, docs/embedders.md). dtype: float32 is exact."
        )


def _measured(device: str) -> Format | None:
    if device != "cpu" and not (device == "auto" and not has_accelerator()):
        return None
    return next((found for name, found in BFLOAT16.items() if name in cpu_flags() and _in_use(name)), None)


def _in_use(name: str) -> bool:
    """Whether torch may use an instruction set that the processor has: the environment can limit it."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    if name != "avx2" and os.environ.get("ATEN_CPU_CAPABILITY", "").lower() in {"default", "avx2"}:
        return False
    return limit in {"", "ALL", "DEFAULT"} or name not in _ISA or any(word in limit for word in _ISA[name])
