"""Power analysis: the number of clusters needed to detect a difference, and the smallest detectable difference.

The mean difference over K clusters has a variance of V / K; V comes from a pilot (the questions asked so far) or from
assumptions. Power is that of Student's t, from the noncentral t distribution, at alpha divided by the number of tests,
as Holm's first step does. The sign-flip test asks for a little more: it measures the mean by variances around 0, not
around the mean, so that its limit is at least z / root(1 - z^2 / K); where differences are -1, 0 or 1 the mean moves in
steps, of which half is lost; and below so many clusters that flipping all signs has a p of alpha it finds nothing.

Further questions are taken to be like those of the pilot: as many in a document, as alike within it. A pilot of few
clusters knows V poorly, so the number is an order of magnitude.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ragvlc.statistics._spread import spread_of
from ragvlc.statistics.differences import PairedSample
from ragvlc.statistics.few_clusters import FEW_CLUSTERS
from ragvlc.statistics.intervals import check_level

__all__ = [
    "Needed",
    "Pilot",
    "assumed",
    "assumed_deviation",
    "least_clusters",
    "needed",
    "needed_for_margin",
    "pilot_of",
    "power",
    "smallest",
]

MOST_CLUSTERS = 10_000_000


@dataclass(frozen=True, slots=True)
class Pilot:
    """Variance and size of clusters for a power analysis, from a pilot run or from assumptions.

    Attributes:
        variance: of the mean difference over K clusters, times K.
        questions: of a cluster, mean.
        freedom: degrees of freedom of a variance between clusters, by their number less one; below 1 where clusters are
            unequal.
        step: half of what flipping one question's difference changes the sum by; 0 of graded scores.
    """

    variance: float
    questions: float
    freedom: float = 1.0
    step: float = 0.0


@dataclass(frozen=True, slots=True)
class Needed:
    """The numbers of clusters and questions needed to detect a difference.

    Attributes:
        clusters: number.
        questions: over all clusters.
    """

    clusters: int
    questions: int


def pilot_of(pairs: PairedSample) -> Pilot | None:
    """Returns a pilot estimated from paired questions; None for fewer than two clusters or equal differences."""
    sums = pairs.sums
    if sums.clusters < 2:
        return None
    spread = spread_of(sums)
    if bool(spread.alike):
        return None
    variance = float(spread.floor + spread.excess) * sums.clusters
    freedom = float(spread.freedom) / (sums.clusters - 1)
    step = float(all(abs(one) in {0.0, 1.0} for one in pairs.differences))
    return Pilot(variance, len(pairs.differences) / sums.clusters, min(1.0, freedom), step)


def assumed(moved: float, size: float, *, questions: float = 1.0, correlation: float = 0.0) -> Pilot:
    """Returns an assumed pilot for binary scores.

    Args:
        moved: share of questions that only one of the two answers right.
        size: of the mean difference, at most `moved`.
        questions: of a cluster.
        correlation: of the differences within a cluster, from 0 to 1.

    Raises:
        ValueError: a value is out of range.
    """
    if not (abs(size) <= moved <= 1 and questions >= 1 and 0 <= correlation <= 1):
        message = (
            "assume a share of moved questions from the size of the difference up to 1, at least one question a "
            f"cluster and a correlation from 0 to 1; got {moved=}, {size=}, {questions=}, {correlation=}."
        )
        raise ValueError(message)
    return Pilot((moved - size * size) * (1 + (questions - 1) * correlation) / questions, questions, step=1.0)


def assumed_deviation(deviation: float, *, questions: float = 1.0, correlation: float = 0.0) -> Pilot:
    """Returns an assumed pilot for any scores, from the standard deviation of a question's difference.

    Args:
        deviation: of the paired differences.
        questions: of a cluster.
        correlation: of the differences within a cluster, from 0 to 1.

    Raises:
        ValueError: a value is out of range.
    """
    if not (0 < deviation < math.inf and 1 <= questions < math.inf and 0 <= correlation <= 1):
        message = (
            "assume a standard deviation above 0, at least one question a cluster and a correlation from 0 to 1; got "
            f"{deviation=}, {questions=}, {correlation=}."
        )
        raise ValueError(message)
    return Pilot(deviation**2 * (1 + (questions - 1) * correlation) / questions, questions)


def power(pilot: Pilot, size: float, clusters: int, *, tests: int = 1, level: float = 0.95) -> float:
    """Returns the probability that a test over `clusters` clusters detects a true difference of `size`.

    Args:
        pilot: what differences are like.
        size: of the true mean difference.
        clusters: that are asked over.
        tests: comparisons that Holm corrects for.
        level: of one test, 1 - alpha.

    Raises:
        ValueError: the level or the number of tests is out of range.
    """
    from scipy.special import nctdtr, ndtri, stdtrit

    check_level(level)
    if clusters < least_clusters(tests, level=level):
        return 0.0
    freedom = max(1.0, pilot.freedom * (clusters - 1))
    tail = 1 - (1 - level) / tests / 2
    normal = float(ndtri(tail))
    if normal**2 >= clusters:
        return 0.0
    limit = max(float(stdtrit(freedom, tail)), normal / math.sqrt(1 - normal**2 / clusters))
    seen = max(0.0, abs(size) - pilot.step / (clusters * pilot.questions))
    away = seen / math.sqrt(pilot.variance / clusters)
    if away > limit + 8:  # far beyond doubt, where the noncentral t overflows
        return 1.0
    return float(1 - nctdtr(freedom, away, limit) + nctdtr(freedom, away, -limit))


def needed(pilot: Pilot, size: float, *, aim: float = 0.8, tests: int = 1, level: float = 0.95) -> Needed | None:
    """Returns the smallest number of clusters that detects a true difference of `size` with a power of `aim`.

    None where it would take ten million clusters or more.

    Raises:
        ValueError: the aim, the level or the number of tests is out of range.
    """
    if not 0 < aim < 1:
        message = f"aim must be between 0 and 1; got {aim}."
        raise ValueError(message)
    low = least_clusters(tests, level=level) - 1
    high = max(2, 2 * low)
    while power(pilot, size, high, tests=tests, level=level) < aim:
        low, high = high, 2 * high
        if low > MOST_CLUSTERS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if power(pilot, size, middle, tests=tests, level=level) < aim:
            low = middle
        else:
            high = middle
    return Needed(high, math.ceil(high * pilot.questions))


def needed_for_margin(
    pairs: PairedSample, margin: float, *, aim: float = 0.8, tests: int = 1, level: float = 0.95
) -> Needed | None:
    """Returns the smallest numbers that show a level rival to be not worse by `margin`, with a power of `aim`.

    Where all differences so far are equal, the number of clusters whose being alike excludes the margin. None for fewer
    than two clusters, and where it would take ten million clusters or more.

    Raises:
        ValueError: the aim, the level or the number of tests is out of range.
    """
    if pairs.p is None:
        return None
    clusters = pairs.sums.clusters
    pilot = pilot_of(pairs)
    if pilot is None:
        if margin >= 1:
            return None
        count = math.ceil(math.log((1 - level) / tests / 2) / math.log(1 - margin))
        found = Needed(count, math.ceil(count * len(pairs.differences) / clusters))
    else:
        asked = needed(pilot, margin, aim=aim, tests=tests, level=level)
        if asked is None:
            return None
        found = asked
    count = max(found.clusters, FEW_CLUSTERS)
    return Needed(count, max(found.questions, math.ceil(count * len(pairs.differences) / clusters)))


def smallest(pilot: Pilot, clusters: int, *, aim: float = 0.8, tests: int = 1, level: float = 0.95) -> float | None:
    """Returns the smallest true difference that `clusters` clusters detect with a power of `aim`, or None.

    None means that so few clusters detect no difference at all.

    Raises:
        ValueError: the level or the number of tests is out of range.
    """
    if clusters < least_clusters(tests, level=level):
        return None
    low, high = 0.0, 10 * math.sqrt(pilot.variance / clusters) or 1.0
    while power(pilot, high, clusters, tests=tests, level=level) < aim:
        high *= 2
    for _ in range(50):
        middle = (low + high) / 2
        if power(pilot, middle, clusters, tests=tests, level=level) < aim:
            low = middle
        else:
            high = middle
    return high


def least_clusters(tests: int = 1, *, level: float = 0.95) -> int:
    """Returns the smallest number of clusters that can give a significant result after correction for `tests` tests.

    Of K clusters the sign-flip test has a p of 2 / 2^K at least; Holm multiplies the smallest by the number of tests.

    Raises:
        ValueError: the level or the number of tests is out of range.
    """
    check_level(level)
    if tests < 1:
        message = f"tests must be at least 1; got {tests}."
        raise ValueError(message)
    return max(2, math.ceil(1 + math.log2(tests / (1 - level)) - 1e-9))
