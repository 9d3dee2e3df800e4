"""How often a decision with a margin is wrong, how often it is reached, and whether power is as foretold.

    .venv/bin/python tests/benchmarks/decision_errors.py     (make coverage)

First table: how often a rival is called not worse (or better) by a margin of .1 although its mean is lower by exactly
that, which must be at most 5 %, and behind the stroke how often if it is level. Second: `ragvlc.statistics.power` says
how many clusters settle a difference four times in five; the share of simulated data sets of that size that do. Third:
the same for showing that a level rival is not worse. Fourth: the number that a pilot of few clusters leads to, as in
the verdict's "would take about N". Fifth: how often the intervals of ratios and slopes contain the true value.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from _simulated import Kind, differences, draw, graded_differences, shares
from interval_coverage import BLOCK, DESIGNS, LEVEL, bounds

from ragvlc.statistics import ratio_interval, slope_interval
from ragvlc.statistics._flips import flip_test
from ragvlc.statistics._spread import spread_of
from ragvlc.statistics.differences import FLIPS
from ragvlc.statistics.power import Pilot, assumed, needed, power

MARGIN = 0.1
CLUSTERS = (8, 10, 17, 30, 100)
TIES = (0.3, 0.6, 0.85)


def boundary(ties: float, *, graded: bool, lower: float) -> Kind:
    """Returns differences whose mean is `lower` below 0."""
    size = 0.4 if graded else 1.0
    better = (1 - lower / (size * (1 - ties))) / 2
    return graded_differences(ties, better) if graded else differences(ties, better)


def not_worse(kind: Kind, clusters: int, sizes: str, correlation: float, sets: int) -> float:
    """Returns the share of data sets whose interval is above minus the margin."""
    passed = 0
    for start in range(0, sets, BLOCK):
        low, _ = bounds(draw(kind, clusters, sizes, correlation, min(BLOCK, sets - start), seed=start), kind)
        passed += int((low > -MARGIN).sum())
    return passed / sets


def decision_tables(sets: int) -> Iterator[str]:
    """Yields tables of wrong and of right decisions, and the largest share of wrong ones."""
    worst = 0.0
    for graded in (False, True):
        for ties in TIES[: 2 if graded else 3]:
            true, level = (boundary(ties, graded=graded, lower=lower) for lower in (MARGIN, 0.0))
            yield (
                f"| {'graded' if graded else 'binary'}, {100 * ties:.0f} % ties | "
                + " | ".join(f"{count} clusters" for count in CLUSTERS)
                + " |"
            )
            yield "|---" * (1 + len(CLUSTERS)) + "|"
            for sizes, correlation in DESIGNS:
                found = []
                for count in CLUSTERS:
                    wrong, right = (not_worse(kind, count, sizes, correlation, sets) for kind in (true, level))
                    worst = max(worst, wrong)
                    found.append(f"{wrong:.3f} / {right:.2f}{' *' if wrong > 0.05 else ''}")
                name = sizes if sizes == "single" else f"{sizes}, ICC {correlation:g}"
                yield f"| {name} | " + " | ".join(found) + " |"
            yield ""
    yield f"Wrongly not worse: {worst:.3f} at most."


def power_table(sets: int) -> Iterator[str]:
    """Yields the clusters that the power function asks for, and the share of data sets of as many that are settled."""
    yield "| moved | difference | sizes | ICC | tests | clusters needed | settled |"
    yield "|---" * 7 + "|"
    for moved, size in ((0.2, 0.1), (0.4, 0.1), (0.4, 0.2), (0.7, 0.3)):
        for sizes, questions, correlation in (("single", 1, 0.0), ("equal", 4, 0.2), ("equal", 4, 0.6)):
            for tests in (1, 5):
                pilot = assumed(moved, size, questions=questions, correlation=correlation)
                yield _powered(pilot, moved, size, sizes, correlation, tests, sets)


def _powered(pilot: Pilot, moved: float, size: float, sizes: str, correlation: float, tests: int, sets: int) -> str:
    asked = needed(pilot, size, tests=tests)
    if asked is None:
        return f"| {moved} | {size} | {sizes} | {correlation} | {tests} | - | - |"
    kind = differences(1 - moved, (1 + size / moved) / 2)
    settled = 0
    for start in range(0, sets, BLOCK):
        sums = draw(kind, asked.clusters, sizes, correlation, min(BLOCK, sets - start), seed=start).sums()
        settled += int((flip_test(sums.score, FLIPS, 0) * tests <= 1 - LEVEL).sum())
    return f"| {moved} | {size} | {sizes} | {correlation} | {tests} | {asked.clusters} | {settled / sets:.2f} |"


def margin_table(sets: int) -> Iterator[str]:
    """Yields the clusters that are to show a level rival to be not worse, and the share of data sets that show it."""
    yield "| moved | margin | sizes | ICC | clusters needed | not worse |"
    yield "|---" * 6 + "|"
    for moved, margin in ((0.2, 0.1), (0.4, 0.1), (0.4, 0.2)):
        for sizes, questions, correlation in (("single", 1, 0.0), ("equal", 4, 0.2), ("equal", 4, 0.6)):
            pilot = assumed(moved, 0.0, questions=questions, correlation=correlation)
            asked = needed(pilot, margin)
            kind, shown = differences(1 - moved, 0.5), 0
            for start in range(0, sets, BLOCK if asked else sets):
                count = min(BLOCK, sets - start)
                low, _ = bounds(draw(kind, asked.clusters, sizes, correlation, count, seed=start), kind)
                shown += int((low > -margin).sum())
            yield f"| {moved} | {margin} | {sizes} | {correlation} | {asked.clusters} | {shown / sets:.2f} |"


def pilot_table(sets: int) -> Iterator[str]:
    """Yields what pilots say is needed to settle a difference of .1, and the power of that: the verdict's `about N`."""
    moved, size = 0.4, 0.1
    yield "| pilot | sizes | ICC | clusters needed | said: median (middle half) | power of it: median (middle half) |"
    yield "|---" * 6 + "|"
    kind = differences(1 - moved, (1 + size / moved) / 2)
    for sizes, questions, correlation in (("single", 1, 0.0), ("equal", 4, 0.2), ("equal", 4, 0.6)):
        true = assumed(moved, size, questions=questions, correlation=correlation)
        wanted = needed(true, size)
        for count in (10, 17, 30, 100):
            sums = draw(kind, count, sizes, correlation, sets).sums()
            spread = spread_of(sums)
            variances = np.asarray(spread.floor + spread.excess)[~np.asarray(spread.alike)] * count
            said = [needed(Pilot(float(one), questions, step=1.0), size) for one in variances]
            clusters = np.percentile([one.clusters for one in said], (25, 50, 75))
            reached = np.percentile([power(true, size, one.clusters) for one in said], (25, 50, 75))
            told = f"{clusters[1]:.0f} ({clusters[0]:.0f} to {clusters[2]:.0f})"
            power_of_it = f"{reached[1]:.2f} ({reached[0]:.2f} to {reached[2]:.2f})"
            yield f"| {count} clusters | {sizes} | {correlation} | {wanted.clusters} | {told} | {power_of_it} |"


