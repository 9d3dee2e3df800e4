"""Sums of scores by cluster, from which all intervals are computed.

The last axis of an array is that of clusters; axes before it are data sets of equally many clusters, which simulations
work on together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Sums", "add_up", "by_cluster", "members_of"]


@dataclass(frozen=True, slots=True)
class Sums:
    """Weighted sums of scores; every weight is 1 if all questions count the same.

    Attributes:
        weight: of the questions of each cluster.
        score: weight times score, by cluster.
        weight_square: squared weights, by cluster.
        product: squared weight times score, all clusters.
        product_square: squared weight times squared score, all clusters.
        above: weight times score where the score is above 0, all clusters.
        moved: weight of the questions with a score other than 0, all clusters.
        largest: the largest absolute score, but at least 1.
        least: the smallest score.
    """

    weight: Floats
    score: Floats
    weight_square: Floats
    product: Floats
    product_square: Floats
    above: Floats
    moved: Floats
    largest: Floats
    least: Floats

    @property
    def clusters(self) -> int:
        """The number of clusters."""
        return int(self.weight.shape[-1])

    @property
    def mean(self) -> Floats:
        """The weighted mean over all questions."""
        found: Floats = self.score.sum(-1) / self.weight.sum(-1)
        return found


def members_of(names: Sequence[str]) -> list[int]:
    """Returns the index of each row's cluster; clusters are numbered in order of first appearance."""
    if "" not in (found := dict(zip(dict.fromkeys(names), count(), strict=False))):
        return list(map(found.__getitem__, names))
    places: dict[object, int] = {}
    return [places.setdefault(name or row, len(places)) for row, name in enumerate(names)]


def by_cluster(values: Sequence[float], names: Sequence[str], weights: Sequence[float] | None = None) -> Sums:
    """Returns the weighted sums of one data set's scores, by cluster.

    Raises:
        ValueError: a score is not finite, or a weight is not above 0.
    """
    import numpy as np

    scores = np.asarray(values, dtype=np.float64)
    given = np.ones_like(scores) if weights is None else np.asarray(weights, dtype=np.float64)
    if not np.isfinite(scores).all():
        message = "a score is not a finite number; use None where a metric does not apply."
        raise ValueError(message)
    if not (np.isfinite(given).all() and (given > 0).all()):
        message = "a weight is not a number above 0; leave out what does not count."
        raise ValueError(message)
    members = np.asarray(members_of(names))

    def total(what: Floats) -> Floats:
        return np.bincount(members, weights=what).astype(np.float64)

    return add_up(scores, given, total, (-1,))


def add_up(scores: Floats, weights: Floats, total: Callable[[Floats], Floats], questions: tuple[int, ...]) -> Sums:
    """Returns the weighted sums of scores; the function `total` adds an array of questions by cluster."""
    import numpy as np

    square = weights * weights
    return Sums(
        weight=total(weights),
        score=total(weights * scores),
        weight_square=total(square),
        product=total(square * scores).sum(-1),
        product_square=total(square * scores * scores).sum(-1),
        above=total(weights * np.maximum(scores, 0.0)).sum(-1),
        moved=total(weights * (scores != 0.0)).sum(-1),
        largest=np.maximum(1.0, np.abs(scores).max(questions)),
        least=scores.min(questions),
    )
