"""Known devices with figures from their data sheets, and detection of this machine's own device."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType

from ragvlc.core.errors import ConfigError, nearest
from ragvlc.hardware.roofline import Device, Recorded

__all__ = ["CPU", "DEVICES", "device_named", "eager", "this_machine"]

CPU = "cpu"
_GB, _TERA = 1e9, 1e12

# Dense figures, without sparsity: 16-bit products added up in 32 bits, 32-bit numbers outside tensor cores, bandwidth.
# nvidia.com/h200, /h100 (SXM and PCIe), /a100 (SXM 80 GB, 40 GB), /l40s, /l4, /a10 data sheets; Ada and Ampere GA102
# architecture white papers (RTX 4090, RTX 3090); HGX B200 data sheet; amd.com Instinct MI300X data sheet.
_SHEETS = (
    ("b200", 2250, 75, 7700, 180),
    ("h200", 989, 67, 4800, 141),
    ("h100", 989, 67, 3350, 80),
    ("h100-pcie", 756, 51, 2000, 80),
    ("a100-80gb", 312, 19.5, 2039, 80),
    ("a100-40gb", 312, 19.5, 1555, 40),
    ("l40s", 362, 91.6, 864, 48),
    ("l4", 121, 30.3, 300, 24),
    ("a10", 125, 31.2, 600, 24),
    ("rtx-4090", 165.2, 82.6, 1008, 24),
    ("rtx-3090", 71, 35.6, 936, 24),
    ("mi300x", 1307.4, 163.4, 5300, 192),
)
_RECORDED = Recorded(row_seconds=21e-6, rows_seconds=35e-6, rows_share=0.75)
"""Measured on one H200 in bfloat16, with the steps of `ragvlc.engines.cuda_graphs.graphs`; taken for every GPU.

One row runs seven programs a layer: .72 ms a token for the 30 layers of SmolLM2 after 7,800 tokens, whose bytes take
.11; .99 ms for 16 layers of a 1B Llama. Several rows run ten and more: 1.13 ms for 5 rows of SmolLM2. And cuBLAS reads
their weights more slowly: a check of an 8B Llama after 131,072 tokens takes 1.5 to 2 ms more than a step of 8.07.
"""
DEVICES: Mapping[str, Device] = MappingProxyType(
    {
        name: Device(name, half * _TERA, single * _TERA, bandwidth * _GB, memory * _GB, recorded=_RECORDED)
        for name, half, single, bandwidth, memory in _SHEETS
    }
)
_LAUNCH = 0.9e-3
"""Seconds a layer of passes that Python launches: 25 to 30 ms for the 30 layers of SmolLM2, whatever its rows, measured
on one H200. The library alone, without what lays rows flat, takes .6 to .7 ms: 22 ms for 32 layers, 9.3 for 16."""
_CPU_LAUNCH = 0.3e-3


def device_named(name: str) -> Device:
    """Returns the device called `name`, assuming an engine that records every forward pass as a CUDA graph.

    Raises:
        ConfigError: if it is not known.
    """
    if name == CPU:
        return _measured_cpu()
    if name not in DEVICES:
        known = [*DEVICES, CPU]
        raise ConfigError(f"--device {name}: not known. Known: {', '.join(known)}.{nearest(name, known)}")
    return DEVICES[name]


def eager(device: Device, *, recorded: bool = False) -> Device:
    """Returns the device with launch times added, for a library that launches every layer from Python.

    Args:
        device: as an engine uses it that records all passes.
        recorded: whether passes of few rows are recorded all the same, for models of Llama's layers.
    """
    if device.launch_seconds:
        return device
    return replace(device, launch_seconds=_LAUNCH, recorded=device.recorded if recorded else None)


@cache
def this_machine() -> Device | None:
    """Returns this machine's GPU, or its CPU as measured; None for an accelerator that is not in the table."""
    try:
        import torch
    except ImportError:
        return _measured_cpu()
    if torch.cuda.is_available():
        return _matching(torch.cuda.get_device_name())
    return None if torch.backends.mps.is_available() else _measured_cpu()


def _matching(title: str) -> Device | None:
    """Returns the device for a driver's name such as `NVIDIA A100-SXM4-80GB`; None if no device matches."""
    words = title.casefold().replace("-", " ").split()
    fitting = [name for name in DEVICES if set(name.split("-")) <= set(words)]
    return DEVICES[max(fitting, key=len)] if fitting else None


@cache
def _measured_cpu() -> Device:
    """Returns this machine's CPU, with its speed measured by matrix products and copies within about two seconds."""
    try:
        import torch
    except ImportError:
        return _measured_by_numpy()

    def product(dtype: torch.dtype) -> Callable[[], object]:
        one = torch.rand(1024, 1024).to(dtype)
        return lambda: one @ one

    source, target = torch.zeros(2**26), torch.zeros(2**26)
    with torch.inference_mode():
        half, single = (2.0 * 1024**3 / _best(product(dtype)) for dtype in (torch.bfloat16, torch.float32))
        bandwidth = 2.0 * source.nbytes / _best(lambda: target.copy_(source))
    return _cpu(half, single, bandwidth)


def _measured_by_numpy() -> Device:
    import numpy as np

    one: np.ndarray[tuple[int, int], np.dtype[np.float32]] = np.ones((1024, 1024), np.float32)
    source, target = np.zeros(2**26, np.float32), np.ones(2**26, np.float32)
    single = 2.0 * 1024**3 / _best(lambda: one @ one)
    return _cpu(single, single, 2.0 * source.nbytes / _best(lambda: np.copyto(target, source)))


def _cpu(half: float, single: float, bandwidth: float) -> Device:
    return Device(
        CPU, half, single, bandwidth, float("inf"), compute_share=0.5, traffic_share=0.7, launch_seconds=_CPU_LAUNCH
    )


def _best(work: Callable[[], object], seconds: float = 0.4) -> float:
    """Returns the shortest time of one call, over at least three calls and as many as fit into `seconds`."""
    work()
    found: list[float] = []
    end = time.perf_counter() + seconds
    while len(found) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)
