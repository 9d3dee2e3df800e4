"""The page of measured speed, docs/measured.md, from the stored figures of `make bench`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from _figures import STORED, read, spread

HEAD = """# Speed, last measured

Made from `tests/benchmarks/figures.json` by `make generate`; do not edit. `make bench` (with a GPU and vLLM also
`make bench-gpu`) writes new figures to `build/bench.json` with machine, instruction sets, date and load.
`make bench-compare` prints what changed beyond its spread and exits 1 if something became worse; `make bench-store`
takes the new figures over. What each benchmark compares is written at its head, in `tests/benchmarks`;
[Speed](speed.md) says what the figures mean.

A figure is the median of its repeats, with the least and the most. Ratios of both sides in one run carry over to other
machines better than times do; one repeat has no spread.
"""


def page() -> str:
    """Returns the page."""
    return "\n".join([HEAD, *_sections(read(STORED))]).rstrip() + "\n"


def _sections(found: Mapping[str, Any]) -> Iterator[str]:
    for benchmark, entry in found.items():
        yield f"## `{benchmark}`\n"
        yield _machine(entry) + "\n"
        yield "| figure | median | least | most | repeats | better |\n| --- | ---: | ---: | ---: | ---: | --- |"
        for name, figure in entry["figures"].items():
            low, middle, high = (f"{value:,.4g}" for value in spread(figure["values"]))
            unit = "" if figure["unit"] == "times" else f", {figure['unit']}"
            yield f"| {name}{unit} | {middle} | {low} | {high} | {len(figure['values'])} | {figure['better']} |"
        yield ""


def _machine(entry: Mapping[str, Any]) -> str:
    parts = [
        entry["date"],
        f"{entry['cores']} cores of {entry['processor']}",
        f"instruction sets {entry['instructions']}"
        + (f" limited to {entry['limited_to']}" if entry["limited_to"] else ""),
        entry["gpu"] or "no GPU",
        f"load {entry['load']} before it began",
        f"Python {entry['python']}",
        *(f"{name} {entry[name]}" for name in ("torch", "transformers") if entry[name]),
    ]
    return ", ".join(parts) + "."
