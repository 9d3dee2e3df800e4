"""What the last `make bench` changed beyond its spread, against the stored figures.

    .venv/bin/python tests/benchmarks/compare.py            (make bench-compare) exits 1 if a figure became worse
    .venv/bin/python tests/benchmarks/compare.py --store    (make bench-store) makes the last figures the stored ones

A figure has changed if its ranges over the repeats, before and now, have no value in common. A figure of one repeat has
no range, unless no chance is in it: it is listed with its difference and not judged. Nor are other machines' figures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from _figures import STORED, read, same_machine, spread, write

LAST = Path(__file__).parents[2] / "build" / "bench.json"


class Change(NamedTuple):
    """One figure, before and now.

    Attributes:
        verdict: `worse`, `better`, `same`, `one repeat`, `other machine`, `new` or `not measured`.
        benchmark: its command.
        figure: its name.
        text: both values, for the printed line.
    """

    verdict: str
    benchmark: str
    figure: str
    text: str


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    """Yields every figure of both sides with what became of it."""
    for benchmark in sorted({*before, *now}):
        old, new = before.get(benchmark, {"figures": {}}), now.get(benchmark, {"figures": {}})
        alike = same_machine(old, new)
        for figure in [*old["figures"], *(name for name in new["figures"] if name not in old["figures"])]:
            yield Change(*_judged(old["figures"].get(figure), new["figures"].get(figure), alike, (benchmark, figure)))


def _judged(
    old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, alike: bool, name: tuple[str, str]
) -> tuple[str, str, str, str]:
    if old is None or new is None:
        return ("new" if old is None else "not measured", *name, said(new or old or {}))
    (low, middle, high), (least, median, most) = spread(old["values"]), spread(new["values"])
    by = f", {median / middle - 1:+.0%}" if middle else ""
    text = f"{said(old)} -> {said(new)}{by}"
    if not alike:
        return ("other machine", *name, text)
    if least <= high and low <= most:
        return ("same", *name, text)
    if min(len(old["values"]), len(new["values"])) < 2 and not new.get("exact"):
        return ("one repeat", *name, text)
    return ("better" if (median > middle) == (new["better"] == "more") else "worse", *name, text)


def said(figure: Mapping[str, Any]) -> str:
    """Returns a figure's median with its range and unit."""
    low, middle, high = spread(figure["values"])
    return f"{middle:,.4g} ({low:,.4g} to {high:,.4g}) {figure['unit']}"


def report(found: list[Change]) -> str:
    """Returns the lines to print: what changed by verdict, then how many figures did not."""
    heads = {
        "worse": "Worse, beyond the spread of both runs:",
        "better": "Better, beyond the spread of both runs:",
        "one repeat": "Different, but a run of one repeat has no spread; repeat it before it is believed:",
        "other machine": "Measured on another kind of machine, not judged:",
        "new": "Not among the stored figures:",
        "not measured": "Stored, and not measured this time:",
    }
    lines: list[str] = []
    for verdict, head in heads.items():
        of_it = [one for one in found if one.verdict == verdict]
        lines += [head, *(f"  {one.benchmark}: {one.figure}: {one.text}" for one in of_it)] if of_it else []
    same = sum(one.verdict == "same" for one in found)
    return "\n".join([*lines, f"{same} of {len(found)} figures within their spread."])


def main() -> int:
    """Prints the comparison, or stores the last figures; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--last", type=Path, default=LAST, help="figures of the last run")
    parser.add_argument("--stored", type=Path, default=STORED, help="figures to compare with")
    parser.add_argument("--store", action="store_true", help="take the last figures into the stored ones")
    options = parser.parse_args()
    if not options.last.exists():
        print(f"There are no figures in {options.last.name} yet. Run: make bench", file=sys.stderr)
        return 2
    before, now = read(options.stored) if options.stored.exists() else {}, read(options.last)
    if options.store:
        write(options.stored, before | now)
        print(f"{len(now)} benchmarks stored in {options.stored.name}. Run: make generate")
        return 0
    found = list(changes(before, now))
    print(report(found))
    return 1 if any(one.verdict == "worse" for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
