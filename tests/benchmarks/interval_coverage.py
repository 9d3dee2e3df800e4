"""How often the 95 % intervals of `ragvlc.statistics` contain the true mean, and how wide they are.

    .venv/bin/python tests/benchmarks/interval_coverage.py            (make coverage)
    .venv/bin/python tests/benchmarks/interval_coverage.py --sizes    clusters of other sizes

Prints a table for each distribution of scores, as in docs/statistics.md. Each entry is the share of simulated data sets
whose interval contains the true mean, in brackets that of the percentile bootstrap by cluster, which the product used
before, and the mean width by its width. Marks: * less than .922 (93 % less two Monte Carlo errors of 4,000 sets); !
more than 1.3 times as wide although the percentile interval covers .93 there.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

sys.path.insert(0, str(Path(__file__).parent))

from _simulated import Drawn, Kind, binary, differences, draw, graded, graded_differences

from ragvlc.statistics import FEW_CLUSTERS
from ragvlc.statistics._flips import flip_test
from ragvlc.statistics._scores import mean_bounds
from ragvlc.statistics._spread import spread_of
from ragvlc.statistics.differences import FLIPS, ruled_bounds

Floats = NDArray[np.float64]

CLUSTERS = (5, 8, 10, 17, 30, 100)
DESIGNS = (("single", 0.0), *((sizes, icc) for sizes in ("equal", "mixed") for icc in (0.0, 0.2, 0.6)))
OTHER_SIZES = ("2 each", "3 each", "5 each", "6 each", "8 each", "12 each", "log-normal", "one in five 20, else 2")
OTHER_DESIGNS = tuple((sizes, icc) for sizes in OTHER_SIZES for icc in (0.0, 0.2, 0.6))
KINDS = {
    kind.title: kind
    for kind in (
        *(binary(mean) for mean in (0.05, 0.2, 0.5, 0.9)),
        *(graded(mean, part) for mean, part in ((0.4, 0.5), (0.1, 0.4))),
        *(
            make(ties, better)
            for make in (differences, graded_differences)
            for ties in (0.0, 0.3, 0.9)
            for better in (0.7, 0.5)
        ),
    )
}
LEVEL = 0.95
LEAST = 0.922
GOOD, WIDE = 0.93, 1.3
BLOCK = 500
RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Cell:
    """What was found over the data sets of one combination.

    Attributes:
        kind: title of the distribution.
        clusters: number.
        sizes: of the clusters.
        correlation: within clusters.
        covered: share of the intervals that contain the true mean.
        before: the same of the percentile bootstrap.
        width: mean width.
        width_before: of the percentile bootstrap.
        width_exact: of Clopper and Pearson's interval at the effective number of questions, its correlation known; 0
            for scores that are not binary.
        width_own: the same at the effective number as estimated, or that of clusters where all scores are alike.
    """

    kind: str
    clusters: int
    sizes: str
    correlation: float
    covered: float
    before: float
    width: float
    width_before: float
    width_exact: float
    width_own: float

    @property
    def short(self) -> bool:
        """Whether it covers too rarely."""
        return self.covered < LEAST

    @property
    def wide(self) -> bool:
        """Whether it is too wide for what the percentile interval does."""
        return self.before >= GOOD and self.width > WIDE * self.width_before


def simulate(kind: Kind, clusters: int, sizes: str, correlation: float, sets: int) -> Cell:
    """Returns coverage and width over so many data sets."""
    drawn = draw(kind, clusters, sizes, correlation, sets)
    parts = []
    for start in range(0, sets, BLOCK):
        block = Drawn(drawn.scores[start : start + BLOCK], drawn.there[start : start + BLOCK])
        low, high = bounds(block, kind)
        low_before, high_before = percentile_bounds(block)
        exact, own = exact_widths(block, correlation) if kind.binary else (0 * low, 0 * low)
        parts.append((low, high, low_before, high_before, exact, own))
    low, high, low_before, high_before, exact, own = map(np.concatenate, zip(*parts, strict=True))
    covered, before = (_share(*ends, kind.mean) for ends in ((low, high), (low_before, high_before)))
    widths = (float(found.mean()) for found in (high - low, high_before - low_before, exact, own))
    return Cell(kind.title, clusters, sizes, correlation, covered, before, *widths)


def bounds(drawn: Drawn, kind: Kind) -> tuple[Floats, Floats]:
    """Returns the product's intervals."""
    sums = drawn.sums()
    if not kind.paired:
        return mean_bounds(sums, LEVEL)
    return ruled_bounds(sums, flip_test(sums.score, FLIPS, 0), LEVEL, FLIPS, 0)


def percentile_bounds(drawn: Drawn) -> tuple[Floats, Floats]:
    """Returns the percentile bootstrap by cluster, as the product gave it before."""
    clusters = drawn.there.shape[1]
    chosen = np.random.default_rng([0, 0]).integers(0, clusters, (RESAMPLES, clusters))
    times = np.zeros((RESAMPLES, clusters))
    np.add.at(times, (np.arange(RESAMPLES)[:, None], chosen), 1.0)
    means = (drawn.scores.sum(-1) @ times.T) / (drawn.sizes @ times.T)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=-1)
    return low, high


