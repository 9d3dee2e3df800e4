"""How often gains of routers, areas over random mixing, and effective lengths are right.

    .venv/bin/python tests/benchmarks/routing_and_length.py     (make coverage; under a minute)

First table: a router that chooses by chance between two routes whose means differ by so much. How far its gain over the
best single route is from the truth, if that route was chosen by the same questions, and if it was chosen on other
folds; how often the interval contains the truth (with the choice taken as given, and as the product joins it over the
routes chosen), and how often a gain is claimed though there is none. Second: how often the interval of the area over
random mixing contains the true one. Third: how often an effective length beyond the true one is claimed (at most 5 %),
and how often a loss from a length on that holds.
"""

from __future__ import annotations

import argparse
import math
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from _simulated import SIZES, Floats, differences, draw, shares
from interval_coverage import LEVEL, bounds

from ragvlc.statistics._clusters import add_up
from ragvlc.statistics._flips import flip_test
from ragvlc.statistics.cross_fitting import best_on_other_folds
from ragvlc.statistics.deferral import area_over_random
from ragvlc.statistics.differences import FLIPS, ruled_bounds
from ragvlc.statistics.few_clusters import FEW_CLUSTERS

MARGIN = 0.1
CLUSTERS = (10, 30, 100)
APART = (0.0, 0.02, 0.05, 0.1)
LENGTHS = (1, 2, 4, 8, 16)
LOSSES = {
    "at once": (0.1, 0.1, 0.1, 0.1),
    "after two lengths": (0.0, 0.0, 0.1, 0.2),
    "little by little": (0.03, 0.06, 0.1, 0.15),
    "only once": (0.0, 0.1, 0.0, 0.0),
}
"""True losses at the lengths after the shortest."""


def two_routes(clusters: int, apart: float, sets: int, correlation: float = 0.2) -> tuple[Floats, Floats]:
    """Returns binary scores of two routes, as sets, clusters and questions, and which questions there are."""
    random = np.random.default_rng([clusters, round(1000 * apart)])
    counts = SIZES["mixed"](random, (sets, clusters))
    there = np.arange(counts.max()) < counts[..., None]
    shape = (sets, clusters, int(counts.max()))
    hard, chance = random.random(shape), random.random((2, *shape))
    both = shares(random, 0.5, shape[:2], correlation)[..., None]
    found = []
    for place, lift in enumerate((0.0, -apart)):
        own = (both + shares(random, 0.5, shape[:2], correlation)[..., None]) / 2 + lift
        found.append(np.where(np.where(random.random(shape) < 0.6, hard, chance[place]) < own, 1.0, 0.0) * there)
    return np.stack(found), there.astype(np.float64)


def gains(clusters: int, apart: float, sets: int) -> dict[str, float]:
    """Returns errors of the gain of a router that chooses by chance, and how often its intervals are right."""
    scores, there = two_routes(clusters, apart, sets)
    random = np.random.default_rng([1, clusters, round(1000 * apart)])
    router = np.where(random.random(there.shape) < 0.5, *scores)
    chosen = np.zeros_like(scores)
    for place in range(sets):
        where = np.nonzero(there[place])
        ways = {name: list(scores[at, place][where]) for at, name in enumerate("ab")}
        for at, own in enumerate(best_on_other_folds(ways, [str(one) for one in where[0]], seed=place).values()):
            chosen[at, place][where] = own
    low, high, mean = _interval(router - (chosen * scores).sum(0), there)
    lowest, highest = low, high
    for at in range(2):
        low_one, high_one, _ = _interval(router - scores[at], there)
        used = chosen[at].max((-1, -2)) > 0
        lowest = np.where(used, np.minimum(lowest, low_one), lowest)
        highest = np.where(used, np.maximum(highest, high_one), highest)
    # The truth is the gain over the route that such a choice finds, so often as it finds it.
    total = there.sum((-1, -2))
    means = (scores.sum((1, 2, 3)) / total.sum()) if apart else np.full(2, 0.5)
    found = (chosen * there).sum((1, 2, 3)) / total.sum()
    truth = float(means.mean() - found @ means)
    best = scores.sum((-1, -2)).max(0) / total
    return {
        "same": float(((router * there).sum((-1, -2)) / total - best).mean()) - truth,
        "other": float(mean.mean()) - truth,
        "error": float(mean.std()) / math.sqrt(sets),
        "given": float(((low <= truth) & (truth <= high)).mean()),
        "joined": float(((lowest <= truth) & (truth <= highest)).mean()),
        "claimed": float((lowest > 0).mean()),
    }


def _interval(values: Floats, there: Floats) -> tuple[Floats, Floats, Floats]:
    sums = add_up(values * there, there, lambda what: what.sum(-1), (-2, -1))
    low, high = ruled_bounds(sums, flip_test(sums.score, FLIPS, 0), LEVEL, FLIPS, 0)
    return low, high, sums.mean


