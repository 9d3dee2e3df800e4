"""Figures of the benchmarks in one file: each benchmark calls `record` once a figure, `make bench` names the file.

Without `RAGVLC_BENCH_FILE` in the environment nothing is written. A benchmark's figures of one run replace those of its
last run with the same options; a figure is a list of values, one a repeat.
"""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import os
import platform
import re
import shlex
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ragvlc.engines.batching.dtypes import cpu_flags

FILE = "RAGVLC_BENCH_FILE"
STORED = Path(__file__).with_name("figures.json")
"""The latest figures that docs/measured.md shows and `make bench-compare` compares with."""
NAMED = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimd", "i8mm", "bf16")
LIMITS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS")
BEGUN = dt.datetime.now(dt.UTC), (os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0)


def record(
    figure: str,
    values: Sequence[float],
    unit: str = "times",
    better: Literal["more", "less"] = "more",
    *,
    exact: bool = False,
) -> None:
    """Writes a figure of the running benchmark into the file of `make bench`.

    Args:
        figure: what was measured and against what, in words.
        values: one a repeat.
        unit: of the values; `times` for a ratio.
        better: whether more or less of it is better.
        exact: no chance is in it, so that one repeat is enough and any difference a change.
    """
    if not os.environ.get(FILE):
        return
    path = Path(os.environ[FILE])
    found = read(path) if path.exists() else {}
    name, head = _command(), {"date": f"{BEGUN[0]:%Y-%m-%d}", "started": f"{BEGUN[0]:%H:%M:%S}", **machine()}
    entry = found.get(name, {})
    if {key: entry.get(key) for key in ("date", "started")} != {key: head[key] for key in ("date", "started")}:
        entry = {**head, "figures": {}}
    made = {"unit": unit, "better": better, "values": [float(f"{value:.4g}") for value in values]}
    made |= {"exact": True} if exact else {}
    entry["figures"][figure] = made
    write(path, found | {name: entry})


def read(path: Path) -> dict[str, Any]:
    """Returns the file's figures by benchmark."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def write(path: Path, found: Mapping[str, Any]) -> None:
    """Writes the figures, benchmarks sorted by name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict(sorted(found.items())), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Returns least, median and most."""
    return min(values), statistics.median(values), max(values)


def machine() -> dict[str, Any]:
    """Returns what the figures depend on: processor, instruction sets, cores, GPU, load at the start, versions."""
    limits = [f"{name}={os.environ[name]}" for name in LIMITS if os.environ.get(name)]
    flags = [name for name in NAMED if name in cpu_flags()]
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "instructions": " ".join(flags) or platform.machine(),
        "limited_to": " ".join(limits),
        "gpu": _gpu(),
        "load": round(BEGUN[1], 1),
        "python": platform.python_version(),
        **{name: _version(name) for name in ("torch", "transformers")},
    }


def same_machine(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Returns whether two runs were made on machines of one kind."""
    return all(one.get(key) == other.get(key) for key in ("processor", "cores", "instructions", "limited_to", "gpu"))


def _command() -> str:
    return shlex.join([Path(sys.argv[0]).name, *(_without_folders(word) for word in sys.argv[1:])])


def _without_folders(word: str) -> str:
    return Path(word).name if os.sep in word else word


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    named = re.search(r"^model name\s*:\s*(.+)$", text, flags=re.MULTILINE)
    return named[1].strip() if named else platform.processor() or platform.machine()


def _gpu() -> str:
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch is not None and torch.cuda.is_available() else ""


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