def exact_widths(drawn: Drawn, correlation: float) -> tuple[Floats, Floats]:
    """Returns widths of Clopper and Pearson's intervals at the true and at the estimated effective number."""
    sizes = drawn.sizes
    count = sizes.sum(-1)
    known = count**2 / (count + correlation * (sizes * (sizes - 1)).sum(-1))
    spread = spread_of(drawn.sums())
    own = np.where(spread.alike, sizes.shape[-1], spread.questions / spread.design_effect)
    share = drawn.scores.sum((-1, -2)) / count
    return _exact_width(share, known), _exact_width(share, own)


def _exact_width(share: Floats, number: Floats) -> Floats:
    right, tail = share * number, (1 - LEVEL) / 2
    wrong = number - right
    low = np.where(right > 1e-9, betaincinv(np.maximum(right, 1e-9), wrong + 1, tail), 0.0)
    high = np.where(wrong > 1e-9, betaincinv(right + 1, np.maximum(wrong, 1e-9), 1 - tail), 1.0)
    return high - low


def _share(low: Floats, high: Floats, mean: float) -> float:
    return float(((low <= mean + 1e-9) & (mean <= high + 1e-9)).mean())


def _one(job: tuple[str, int, str, float, int]) -> Cell:
    kind, *rest = job
    return simulate(KINDS[kind], *rest)


def run(jobs: Sequence[tuple[str, int, str, float, int]], workers: int) -> list[Cell]:
    """Returns the cells of the jobs, in their order."""
    if workers == 1:
        return [_one(job) for job in jobs]
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(_one, jobs, chunksize=8))


def table(cells: Sequence[Cell]) -> Iterator[str]:
    """Yields the lines of a table of the cells of one kind."""
    columns = sorted({cell.clusters for cell in cells})
    yield f"| {cells[0].kind} | " + " | ".join(f"{count} clusters" for count in columns) + " |"
    yield "|---" * (1 + len(columns)) + "|"
    found = {(cell.sizes, cell.correlation, cell.clusters): cell for cell in cells}
    for sizes, correlation in dict.fromkeys((cell.sizes, cell.correlation) for cell in cells):
        name = sizes if sizes == "single" else f"{sizes}, ICC {correlation:g}"
        yield f"| {name} | " + " | ".join(entry(found[sizes, correlation, count]) for count in columns) + " |"


def entry(cell: Cell) -> str:
    """Returns coverage, in brackets that of before, width by that of before, and marks."""
    marks = ("*" if cell.short else "") + ("!" if cell.wide else "")
    before = f"{cell.before:.2f}".removeprefix("0")
    return f"{_plain(cell.covered)} ({before}) {cell.width / cell.width_before:.2f}{marks and ' ' + marks}"


def summary(cells: Sequence[Cell]) -> Iterator[str]:
    """Yields what the cells with eight clusters or more have in common."""
    enough = [cell for cell in cells if cell.clusters >= FEW_CLUSTERS]
    yield f"{len(cells)} cells, {len(enough)} of them with {FEW_CLUSTERS} clusters or more. Of these:"
    for title in dict.fromkeys(cell.kind for cell in enough):
        own = [cell for cell in enough if cell.kind == title]
        least = min(own, key=lambda cell: cell.covered)
        before = min(cell.before for cell in own)
        words = f"- {title}: covers {_plain(least.covered)} at least ({_place(least)}), before {_plain(before)}"
        for name, attribute in (("true", "width_exact"), ("estimated", "width_own")):
            ratios = [(cell.width / getattr(cell, attribute), cell) for cell in own if getattr(cell, attribute)]
            if ratios:
                widest = max(ratios, key=lambda one: one[0])
                over = sum(ratio > 1.15 for ratio, _ in ratios)
                words += f"; width by Clopper and Pearson's at the {name} number "
                words += f"{np.mean([one for one, _ in ratios]):.2f} in the mean, {widest[0]:.2f} at most "
                words += f"({_place(widest[1])}), above 1.15 in {over} of {len(own)}"
        yield words + "."
    for name, chosen in (("cover less than .922", Cell.short), ("are too wide", Cell.wide)):
        marked = Counter(cell.kind for cell in enough if chosen.fget(cell))
        listed = "; ".join(f"{count} of {title}" for title, count in marked.items())
        yield f"- {marked.total()} of all {name}{': ' + listed if marked else ''}."


def _place(cell: Cell) -> str:
    return f"{cell.clusters} clusters, {cell.sizes}" + ("" if cell.sizes == "single" else f", ICC {cell.correlation:g}")


def _plain(share: float) -> str:
    return f"{share:.3f}".removeprefix("0")


def main() -> None:
    """Prints the tables and what they have in common."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--sets", type=int, default=4000, help="data sets of each cell")
    parser.add_argument("--sizes", action="store_true", help="other sizes of clusters")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    designs = OTHER_DESIGNS if chosen.sizes else DESIGNS
    jobs = [
        (kind, clusters, sizes, correlation, chosen.sets)
        for kind in KINDS
        for clusters in CLUSTERS
        for sizes, correlation in designs
    ]
    begun = time.perf_counter()
    cells = run(jobs, chosen.workers)
    for kind in KINDS:
        print("\n".join(table([cell for cell in cells if cell.kind == kind])), end="\n\n")
    print("\n".join(summary(cells)))
    seconds = time.perf_counter() - begun
    print(f"\n{chosen.sets:,} data sets a cell, {chosen.workers} processes, {seconds:.0f} s, {platform.platform()}.")


if __name__ == "__main__":
    main()