def area_coverage(clusters: int, skill: float, sets: int) -> float:
    """Returns how often the interval of the area over random mixing contains the true area, at equal cost."""
    truth = _area(np.random.default_rng(9), 20_000, skill)
    true_area = math.fsum(truth.differences) / len(truth.differences)
    random = np.random.default_rng([clusters, round(100 * skill)])
    inside = 0
    for _ in range(sets):
        found = _area(random, clusters, skill).difference()
        inside += found.low <= true_area <= found.high
    return inside / sets


def _area(random: np.random.Generator, clusters: int, skill: float):
    members = np.repeat(np.arange(clusters), random.integers(1, 13, clusters))
    lean = 0.3 * random.normal(size=clusters)[members] + random.normal(size=len(members))
    gain = np.sign(np.where(random.random(len(members)) < 0.5, 0.0, lean + 0.2))
    score = skill * lean + random.normal(size=len(members))
    length = np.exp(random.normal(0, 0.7, clusters))[members]
    names = [str(one) for one in members]
    return area_over_random(gain, score, names, steps=length, spans=length, extra=0.05 * np.ones_like(length))


def effective(losses: Sequence[float], clusters: int, sizes: str, sets: int) -> tuple[float, float]:
    """Returns how often a length beyond the true one is claimed, and how often a loss where there is none."""
    passed, lost = np.ones(sets, dtype=bool), np.ones(sets, dtype=bool)
    ends = []
    for place, loss in enumerate(losses):
        kind = differences(0.5, (1 - loss / 0.5) / 2)
        ends.append(bounds(draw(kind, clusters, sizes, 0.0 if sizes == "single" else 0.2, sets, seed=place), kind))
    bad = [loss >= MARGIN for loss in losses]
    too_long, too_short = np.zeros(sets, dtype=bool), np.zeros(sets, dtype=bool)
    for (low, _), is_bad in zip(ends, np.logical_or.accumulate(bad), strict=True):
        passed &= low > -MARGIN
        too_long |= passed & is_bad
    for (_, high), loss in zip(reversed(ends), reversed(losses), strict=True):
        lost &= high < -MARGIN
        too_short |= lost & (loss <= MARGIN)
    return float(too_long.mean()), float(too_short.mean())


def gain_table(sets: int) -> Iterator[str]:
    """Yields the table of gains."""
    yield "| clusters | routes apart | same questions | other folds | choice given | joined | gain claimed |"
    yield "|---" * 7 + "|"
    for clusters in CLUSTERS:
        for apart in APART:
            one = gains(clusters, apart, sets)
            yield (
                f"| {clusters} | {apart:g} | {one['same']:+.3f} | {one['other']:+.3f} (± {2 * one['error']:.3f}) | "
                f"{one['given']:.3f} | {one['joined']:.3f} | {one['claimed']:.3f} |"
            )


def area_table(sets: int) -> Iterator[str]:
    """Yields the table of areas."""
    yield "| router | " + " | ".join(f"{count} clusters" for count in CLUSTERS) + " |"
    yield "|---" * (1 + len(CLUSTERS)) + "|"
    for name, skill in (("by chance", 0.0), ("good", 1.0)):
        yield f"| {name} | " + " | ".join(f"{area_coverage(count, skill, sets):.3f}" for count in CLUSTERS) + " |"


def length_table(sets: int) -> Iterator[str]:
    """Yields the table of effective lengths, and the largest share of wrong ones."""
    worst = 0.0
    yield "| loss | " + " | ".join(f"{count} clusters" for count in (FEW_CLUSTERS, *CLUSTERS)) + " |"
    yield "|---" * (2 + len(CLUSTERS)) + "|"
    for name, losses in LOSSES.items():
        for sizes in ("single", "mixed"):
            found = [effective(losses, count, sizes, sets) for count in (FEW_CLUSTERS, *CLUSTERS)]
            worst = max([worst, *(max(pair) for pair in found)])
            cells = (f"{too_long:.3f} / {too_short:.3f}" for too_long, too_short in found)
            yield f"| {name}, {sizes} | " + " | ".join(cells) + " |"
    yield ""
    yield f"Wrong: {worst:.3f} at most."


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--sets", type=int, default=1000, help="data sets of each cell")
    sets = parser.parse_args().sets
    begun = time.perf_counter()
    for title, lines in (
        ("Gain over the best single route", gain_table(sets)),
        ("Area over random mixing", area_table(sets // 2)),
        (f"Effective length at a margin of {MARGIN}: too long / lost too early", length_table(2 * sets)),
    ):
        print(f"## {title}\n")
        for line in lines:
            print(line, flush=True)
        print()
    print(f"{sets:,} data sets a cell, {time.perf_counter() - begun:.0f} s, {platform.platform()}.")


if __name__ == "__main__":
    main()
