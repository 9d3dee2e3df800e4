"""How often the interval of a rank correlation has the true one: this project's, and a percentile bootstrap's.

    python tests/benchmarks/ranking_coverage.py [--sets 200]

Six ways with known expected scores answer two sets of questions over the same documents, which differ in which ways
suit them. The bootstrap draws documents with replacement, both sets together.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from ragvlc.statistics.rankings import ScoredSet, rank_agreement

Floats = NDArray[np.float64]
SPREAD = np.linspace(0.3, 0.8, 6)
NEAR = np.linspace(0.5, 0.6, 6)
CASES = {
    "same order, far apart": (SPREAD, SPREAD),
    "same order, nearly equal": (NEAR, NEAR),
    "three pairs swapped": (SPREAD, SPREAD[[1, 0, 3, 2, 5, 4]]),
    "unrelated": (SPREAD, SPREAD[[5, 0, 2, 3, 4, 1]]),
    "reversed": (SPREAD, SPREAD[::-1]),
}
LEFT, RIGHT = np.triu_indices(6, 1)


def drawn(rng: np.random.Generator, means: Floats, suits: Floats, questions: int) -> tuple[Floats, NDArray[np.int64]]:
    """Returns scores, one row a question, and the document of each."""
    documents = rng.integers(0, len(suits), questions)
    chance = means + suits[documents] + rng.normal(0, 0.25, questions)[:, None]
    shared, own = rng.random((questions, 1)), rng.random((questions, 6))
    luck = np.where(rng.random((questions, 6)) < 0.5, shared, own)
    return (luck < chance).astype(np.float64), documents


def scored(scores: Floats, documents: NDArray[np.int64]) -> ScoredSet:
    """Returns the same as this project takes it."""
    ways = {f"w{way}": {str(n): float(value) for n, value in enumerate(scores[:, way])} for way in range(6)}
    return ScoredSet(ways, {str(n): f"d{one}" for n, one in enumerate(documents)})


def correlations(first: Floats, second: Floats) -> Floats:
    """Returns Kendall's correlation of means, one row a data set."""
    found: Floats = (np.sign(first[:, LEFT] - first[:, RIGHT]) * np.sign(second[:, LEFT] - second[:, RIGHT])).mean(1)
    return found


def bootstrap(rng: np.random.Generator, sets: list[tuple[Floats, NDArray[np.int64]]], documents: int) -> Floats:
    """Returns the percentile interval over documents."""
    weights = rng.multinomial(documents, np.full(documents, 1 / documents), 400)
    means = []
    for scores, places in sets:
        sums = np.zeros((documents, 6))
        np.add.at(sums, places, scores)
        means.append(weights @ sums)
    found: Floats = np.quantile(correlations(*means), [0.025, 0.975])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sets", type=int, default=200)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    for documents, questions in ((12, 100), (40, 100), (40, 400)):
        for name, (first, second) in CASES.items():
            true = correlations(first[None], second[None])[0]
            covered, resampled, widths, outcomes = 0, 0, [], Counter[str]()
            for _ in range(given.sets):
                suits = rng.normal(0, 0.08, (documents, 6))
                sets = [drawn(rng, means, suits, questions) for means in (first, second)]
                found = rank_agreement(scored(*sets[0]), scored(*sets[1]), flips=2000)
                low, high = found.kendall_bounds
                covered += low - 1e-9 <= true <= high + 1e-9
                widths.append(high - low)
                outcomes[found.outcome.value] += 1
                low, high = bootstrap(rng, sets, documents)
                resampled += low - 1e-9 <= true <= high + 1e-9
            sys.stdout.write(
                f"{documents} documents, {questions} questions each, {name} (true {true:+.2f}): covered "
                f"{covered / given.sets:.3f}, bootstrap {resampled / given.sets:.3f}, width {np.mean(widths):.2f}, "
                f"{dict(outcomes)}\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
