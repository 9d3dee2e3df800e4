"""Intervals, paired differences and corrections for results where questions share documents.

Everything resamples clusters, not questions: questions over one document stand or fall together, and treating them as
independent makes intervals too narrow (Cameron, Gelbach and Miller 2008). With few clusters, say below 20, percentile
intervals are still somewhat too narrow; the number of clusters is always returned beside them.

Rows whose cluster is the empty string are clusters of their own. Equal input and seed give equal output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Difference", "Interval", "holm", "mean_interval", "paired_difference"]

_BLOCK = 2_000_000
"""Random draws held in memory at once."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over questions and its bounds.

    Attributes:
        mean: None without any value.
        low: lower bound; None with fewer than two clusters.
        high: upper bound; None with fewer than two clusters.
        n: questions with a value.
        clusters: clusters among them.
    """

    mean: float | None
    low: float | None
    high: float | None
    n: int
    clusters: int


@dataclass(frozen=True, slots=True)
class Difference:
    """How a does against b on the questions that both have.

    Attributes:
        mean: of a minus b; None without any pair.
        low: lower bound of the mean; None with fewer than two clusters.
        high: upper bound of the mean; None with fewer than two clusters.
        p: two-sided probability of a mean at least this far from 0 if a and b were exchangeable within each cluster;
            None with fewer than two clusters.
        n: pairs.
        clusters: clusters among them.
        better: share of pairs where a is above b.
        worse: share of pairs where a is below b.
        equal: share of pairs where they are equal.
    """

    mean: float | None
    low: float | None
    high: float | None
    p: float | None
    n: int
    clusters: int
    better: float
    worse: float
    equal: float


def mean_interval(
    values: Sequence[float | None],
    clusters: Sequence[str],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Returns the mean of `values` with a percentile bootstrap interval over clusters.

    Clusters are drawn with replacement, as many as there are; the mean of a resample is over all its questions, so a
    cluster weighs as many as it has.

    Args:
        values: one score a question; None where the metric does not apply is left out.
        clusters: cluster of each question.
        level: coverage aimed at, between 0 and 1.
        resamples: bootstrap samples.
        seed: of the draws.

    Raises:
        ValueError: lengths differ, a value is not finite, or level or resamples are out of range.
    """
    _check(level, resamples)
    kept = [(float(value), name) for value, name in zip(values, clusters, strict=True) if value is not None]
    if not kept:
        return Interval(None, None, None, 0, 0)
    sums, counts = _by_cluster([value for value, _ in kept], [name for _, name in kept])
    mean = float(sums.sum() / counts.sum())
    low, high = _bounds(sums, counts, level, resamples, seed)
    return Interval(mean, low, high, len(kept), len(sums))


def paired_difference(
    a: Mapping[str, float | None],
    b: Mapping[str, float | None],
    clusters: Mapping[str, str],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Difference:
    """Returns how the scores `a` differ from the scores `b` over the questions where both have one.

    The interval is that of `mean_interval`. The p-value is of a permutation test that flips the sign of all differences
    of a cluster together: exact if all flips are at most `resamples`, else (1 + flips as extreme) / (1 + `resamples`).

    Args:
        a: score by example id.
        b: score by example id.
        clusters: cluster by example id.
        level: coverage aimed at, between 0 and 1.
        resamples: bootstrap samples, and random flips.
        seed: of the draws.

    Raises:
        ValueError: a paired question has no cluster, a score is not finite, or level or resamples are out of range.
    """
    _check(level, resamples)
    pairs = {name: (one, two) for name, one in a.items() if one is not None and (two := b.get(name)) is not None}
    if missing := [name for name in pairs if name not in clusters]:
        message = f"clusters lacks example '{missing[0]}' (and {len(missing) - 1} more); give each example's cluster."
        raise ValueError(message)
    if not pairs:
        return Difference(None, None, None, None, 0, 0, 0.0, 0.0, 0.0)
    n = len(pairs)
    sums, counts = _by_cluster([one - two for one, two in pairs.values()], [clusters[name] for name in pairs])
    low, high = _bounds(sums, counts, level, resamples, seed)
    better = sum(one > two for one, two in pairs.values()) / n
    worse = sum(one < two for one, two in pairs.values()) / n
    equal = sum(one == two for one, two in pairs.values()) / n
    p = _flip_test(sums, resamples, seed)
    return Difference(float(sums.sum() / n), low, high, p, n, len(sums), better, worse, equal)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Returns the p-values corrected for being several, by Holm's step-down rule (1979), in the order given.

    None stays None and does not count as a test.
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        corrected[place] = largest
    return corrected


def _check(level: float, resamples: int) -> None:
    if not 0 < level < 1 or resamples < 1:
        message = f"level must be between 0 and 1 and resamples at least 1; got level={level}, resamples={resamples}."
        raise ValueError(message)


def _by_cluster(values: Sequence[float], names: Sequence[str]) -> tuple[Floats, Floats]:
    """Returns sum and number of values of each cluster, clusters in order of first appearance."""
    import numpy as np

    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        message = "a score is not a finite number; use None where a metric does not apply."
        raise ValueError(message)
    places: dict[object, int] = {}
    members = [places.setdefault(name or row, len(places)) for row, name in enumerate(names)]
    sums: Floats = np.bincount(members, weights=array).astype(np.float64)
    return sums, np.bincount(members).astype(np.float64)


def _bounds(
    sums: Floats, counts: Floats, level: float, resamples: int, seed: int
) -> tuple[float, float] | tuple[None, None]:
    import numpy as np

    if len(sums) < 2:
        return None, None
    random = np.random.default_rng([seed, 0])

    def means(rows: int) -> Floats:
        drawn = random.integers(0, len(sums), (rows, len(sums)), dtype=np.int32)
        return np.asarray(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))

    found = _in_blocks(means, resamples, len(sums))
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _flip_test(sums: Floats, resamples: int, seed: int) -> float | None:
    import numpy as np

    clusters = len(sums)
    if clusters < 2:
        return None
    random = np.random.default_rng([seed, 1])
    exact = clusters < 63 and 2**clusters <= resamples

    def totals(bits: NDArray[np.int8]) -> Floats:
        return np.asarray(np.abs(2 * (bits.astype(np.float64) @ sums) - sums.sum()))

    if exact:
        flips = (np.arange(2**clusters)[:, None] >> np.arange(clusters) & 1).astype(np.int8)
        found = totals(flips)
    else:
        found = _in_blocks(lambda rows: totals(random.integers(0, 2, (rows, clusters), np.int8)), resamples, clusters)
    # Equal totals summed in another order differ in the last digits: they are as extreme.
    extreme = int((found >= abs(sums.sum()) - 1e-9 * np.abs(sums).sum()).sum())
    return extreme / len(found) if exact else (1 + extreme) / (1 + resamples)


def _in_blocks(draw: Callable[[int], Floats], rows: int, width: int) -> Floats:
    """Returns `draw(rows)` in blocks that keep memory bounded."""
    import numpy as np

    return np.concatenate([draw(size) for size in _sizes(rows, max(1, _BLOCK // width))])


def _sizes(total: int, largest: int) -> Iterator[int]:
    for start in range(0, total, largest):
        yield min(largest, total - start)