def ratio_table(sets: int) -> Iterator[str]:
    """Yields coverage of ratios (of costs, of gains by what could be gained) and of slopes."""
    yield "| what | " + " | ".join(f"{count} clusters" for count in CLUSTERS) + " |"
    yield "|---" * (1 + len(CLUSTERS)) + "|"
    for name, make in (("ratio of costs", _costs), ("share of the possible gain", _gains), ("slope", _slopes)):
        found = []
        for count in CLUSTERS:
            random = np.random.default_rng([0, count])
            inside = given = 0
            for _ in range(sets):
                interval, true = make(random, count)
                given += interval.low is not None
                inside += interval.low is not None and interval.low <= true <= interval.high
            found.append(f"{inside / max(given, 1):.3f}" + ("" if given == sets else f" ({given / sets:.2f} bounded)"))
        yield f"| {name} | " + " | ".join(found) + " |"


def _clusters(random: np.random.Generator, count: int) -> tuple[np.ndarray, list[str]]:
    members = np.repeat(np.arange(count), random.integers(1, 13, count))
    return members, [str(one) for one in members]


def _costs(random: np.random.Generator, count: int):
    members, names = _clusters(random, count)
    length = np.exp(random.normal(8, 0.7, count))[members]
    own = 1500 + 200 * random.random(len(members))
    return ratio_interval(own, length, names), 1600 / np.exp(8 + 0.7**2 / 2)


def _gains(random: np.random.Generator, count: int):
    members, names = _clusters(random, count)
    possible = (random.random(len(members)) < shares(random, 0.3, (count,), 0.2)[members]).astype(float)
    had = possible * (random.random(len(members)) < shares(random, 0.5, (count,), 0.2)[members])
    return ratio_interval(had, possible, names), 0.5


def _slopes(random: np.random.Generator, count: int):
    members, names = _clusters(random, count)
    length = random.normal(14, 1.5, count)[members]
    score = 0.05 * length + 0.3 * random.normal(size=count)[members] + 0.3 * random.normal(size=len(members))
    return slope_interval(length, score, names), 0.05


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--sets", type=int, default=4000, help="data sets of each cell")
    sets = parser.parse_args().sets
    begun = time.perf_counter()
    for title, lines in (
        (f"Wrongly not worse by {MARGIN} / rightly, if level", decision_tables(sets)),
        ("Power", power_table(sets)),
        ("Power of decisions", margin_table(sets)),
        ("Power by a pilot", pilot_table(min(sets, 500))),
        ("Ratios and slopes", ratio_table(min(sets, 2000))),
    ):
        print(f"## {title}\n")
        for line in lines:
            print(line, flush=True)
        print()
    print(f"{sets:,} data sets a cell, {time.perf_counter() - begun:.0f} s, {platform.platform()}.")


if __name__ == "__main__":
    main()
