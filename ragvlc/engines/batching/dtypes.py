"""Chooses the dtype that a model is computed in when the settings say `auto`.

Planning needs it for every generator, so the machine's properties are read from the operating system: torch, which
knows them too, takes seconds to import. A driver that torch then cannot use costs speed but gives no wrong key: the key
has the dtype that is computed in.
"""

from __future__ import annotations

import os
import platform
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ragvlc import packaged
from ragvlc.core.json_text import parse_json

__all__ = ["resolve_dtype"]

_INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Instruction sets with products of 16-bit numbers, as Linux names them on x86 and Arm."""
_CAPS = {
    "ATEN_CPU_CAPABILITY": ("default", "avx2"),
    "ONEDNN_MAX_CPU_ISA": ("sse41", "avx", "avx2", "avx2_vnni", "avx2_vnni_2", "avx512_core", "avx512_core_vnni"),
}
"""Values of the variables with which users cap the instructions of torch and oneDNN that leave no 16-bit products.

https://docs.pytorch.org/docs/stable/generated/torch.backends.cpu.get_cpu_capability.html and
https://uxlfoundation.github.io/oneDNN/dev_guide_cpu_dispatcher_control.html
"""


def resolve_dtype(dtype: str, model: str, device: str) -> str:
    """Returns `dtype`, where `auto` becomes the model's published dtype if that is fast on the device, else float32.

    16-bit dtypes are slow on CPUs without instructions for them; there `auto` is float32. A model whose configuration
    cannot be read, such as one on a hub that was never downloaded, stays `auto`.

    A generator's key has the resolved dtype, not `auto`. So with `auto` the key depends on the machine and on `device`,
    which decide the dtype, and on nothing else of them: a laptop in float32 and a GPU in bfloat16 compute different
    answers under different keys, and two machines that resolve to the same dtype share their answers.
    """
    if dtype != "auto":
        return dtype
    published = _published_dtype(model)
    return published if published in {"auto", "float32"} or _computes_16_bit_fast(device) else "float32"


def _published_dtype(model: str) -> str:
    """Returns the dtype that a model's configuration names, float32 if it names none, `auto` if it cannot be read."""
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
        facts = parse_json(config.read_text("utf-8"))
    except (OSError, ValueError):
        return "auto"  # opening the model says what is wrong with its folder
    if not isinstance(facts, dict):
        return "auto"
    inner = facts.get("text_config")
    levels = (facts, inner if isinstance(inner, dict) else {})
    found = (level.get(name) for name in ("dtype", "torch_dtype") for level in levels)
    return str(next(filter(None, found), "float32")).removeprefix("torch.")


def _computes_16_bit_fast(device: str) -> bool:
    if device not in {"auto", "cpu"}:
        return True
    if not (_INSTRUCTIONS.isdisjoint(cpu_flags()) or _are_capped()):
        return True
    return device == "auto" and has_accelerator()


def _are_capped() -> bool:
    """Whether the environment keeps torch or oneDNN from the instructions for 16-bit numbers that the CPU has."""
    return any(os.environ.get(name, "").strip().lower() in values for name, values in _CAPS.items())


@cache
def cpu_flags() -> frozenset[str]:
    """Returns the names of this CPU's instruction sets; an empty set on systems other than Linux."""
    cpuinfo = Path("/proc/cpuinfo")
    if platform.system() != "Linux" or not cpuinfo.exists():
        return frozenset()
    lines = cpuinfo.read_text("utf-8", errors="replace").splitlines()
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return frozenset(flags.split())


@cache
def has_accelerator() -> bool:
    """Whether the file system shows a GPU that the installed torch is built for; torch itself is not imported."""
    if platform.system() == "Darwin":
        return platform.machine() == "arm64"
    return _torch_is_built_for_gpus() and _driver_is_loaded()


def _driver_is_loaded() -> bool:
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in {"", "-1"}:
        return False
    if platform.system() == "Windows":
        return (Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32" / "nvcuda.dll").exists()
    # The devices of NVIDIA's driver, of AMD's, and of Windows' GPU driver inside WSL.
    return any(Path(place).exists() for place in ("/proc/driver/nvidia/gpus", "/dev/kfd", "/dev/dxg"))


def _torch_is_built_for_gpus() -> bool:
    # A CPU-only build on a machine with a GPU is common, and computes on the CPU.
    found = find_spec("torch")
    if found is None or found.origin is None:
        return False
    try:
        text = (Path(found.origin).parent / "version.py").read_text("utf-8")
    except OSError:
        return True  # unknown build: torch picks the device when the model is loaded
    return bool(re.search(r"^(?:cuda|hip)\b[^=\n]*=\s*['\"]", text, flags=re.MULTILINE))
