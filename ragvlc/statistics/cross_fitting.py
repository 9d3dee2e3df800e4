"""The best of several ways of answering, chosen on other clusters than the ones on which it is then measured.

The best of several means is too high where it was chosen by the same questions, and a gain over it is too low. Here
each fold of clusters is measured by the way that is best on the other folds. One division into folds would be a matter
of luck, so several are drawn, and each question counts with its mean over them.

Where ways are nearly equal, the choice depends on chance, and an interval that takes it as given covers .83 to .95
(`tests/benchmarks/routing_and_length.py`). So the interval is joined with those of the comparisons with each way that
was chosen at all: it contains 0 unless every one of them excludes it on the same side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ragvlc.statistics._clusters import members_of
from ragvlc.statistics.differences import Difference, paired_difference
from ragvlc.statistics.intervals import Interval

__all__ = ["DIVISIONS", "FOLDS", "best_on_other_folds", "gain_over_best", "joined", "joined_ratio"]

FOLDS = 5
DIVISIONS = 20
DIGITS = 12
"""Means that agree to so many digits are equal: subtracting a fold's sums leaves rounding errors."""


def best_on_other_folds(
    scores: Mapping[str, Sequence[float]],
    clusters: Sequence[str],
    *,
    folds: int = FOLDS,
    divisions: int = DIVISIONS,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Returns how often each way is the best one on the other folds, as a share of the divisions, by question.

    Folds are of clusters, as equal in number as can be. Of equal means the first way wins. With a single cluster there
    are no other folds, and the best way on all questions is returned.

    Args:
        scores: of every question, by the name of the way of answering.
        clusters: of the questions.
        folds: of each division; as many as clusters where there are fewer.
        divisions: into folds, at random.
        seed: of the divisions.

    Raises:
        ValueError: there is no way or no question, lengths differ, or there are fewer than two folds or no division.
    """
    import numpy as np

    if not scores or not clusters or any(len(own) != len(clusters) for own in scores.values()):
        message = "give at least one way and one question, and a score and a cluster for every question."
        raise ValueError(message)
    if folds < 2 or divisions < 1:
        message = f"folds must be at least 2 and divisions at least 1; got {folds=}, {divisions=}."
        raise ValueError(message)
    members = np.asarray(members_of(clusters))
    count = int(members.max()) + 1
    sizes = np.bincount(members).astype(np.float64)
    sums = np.stack([np.bincount(members, weights=own) for own in scores.values()])
    shares = np.zeros_like(sums)
    random = np.random.default_rng(seed)
    for _ in range(divisions if count > 1 else 1):
        fold = random.permutation(count) % min(folds, count)
        for place in range(min(folds, count)):
            held = fold == place
            rest = ~held if count > 1 else held
            means = np.round(sums[:, rest].sum(axis=1) / sizes[rest].sum(), DIGITS)
            shares[int(means.argmax()), held] += 1
    shares = shares / shares.sum(axis=0)
    return {name: [float(one) for one in own[members]] for name, own in zip(scores, shares, strict=True)}


def gain_over_best(
    own: Sequence[float], ways: Mapping[str, Sequence[float]], clusters: Sequence[str], *, seed: int = 0
) -> Difference:
    """Returns the mean score less that of the best way, chosen on other folds, with an interval for that choice.

    Args:
        own: scores, by question.
        ways: scores of every way of answering, by its name.
        clusters: of the questions.
        seed: of the divisions into folds.

    Raises:
        ValueError: there is no way or no question, or lengths differ.
    """
    shares = best_on_other_folds(ways, clusters, seed=seed)
    chosen = [name for name, own_shares in shares.items() if any(own_shares)]
    mixed = [
        sum(shares[name][place] * ways[name][place] for name in chosen if shares[name][place])
        for place in range(len(clusters))
    ]
    names = [str(place) for place in range(len(clusters))]
    of = {name: cluster or name for name, cluster in zip(names, clusters, strict=True)}
    scores = dict(zip(names, own, strict=True))
    found, *each = [
        paired_difference(scores, dict(zip(names, one, strict=True)), of)
        for one in (mixed, *(ways[name] for name in chosen))
    ]
    return joined(found, each)


def joined(found: Difference, each: Sequence[Difference]) -> Difference:
    """Returns a difference from the best way on other folds, with an interval that allows for the choice.

    The p is the largest of all; where comparisons exclude 0 on different sides, it is 1.

    Args:
        found: with the choice taken as given.
        each: difference from each way that was chosen.
    """
    low, high = _hull([found, *each])
    p_values = [one.p for one in (found, *each) if one.p is not None]
    if len(p_values) <= len(each):
        return replace(found, low=low, high=high, p=None)
    below, above = ([one for one in (found, *each) if side(one)] for side in (_below, _above))
    return replace(found, low=low, high=high, p=1.0 if below and above else max(p_values))


def joined_ratio(found: Interval, each: Sequence[Interval]) -> Interval:
    """Returns a ratio by the best way on other folds, with an interval that allows for the choice; see `joined`."""
    low, high = _hull([found, *each])
    return replace(found, low=low, high=high)


def _hull(found: Sequence[Difference | Interval]) -> tuple[float, float] | tuple[None, None]:
    lows = [one.low for one in found if one.low is not None]
    highs = [one.high for one in found if one.high is not None]
    return (min(lows), max(highs)) if len(lows) == len(highs) == len(found) else (None, None)


def _below(one: Difference) -> bool:
    return one.high is not None and one.high < 0


def _above(one: Difference) -> bool:
    return one.low is not None and one.low > 0
