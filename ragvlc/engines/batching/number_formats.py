"""Which number format a model is computed in where the settings leave it open.

Planning asks this for every generator, so what the machine has is read from the operating system: torch, which would
know too, takes seconds to import. A driver that torch then cannot use costs speed, never a wrong key: the key has the
format that is computed in.
"""

from __future__ import annotations

import json
import os
import platform
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ragvlc import packaged

__all__ = ["settled_dtype"]

_INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


def settled_dtype(dtype: str, model: str, device: str) -> str:
    """Returns `dtype`, with `auto` settled: what the model was published in, where the device computes that fast.

    16-bit formats are slow on CPUs without instructions for them; there `auto` is float32. A model whose
    configuration cannot be read, such as one of a hub that was never downloaded, stays `auto`.

    A generator's key has the settled format, not `auto`. So with `auto` the key depends on the machine and on `device`,
    which decide the format, and on nothing else of them: a laptop in float32 and a GPU in bfloat16 compute different
    answers under different keys, two machines that settle on the same format share theirs.
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
    if device not in {"auto", "cpu"} or not _INSTRUCTIONS.isdisjoint(cpu_flags()):
        return True
    return device == "auto" and has_accelerator()


@cache
def cpu_flags() -> frozenset[str]:
    """Returns the names of this CPU's instruction sets; none where the system is not Linux, which is asked."""
    cpuinfo = Path("/proc/cpuinfo")
    if platform.system() != "Linux" or not cpuinfo.exists():
        return frozenset()
    lines = cpuinfo.read_text("utf-8", errors="replace").splitlines()
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return frozenset(flags.split())


@cache
def has_accelerator() -> bool:
    """Whether there is a GPU that the installed torch is built for. Imports nothing, so it trusts the driver."""
    if platform.system() == "Darwin":
        return platform.machine() == "arm64"
    return _torch_is_built_for_gpus() and _driver_is_loaded()


def _driver_is_loaded() -> bool:
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in {"", "-1"}:
        return False
    if platform.system() == "Windows":
        return (Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32" / "nvcuda.dll").exists()
    # NVIDIA's driver, AMD's, and the one that Windows lends to Linux.
    return any(Path(place).exists() for place in ("/proc/driver/nvidia/gpus", "/dev/kfd", "/dev/dxg"))


def _torch_is_built_for_gpus() -> bool:
    found = find_spec("torch")
    if found is None or found.origin is None:
        return False
    try:
        text = (Path(found.origin).parent / "version.py").read_text("utf-8")
    except OSError:
        return True  # a build that does not say: its devices decide when the model is loaded
    return bool(re.search(r"^(?:cuda|hip)\b[^=\n]*=\s*['\"]", text, flags=re.MULTILINE))
