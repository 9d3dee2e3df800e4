"""How often a race drops the truly best cell, and what share of the grid it asks.

    .venv/bin/python tests/benchmarks/races.py     (make coverage)

All cells but the first are lower by the difference; the standard deviation of differences of cluster means is .25. For
`target: grid` the best cell is the one that has the best mean over all questions, for `population` it is the first. A
cell is dropped wrongly at any look up to the end. In the last table cells are within a margin of each other, or the
cheapest is worse by just that margin.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ragvlc.statistics.races import RaceProcesses, Target, size_order

SPREAD = 0.25
MEAN = 0.7
DIFFERENCES = (0.0, 0.05, 0.1, 0.2)
CLUSTERS = (20, 60, 150)
CELLS = (6, 36)
LOOKS = 20


@dataclass(frozen=True)
class Found:
    """Shares over simulated races: best cell dropped, grid asked, and candidate declared as good as any."""

    wrong: float
    asked: float
    declared: float = 0.0


def scores(random: np.random.Generator, means: np.ndarray, sweeps: int, clusters: int) -> np.ndarray:
    """Returns cluster means of scores by sweep, cluster and cell: beta distributed, independent of each other."""
    size = means * (1 - means) / (SPREAD**2 / 2) - 1
    return random.beta(means * size, (1 - means) * size, (sweeps, clusters, len(means)))


def simulate(
    cells: int,
    clusters: int,
    difference: float,
    *,
    sweeps: int = 2000,
    sizes: str = "equal",
    target: Target = "grid",
    margin: float = 0.0,
    lead: float = 0.0,
    seed: int = 0,
) -> Found:
    """Returns how races of one kind went.

    Args:
        cells: of a sweep.
        clusters: of its questions.
        difference: by which all cells but the first are lower.
        sweeps: simulated.
        sizes: of clusters: `equal`, or `mixed` from 1 to 12 questions.
        target: of the race.
        margin: of the race; the candidate is then the last cell.
        lead: by which the last cell is lower still.
        seed: of the draws.
    """
    batch = max(1, 200_000 // (cells * cells))
    totals = np.zeros(3)
    for start in range(0, sweeps, batch):
        random = np.random.default_rng([seed, start, cells, clusters])
        means = np.r_[MEAN, np.full(cells - 1, MEAN - difference)]
        means[-1] -= lead
        count = min(batch, sweeps - start)
        drawn = scores(random, means, count, clusters)
        counts = random.integers(1, 13, (count, clusters)) if sizes == "mixed" else np.ones((count, clusters))
        if target == "grid" and sizes == "mixed":  # the race draws in proportion to size
            order = np.argsort(size_order(random.random(counts.shape), counts), axis=1)
            counts = np.take_along_axis(counts, order, 1)
            drawn = np.take_along_axis(drawn, order[:, :, None], 1)
        totals += _races(drawn, counts.astype(float), target, margin)
    return Found(*(float(one) for one in totals / sweeps))


def _races(drawn: np.ndarray, counts: np.ndarray, target: Target, margin: float) -> np.ndarray:
    races, clusters, cells = drawn.shape
    weights = counts / counts.max(1, keepdims=True)
    sums = drawn * weights[:, :, None]
    full = sums.sum(1)
    best = full.argmax(1) if target == "grid" else np.zeros(races, dtype=int)
    race = RaceProcesses(cells, clusters, weights.sum(1), target=target, margin=margin)
    asked, block = np.zeros(races), max(1, clusters // LOOKS)
    over, declared = np.zeros(races, dtype=bool), np.zeros(races, dtype=bool)
    wrong = np.zeros(races, dtype=bool)
    for start in range(0, clusters, block):
        size = np.zeros(races)
        for place in range(start, min(clusters, start + block)):
            race.add(sums[:, place], weights[:, place])
            size += weights[:, place]
        asked += np.where(over, 0.0, size * race.alive.sum(1))
        lost = race.look() & ~over[:, None]
        wrong |= lost[np.arange(races), best]
        if margin:
            named = race.equivalent(np.full(races, cells - 1)) & race.alive[:, -1] & ~over
            declared |= named & (race.alive.sum(1) > 1)
            over |= named
        over |= race.alive.sum(1) == 1
        if over.all():
            break
    return np.array([wrong.sum(), (asked / weights.sum(1) / cells).sum(), declared.sum()])


def table(sweeps: int, target: Target, sizes: str) -> Iterator[str]:
    """Yields the rows of a table: best cell dropped / share of the grid asked."""
    yield "| cells | clusters | " + " | ".join(f"{one:g} apart" for one in DIFFERENCES) + " |"
    yield "|---" * (2 + len(DIFFERENCES)) + "|"
    for cells in CELLS:
        for clusters in CLUSTERS:
            found = [simulate(cells, clusters, one, sweeps=sweeps, sizes=sizes, target=target) for one in DIFFERENCES]
            entries = [f"{one.wrong:.3f} / {one.asked:.2f}{' *' if one.wrong > 0.05 else ''}" for one in found]
            yield f"| {cells} | {clusters} | " + " | ".join(entries) + " |"


def margin_table(sweeps: int) -> Iterator[str]:
    """Yields how often the cheapest cell is declared to be as good as any within a margin of .1."""
    yield "| cells | clusters | level: declared / asked | worse by the margin: wrongly declared / asked |"
    yield "|---|---|---|---|"
    for cells in CELLS:
        for clusters in CLUSTERS:
            level = simulate(cells, clusters, 0.0, sweeps=sweeps, margin=0.1, target="population")
            worse = simulate(cells, clusters, 0.0, sweeps=sweeps, margin=0.1, lead=0.1, target="population")
            entries = [f"{one.declared:.3f} / {one.asked:.2f}" for one in (level, worse)]
            yield f"| {cells} | {clusters} | " + " | ".join(entries) + " |"


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--sweeps", type=int, default=2000, help="simulated sweeps of each entry")
    sweeps = parser.parse_args().sweeps
    begun = time.perf_counter()
    targets: tuple[Target, ...] = ("grid", "population")
    for target in targets:
        for sizes in ("equal", "mixed"):
            print(f"## {target}, {sizes} sizes: best cell dropped / share of the grid asked\n")
            for line in table(sweeps, target, sizes):
                print(line, flush=True)
            print()
    print("## Margin of 0.1, population, equal sizes\n")
    for line in margin_table(sweeps):
        print(line, flush=True)
    print(f"\n{sweeps:,} sweeps an entry, {time.perf_counter() - begun:.0f} s, {platform.platform()}.")


if __name__ == "__main__":
    main()
