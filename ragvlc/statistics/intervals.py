"""The mean of a metric, with an interval that treats questions about the same document as one cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import cast

from ragvlc.statistics._clusters import by_cluster
from ragvlc.statistics._scores import mean_bounds
from ragvlc.statistics.few_clusters import FromClusters

__all__ = ["Interval", "check_level", "mean_interval"]


@dataclass(frozen=True, slots=True)
class Interval(FromClusters):
    """A mean over questions, with the lower and upper bound of its interval.

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


def mean_interval(
    values: Sequence[float | None],
    clusters: Sequence[str],
    *,
    weights: Sequence[float] | None = None,
    level: float = 0.95,
) -> Interval:
    """Returns the mean of `values` with a score interval, based on the effective number of questions.

    A cluster weighs as many as it has questions. Scores are taken to lie from 0 to 1, or from 0 to the largest where
    one is larger; where some are negative, from minus to plus the largest, but at least 1.

    Args:
        values: one score a question; None where the metric does not apply is left out.
        clusters: cluster of each question.
        weights: of each question in the mean, above 0; without them all count the same.
        level: coverage aimed at, between 0 and 1.

    Raises:
        ValueError: lengths differ, a value is not finite, or a weight or the level is out of range.
    """
    check_level(level)
    if len({len(column) for column in (values, clusters, weights) if column is not None}) > 1:
        message = "values, clusters and weights differ in length; give one of each for every question."
        raise ValueError(message)
    if None in values:
        there = [value is not None for value in values]
        values, clusters = list(compress(values, there)), list(compress(clusters, there))
        weights = None if weights is None else list(compress(weights, there))
    n = len(values)
    if not n:
        return Interval(None, None, None, 0, 0)
    sums = by_cluster(cast("Sequence[float]", values), clusters, weights)
    mean = float(sums.mean)
    if sums.clusters < 2:
        return Interval(mean, None, None, n, sums.clusters)
    low, high = mean_bounds(sums, level)
    return Interval(mean, min(float(low), mean), max(float(high), mean), n, sums.clusters)


def check_level(level: float) -> None:
    """Raises `ValueError` unless `level` is between 0 and 1."""
    if not 0 < level < 1:
        message = f"level must be between 0 and 1; got {level}."
        raise ValueError(message)
