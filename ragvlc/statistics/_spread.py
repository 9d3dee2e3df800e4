"""The effective number of questions: how many independent questions would give the mean the same variance.

The variance of a mean over questions in clusters has two parts: what it were if questions were independent (the floor,
since questions over one document are no less alike than others), and the excess between clusters. With few clusters
neither may be taken for known, so each is enlarged by what Student's t adds to the normal distribution:

- the floor with as many degrees of freedom as questions less one;
- the excess, by the bias-reduced estimate CR2, with Bell and McCaffrey's degrees of freedom (2002; a Satterthwaite
  approximation that falls where clusters are unequal), and by a further 1 + 1/k, where k is the number of clusters that
  the estimate effectively comes from: (sum of e^2)^2 / sum of e^4 over the clusters' residuals e.

The variance is capped at that of clusters whose questions all score the same and at an end of the scale. It moves to
that where the rarer outcome was seen in fewer than about two effective questions, because one right answer in forty
says nothing about whether right answers come in clusters: with x of them the weight of the cap is 1 / (1 + 2 x^4).

The effective number is then the variance of one question with scores at the ends of the scale, by that of the mean
(Korn and Graubard 1998).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragvlc.statistics._clusters import Sums

    Floats = NDArray[np.float64]

__all__ = ["Spread", "effective_number", "normal_quantile", "spread_of", "student_quantile", "variance"]

ALIKE = 1e-12
"""A variance of single scores below this, on a scale of 1, is rounding."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The variance of a mean, divided into that of independent questions and the excess between clusters.

    Attributes:
        floor: variance if questions were independent.
        excess: what clusters add to it.
        design_effect: their sum by the floor, between 1 and `largest_effect`.
        largest_effect: the design effect if all questions of a cluster scored the same.
        questions: effective number by weights alone.
        freedom: Bell and McCaffrey's degrees of freedom of the variance between clusters.
        sources: number of clusters that the estimate effectively comes from.
        alike: whether all scores are the same.
    """

    floor: Floats
    excess: Floats
    design_effect: Floats
    largest_effect: Floats
    questions: Floats
    freedom: Floats
    sources: Floats
    alike: Floats


def spread_of(sums: Sums) -> Spread:
    """Returns the parts of the variance of the mean of scores from two clusters or more."""
    import numpy as np

    weight, total = sums.weight, sums.weight.sum(-1)
    mean = sums.mean
    squares = sums.weight_square.sum(-1)
    single = np.maximum(sums.product_square - 2 * mean * sums.product + mean * mean * squares, 0.0)
    share = weight / total[..., None]
    residual = sums.score - weight * mean[..., None]
    own = residual * residual
    floor = single / total**2
    clustered = (own / (1 - share)).sum(-1) / total**2
    largest_effect = (weight * weight).sum(-1) / squares
    alike = single <= ALIKE * squares * sums.largest**2
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = np.where(alike, 1.0, np.clip(clustered / floor, 1.0, largest_effect))
        correlation = np.where(largest_effect > 1 + ALIKE, (effect - 1) / (largest_effect - 1), 0.0)
        sources = np.where(alike, sums.clusters, own.sum(-1) ** 2 / (own * own).sum(-1))
        # Residuals of clusters may all vanish where scores do not.
        sources = np.where(np.isfinite(sources), sources, sums.clusters)
    expected = sums.weight_square + correlation[..., None] * (weight * weight - sums.weight_square)
    return Spread(
        floor=floor,
        excess=np.maximum(clustered - floor, 0.0),
        design_effect=effect,
        largest_effect=largest_effect,
        questions=total**2 / squares,
        freedom=_freedom(weight, expected),
        sources=sources,
        alike=alike,
    )


def _freedom(weight: Floats, expected: Floats) -> Floats:
    """Returns Bell and McCaffrey's degrees of freedom of the CR2 variance of a weighted mean.

    The estimate is a quadratic form in the clusters' totals. With variances `expected` of these its mean and variance
    are trace and twice the trace of the square of the matrix G, G_kl = root(d_k d_l) (v_k [k = l] - (w_k v_l + w_l v_k)
    / W + w_k w_l V / W^2), d_k = 1 / (1 - w_k / W); both are found from sums over clusters.
    """
    import numpy as np

    total = weight.sum(-1, keepdims=True)
    spread = expected.sum(-1, keepdims=True) / total**2
    scale = 1 / (1 - weight / total)

    def over(what: Floats) -> Floats:
        found: Floats = (scale * what).sum(-1, keepdims=True)
        return found

    squares, products, variances = over(weight * weight), over(weight * expected), over(expected * expected)
    without = spread * weight * weight - 2 * weight * expected / total
    diagonal = expected + without
    both = spread**2 * squares**2 + 2 * (squares * variances + products**2) / total**2
    both = both - 4 * spread * squares * products / total
    both = both + (scale**2 * (diagonal**2 - without**2)).sum(-1, keepdims=True)
    found: Floats = np.maximum(over(diagonal)[..., 0] ** 2 / both[..., 0], 1.0)
    return found


def variance(spread: Spread, level: float, cap: Floats | None = None) -> Floats:
    """Returns the variance of the mean, enlarged so that normal quantiles can be used instead of Student's t.

    Args:
        spread: its parts.
        level: of the interval.
        cap: what both parts together exceed only as far as the floor does.
    """
    import numpy as np

    normal = normal_quantile(level)
    few_questions = (student_quantile(level, np.maximum(spread.questions - 1, 1.0)) / normal) ** 2
    few_clusters = (student_quantile(level, spread.freedom) / normal) ** 2 * (1 + 1 / spread.sources)
    floor, excess = spread.floor * few_questions, spread.excess * few_clusters
    found: Floats = floor + (excess if cap is None else np.minimum(excess, np.maximum(cap - floor, 0.0)))
    return found


def effective_number(spread: Spread, single: Floats, rarer: Floats, level: float) -> Floats:
    """Returns the number of independent questions with all-or-nothing scores whose mean would have this variance.

    Args:
        spread: of the scores, on a scale of 1.
        single: variance of one question with this mean and its score at an end of the scale.
        rarer: share of the rarer outcome.
        level: of the interval.
    """
    import numpy as np

    cap = single * spread.largest_effect / spread.questions
    found = variance(spread, level, cap)
    seen = rarer * spread.questions / spread.design_effect
    unknown = 1 / (1 + 2 * seen**4)
    found = (1 - unknown) * found + unknown * np.maximum(cap, found)
    with np.errstate(divide="ignore", invalid="ignore"):
        number: Floats = np.where(spread.alike, 1.0, single / found)
    return number


def normal_quantile(level: float) -> float:
    """Returns z such that the range from -z to z holds the share `level` of the standard normal distribution."""
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2))


def student_quantile(level: float, freedom: Floats) -> Floats:
    """Returns t such that the range from -t to t holds the share `level` of Student's t distribution."""
    from scipy.special import stdtrit

    found: Floats = stdtrit(freedom, (1 + level) / 2)
    return found
