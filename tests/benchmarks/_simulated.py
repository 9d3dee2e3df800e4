"""Made-up scores in clusters, with a known mean and a known correlation within clusters.

Binary scores are beta-binomial: each cluster draws its own share of ones from a beta distribution. Graded scores are
beta distributed around a cluster's own mean. Differences are -1, 0 or 1 with a cluster's own shares (Dirichlet), and
graded ones multiply these by a graded size. Sizes of clusters are drawn anew for each data set, apart from the scores:
the mean over questions is the mean of the distribution.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragvlc.statistics._clusters import Sums, add_up

Floats = NDArray[np.float64]
Random = np.random.Generator

EQUAL = 4
MIXED = 12


@dataclass(frozen=True, slots=True)
class Kind:
    """A distribution of scores.

    Attributes:
        title: what it is.
        mean: of the scores.
        draw: scores of clusters, from a source, the shape (data sets, clusters, questions) and the correlation.
        paired: whether they are differences, which are tested.
        binary: whether scores are 0 or 1.
    """

    title: str
    mean: float
    draw: Callable[[Random, tuple[int, int, int], float], Floats]
    paired: bool = False
    binary: bool = False


@dataclass(frozen=True, slots=True)
class Drawn:
    """Data sets of one distribution.

    Attributes:
        scores: by data set, cluster and question; 0 where a cluster has no further question.
        there: whether there is a question.
    """

    scores: Floats
    there: NDArray[np.bool_]

    @property
    def sizes(self) -> Floats:
        """Questions of each cluster."""
        return self.there.sum(-1).astype(np.float64)

    def sums(self) -> Sums:
        """The scores added up by cluster."""
        return add_up(self.scores, self.there.astype(np.float64), lambda what: what.sum(-1), (-2, -1))


def draw(kind: Kind, clusters: int, sizes: str, correlation: float, sets: int, seed: int = 0) -> Drawn:
    """Returns data sets of a kind; the seed of each combination is its own."""
    name = f"{kind.title} {clusters} {sizes} {correlation}"
    random = np.random.default_rng([seed, zlib.crc32(name.encode())])
    counts = SIZES[sizes](random, (sets, clusters))
    there = np.arange(counts.max()) < counts[..., None]
    scores = kind.draw(random, (sets, clusters, int(counts.max())), correlation)
    return Drawn(np.where(there, scores, 0.0), there)


def _heavy(random: Random, shape: tuple[int, int]) -> NDArray[np.int64]:
    return np.clip(np.round(np.exp(random.normal(1.2, 1.0, shape))), 1, 60).astype(np.int64)


SIZES: Mapping[str, Callable[[Random, tuple[int, int]], NDArray[np.int64]]] = {
    "single": lambda random, shape: np.ones(shape, dtype=np.int64),
    "equal": lambda random, shape: np.full(shape, EQUAL),
    "mixed": lambda random, shape: random.integers(1, MIXED + 1, shape),
    **{f"{size} each": lambda random, shape, size=size: np.full(shape, size) for size in (2, 3, 5, 6, 8, 12)},
    "log-normal": _heavy,
    "one in five 20, else 2": lambda random, shape: np.where(random.random(shape) < 0.2, 20, 2),
}


def shares(random: Random, mean: float, shape: tuple[int, ...], correlation: float) -> Floats:
    """Returns each cluster's own share, so that questions of a cluster have the correlation."""
    if not correlation:
        return np.full(shape, mean)
    spread = (1 - correlation) / correlation
    return random.beta(mean * spread, (1 - mean) * spread, shape)


def binary(mean: float) -> Kind:
    """Returns scores that are 0 or 1."""

    def draws(random: Random, shape: tuple[int, int, int], correlation: float) -> Floats:
        own = shares(random, mean, shape[:2], correlation)[..., None]
        return (random.random(shape) < own).astype(np.float64)

    return Kind(f"binary, mean {mean:g}", mean, draws, binary=True)


def graded(mean: float, part: float) -> Kind:
    """Returns scores between 0 and 1, with a variance of `part` of that of a binary score."""

    def draws(random: Random, shape: tuple[int, int, int], correlation: float) -> Floats:
        return _graded(random, mean, part, shape, correlation)

    return Kind(f"graded, mean {mean:g}", mean, draws)


def _graded(random: Random, mean: float, part: float, shape: tuple[int, int, int], correlation: float) -> Floats:
    variance = part * mean * (1 - mean)
    own = np.clip(shares(random, mean, shape[:2], correlation * part), 1e-9, 1 - 1e-9)[..., None]
    within = (1 - correlation) * variance
    spread = (mean * (1 - mean) - correlation * variance) / within - 1
    return random.beta(own * spread, (1 - own) * spread, shape)


def differences(ties: float, better: float) -> Kind:
    """Returns differences of binary scores: `ties` are 0, and of the others a share of `better` is 1, else -1."""

    def draws(random: Random, shape: tuple[int, int, int], correlation: float) -> Floats:
        return _signs(random, ties, better, shape, correlation)

    return Kind(f"binary differences, {_words(ties, better)}", (1 - ties) * (2 * better - 1), draws, paired=True)


def graded_differences(ties: float, better: float, size: float = 0.4, part: float = 0.3) -> Kind:
    """Returns differences of graded scores: signs as above, times a graded size."""
    moved, lean = 1 - ties, (1 - ties) * (2 * better - 1)
    spread = part * size * (1 - size)

    def draws(random: Random, shape: tuple[int, int, int], correlation: float) -> Floats:
        # Sizes are correlated as given, and signs so that the products are.
        variance = moved * (size**2 + spread) - (lean * size) ** 2
        together = size**2 + correlation * spread
        own = ((correlation * variance + (lean * size) ** 2) / together - lean**2) / (moved - lean**2)
        signs = _signs(random, ties, better, shape, float(np.clip(own, 0.0, 0.95)))
        return signs * _graded(random, size, part, shape, correlation)

    return Kind(f"graded differences, {_words(ties, better)}", lean * size, draws, paired=True)


def _signs(random: Random, ties: float, better: float, shape: tuple[int, int, int], correlation: float) -> Floats:
    expected = np.array([(1 - ties) * (1 - better), ties, (1 - ties) * better])
    if not correlation:
        own = np.broadcast_to(expected, (*shape[:2], 3))
    else:
        own = random.dirichlet(np.maximum(expected * (1 - correlation) / correlation, 1e-12), shape[:2])
    below, tied = own[..., :1], own[..., :1] + own[..., 1:2]
    at = random.random(shape)
    return np.where(at < below, -1.0, np.where(at < tied, 0.0, 1.0))


def _words(ties: float, better: float) -> str:
    return f"{100 * ties:.0f} % ties, {100 * better:.0f} % of the others better"
