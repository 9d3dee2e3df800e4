"""Which number format a model is computed in where the settings leave it open."""

from __future__ import annotations

import json
import platform
from functools import cache
from pathlib import Path

from ragvlc import packaged

__all__ = ["settled_dtype"]

_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")


def settled_dtype(dtype: str, model: str, device: str) -> str:
    """Returns `dtype`, with `auto` settled: what the model was published in, where the device computes that fast.

    16-bit formats are slow on CPUs without instructions for them; there `auto` is float32. A model whose
    configuration cannot be read, such as one of a hub that was never downloaded, stays `auto`.
    """
    if dtype != "auto":
        return dtype
    published = _published(model)
    return published if published in {"auto", "float32"} or _fast(device) else "float32"


def _published(model: str) -> str:
    known = packaged.find(model)
    if known:
        return known.dtype
    config = Path(model) / "config.json"
    if not Path(model).is_dir():
        cached = packaged.hub_file(model, "config.json")
        if cached is None:
            return "auto"
        config = cached
    try:
        facts = json.loads(config.read_text("utf-8"))
    except (OSError, ValueError):
        return "auto"  # opening the model says what is wrong with its folder
    inner = facts.get("text_config") or {}
    found = (facts.get(name) or inner.get(name) for name in ("dtype", "torch_dtype"))
    return str(next(filter(None, found), "float32")).removeprefix("torch.")


def _fast(device: str) -> bool:
    if device not in {"auto", "cpu"} or _cpu_has_16_bits():
        return True
    return device == "auto" and _accelerator()


@cache
def _cpu_has_16_bits() -> bool:
    """Whether this CPU says that it has bfloat16 instructions; asked of Linux, unknown elsewhere."""
    cpuinfo = Path("/proc/cpuinfo")
    if platform.system() != "Linux" or not cpuinfo.exists():
        return False
    lines = cpuinfo.read_text("utf-8", errors="replace").splitlines()
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return not set(_INSTRUCTIONS).isdisjoint(flags.split())


@cache
def _accelerator() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return bool(torch.cuda.is_available() or torch.backends.mps.is_available())
