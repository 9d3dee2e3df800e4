"""Paired differences between two ways of answering the same questions.

One rule: the interval is for one comparison, and contains 0 exactly when the p of its own test is above 1 - level. The
score interval and the sign-flip test nearly always agree. Where they do not, the interval is joined with 0, or its end
next to 0 is that of the inverted test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ragvlc.statistics._clusters import Sums, by_cluster
from ragvlc.statistics._flips import end_next_to_zero, flip_test
from ragvlc.statistics._scores import signed_bounds
from ragvlc.statistics.few_clusters import FromClusters
from ragvlc.statistics.intervals import check_level

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "FLIPS",
    "Difference",
    "PairedSample",
    "flips_for",
    "paired_difference",
    "pairs_of",
    "ruled_bounds",
    "smallest_p",
]

FLIPS = 2000
MOST_FLIPS = 20_000


@dataclass(frozen=True, slots=True)
class Difference(FromClusters):
    """Comparison of the scores `a` and `b`, on the questions that have both scores.

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


@dataclass(frozen=True)
class PairedSample:
    """Score differences of paired questions, from which intervals at several levels are computed.

    Attributes:
        differences: a minus b, by question.
        names: cluster of each.
        flips: random sign flips of the test.
        seed: of the flips.
    """

    differences: tuple[float, ...]
    names: tuple[str, ...]
    flips: int = FLIPS
    seed: int = 0

    @cached_property
    def sums(self) -> Sums:
        """The sums of the differences, by cluster."""
        return by_cluster(self.differences, self.names)

    @cached_property
    def p(self) -> float | None:
        """The p-value of the sign-flip test; None with fewer than two clusters."""
        if not self.differences or self.sums.clusters < 2:
            return None
        return float(flip_test(self.sums.score, self.flips, self.seed))

    def bounds(self, level: float) -> tuple[float, float] | tuple[None, None]:
        """Returns the lower and upper bound of the mean difference; both are None with fewer than two clusters."""
        if self.p is None:
            return None, None
        low, high = ruled_bounds(self.sums, self.p, level, self.flips, self.seed)
        return float(low), float(high)

    def difference(self, level: float = 0.95) -> Difference:
        """Returns the mean difference with its interval and p-value, and the shares of wins and losses."""
        n = len(self.differences)
        if not n:
            return Difference(None, None, None, None, 0, 0, 0.0, 0.0, 0.0)
        better, worse, equal = self._shares()
        low, high = self.bounds(level)
        return Difference(float(self.sums.mean), low, high, self.p, n, self.sums.clusters, better, worse, equal)

    def _shares(self) -> tuple[float, float, float]:
        """Returns the shares of differences above, below and equal to 0."""
        import numpy as np

        signs = np.sign(np.asarray(self.differences, dtype=np.float64))
        return float((signs > 0).mean()), float((signs < 0).mean()), float((signs == 0).mean())


def paired_difference(
    a: Mapping[str, float | None],
    b: Mapping[str, float | None],
    clusters: Mapping[str, str],
    *,
    level: float = 0.95,
    flips: int = FLIPS,
    seed: int = 0,
) -> Difference:
    """Returns the mean difference of the scores `a` and `b`, with interval and p-value, over questions with both.

    The p-value is of a permutation test that flips the sign of all differences of a cluster together: exact if all
    flips are at most `flips`, else (1 + flips as extreme) / (1 + `flips`). The interval contains 0 exactly when p is
    above 1 - level.

    Args:
        a: score by example id.
        b: score by example id.
        clusters: cluster by example id.
        level: coverage aimed at, between 0 and 1.
        flips: random flips.
        seed: of the flips.

    Raises:
        ValueError: a paired question has no cluster, a score is not finite, or level or flips are out of range.
    """
    check_level(level)
    if flips < 1:
        message = f"flips must be at least 1; got {flips}."
        raise ValueError(message)
    return pairs_of(a, b, clusters, flips=flips, seed=seed).difference(level)


def flips_for(tests: int) -> int:
    """Returns how many random flips to draw where Holm corrects for `tests` tests.

    The smallest p-value is 1 / (1 + flips): with 2,000 flips Holm could settle nothing among more than a hundred tests.
    """
    return min(MOST_FLIPS, max(FLIPS, 200 * tests))


def smallest_p(clusters: int, tests: int = 1) -> float:
    """Returns the smallest p-value that the sign-flip test can give; 1 for fewer than two clusters.

    Of K clusters all flips are 2^K, of which two are as extreme as what was seen; of random flips there may be none.

    Args:
        clusters: number.
        tests: that Holm corrects for, which decides how many flips are drawn.
    """
    return 1.0 if clusters < 2 else max(2.0 ** (1 - clusters), 1 / (1 + flips_for(tests)))


def pairs_of(
    a: Mapping[str, float | None],
    b: Mapping[str, float | None],
    clusters: Mapping[str, str],
    *,
    flips: int = FLIPS,
    seed: int = 0,
) -> PairedSample:
    """Returns the score differences, `a` minus `b`, of the questions where both have a score.

    Raises:
        ValueError: a paired question has no cluster.
    """
    pairs = {name: one - two for name, one in a.items() if one is not None and (two := b.get(name)) is not None}
    if not pairs.keys() <= clusters.keys():
        missing = [name for name in pairs if name not in clusters]
        message = f"clusters lacks example '{missing[0]}' (and {len(missing) - 1} more); give each example's cluster."
        raise ValueError(message)
    return PairedSample(tuple(pairs.values()), tuple(map(clusters.__getitem__, pairs)), flips, seed)


def ruled_bounds(sums: Sums, p: float | Floats, level: float, flips: int, seed: int) -> tuple[Floats, Floats]:
    """Returns the score interval of a mean difference, adjusted to contain 0 exactly if `p` is not significant."""
    import numpy as np

    low, high = signed_bounds(sums, level)
    mean, alpha = sums.mean, 1 - level
    low, high = np.minimum(low, mean), np.maximum(high, mean)
    apart = np.asarray(p) <= alpha + 1e-12
    against = np.atleast_1d(apart & (low <= 0) & (high >= 0))
    low, high = np.where(apart, low, np.minimum(low, 0.0)), np.where(apart, high, np.maximum(high, 0.0))
    if not against.any():
        return low, high
    lows, highs, means = np.atleast_1d(low), np.atleast_1d(high), np.atleast_1d(mean)
    scores, weights = np.atleast_2d(sums.score), np.atleast_2d(sums.weight)
    for place in np.flatnonzero(against):
        end = end_next_to_zero(scores[place], weights[place], flips, seed, alpha)
        ends = lows if means[place] > 0 else highs
        ends[place] = end
    return lows.reshape(low.shape), highs.reshape(high.shape)
