"""Decisions with a margin: whether a rival may replace the baseline, by a test of non-inferiority.

A rival is not worse where its whole 95 % interval is above minus the margin; the margin says how much quality one is
willing to give up, is chosen before looking, and has no default. It is better where the interval is above 0, worse
where it is below. Where it is below 0 and above minus the margin both are said: lower, by less than the margin.
Everything else is not settled, as is all that rests on fewer than eight clusters.

Several metrics must all be not worse (an intersection-union test, which needs no correction); several rivals are
corrected by Holm. Being better is not corrected further, since it is only claimed of what is not worse.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from ragvlc.statistics.corrections import holm
from ragvlc.statistics.differences import Difference, PairedSample
from ragvlc.statistics.few_clusters import FEW_CLUSTERS
from ragvlc.statistics.intervals import Interval
from ragvlc.statistics.ratios import ratio_interval

__all__ = [
    "MarginDecision",
    "MarginVerdict",
    "MetricDecision",
    "cost_ratio",
    "decide",
    "not_worse_p",
    "on_metric",
]

STEPS = 30


class MarginVerdict(Enum):
    """Verdict on a rival, from its differences to the baseline and a margin."""

    BETTER = "better"
    NOT_WORSE = "not worse"
    LOWER = "lower, by less than the margin"
    WORSE = "worse"
    NOT_SETTLED = "not settled"

    @property
    def passed(self) -> bool:
        """Whether the rival is shown to be non-inferior: worse than the baseline by less than the margin, if at all."""
        return self in {MarginVerdict.BETTER, MarginVerdict.NOT_WORSE, MarginVerdict.LOWER}


@dataclass(frozen=True, slots=True)
class MetricDecision:
    """Decision about a rival on one metric, not corrected for several rivals.

    Attributes:
        metric: its name.
        margin: that may be lost.
        difference: rival minus baseline, with its sign changed where smaller is better.
        p: of the test that the rival is worse by the margin or more; None with fewer than two clusters.
        verdict: without a correction for several rivals.
    """

    metric: str
    margin: float
    difference: Difference
    p: float | None
    verdict: MarginVerdict


@dataclass(frozen=True, slots=True)
class MarginDecision:
    """Decision about a rival on all metrics, corrected for several rivals.

    Attributes:
        rival: its name.
        metrics: one by one.
        p: the largest of the metrics; None where one has none.
        p_holm: corrected for several rivals.
        clusters: the fewest of any metric.
        verdict: on all metrics, corrected.
    """

    rival: str
    metrics: tuple[MetricDecision, ...]
    p: float | None
    p_holm: float | None
    clusters: int
    verdict: MarginVerdict


def decide(
    rivals: Mapping[str, Mapping[str, PairedSample]],
    margins: Mapping[str, float],
    *,
    smaller_is_better: Collection[str] = (),
    level: float = 0.95,
) -> dict[str, MarginDecision]:
    """Returns one decision per rival: whether the rival may replace the baseline.

    Args:
        rivals: by name, the differences to the baseline (rival minus baseline) by metric.
        margins: by metric, how much may be lost.
        smaller_is_better: metrics of which less is better.
        level: of the intervals.

    Raises:
        ValueError: a rival lacks a metric, there is none, or a margin is not above 0.
    """
    if not margins or not all(margin > 0 for margin in margins.values()):
        message = f"every metric of a decision needs a margin above 0; got {dict(margins)}."
        raise ValueError(message)
    on_metrics = {}
    for rival, by_metric in rivals.items():
        if missing := [metric for metric in margins if metric not in by_metric]:
            message = f"rival '{rival}' has no differences of '{missing[0]}', which the decision is about."
            raise ValueError(message)
        on_metrics[rival] = tuple(
            on_metric(
                metric, _turned(by_metric[metric]) if metric in smaller_is_better else by_metric[metric], margin, level
            )
            for metric, margin in margins.items()
        )
    p_values = [_largest([one.p for one in found]) for found in on_metrics.values()]
    decisions = {}
    for (rival, found), p, p_holm in zip(on_metrics.items(), p_values, holm(p_values), strict=True):
        clusters = min(one.difference.clusters for one in found)
        decisions[rival] = MarginDecision(rival, found, p, p_holm, clusters, _together(found, p_holm, 1 - level))
    return decisions


def not_worse_p(pairs: PairedSample, margin: float) -> float | None:
    """Returns the p-value of the non-inferiority test with this margin; None for fewer than two clusters.

    It is 1 - level of the widest interval that is above minus the margin, and so two-sided like that.
    """
    if pairs.p is None:
        return None
    if float(pairs.sums.mean) <= -margin:
        return 1.0
    low, high = 0.0, 1.0  # of p
    for _ in range(STEPS):
        middle = (low + high) / 2
        bound, _ = pairs.bounds(1 - middle)
        low, high = (low, middle) if bound is not None and bound > -margin else (middle, high)
    return high


def cost_ratio(
    rival: Mapping[str, float | None], baseline: Mapping[str, float | None], clusters: Mapping[str, str]
) -> Interval:
    """Returns the ratio of the rival's cost to the baseline's, over the questions for which both have a cost."""
    names = [name for name, cost in rival.items() if cost is not None and baseline.get(name) is not None]
    own, other = ([float(costs[name] or 0.0) for name in names] for costs in (rival, baseline))
    return ratio_interval(own, other, [clusters[name] for name in names])


def on_metric(metric: str, pairs: PairedSample, margin: float, level: float) -> MetricDecision:
    """Returns the decision on one metric, from paired differences where larger is better."""
    difference = pairs.difference(level)
    return MetricDecision(metric, margin, difference, not_worse_p(pairs, margin), _alone(difference, margin))


def _alone(difference: Difference, margin: float) -> MarginVerdict:
    low, high = difference.low, difference.high
    if low is None or high is None or difference.clusters < FEW_CLUSTERS:
        return MarginVerdict.NOT_SETTLED
    if low > 0:
        return MarginVerdict.BETTER
    if high < 0:
        return MarginVerdict.LOWER if low > -margin else MarginVerdict.WORSE
    return MarginVerdict.NOT_WORSE if low > -margin else MarginVerdict.NOT_SETTLED


def _together(found: Sequence[MetricDecision], p_holm: float | None, alpha: float) -> MarginVerdict:
    verdicts = {one.verdict for one in found}
    if MarginVerdict.WORSE in verdicts:
        return MarginVerdict.WORSE
    if p_holm is None or p_holm > alpha or MarginVerdict.NOT_SETTLED in verdicts:
        return MarginVerdict.NOT_SETTLED
    if MarginVerdict.LOWER in verdicts:
        return MarginVerdict.LOWER
    return MarginVerdict.BETTER if verdicts == {MarginVerdict.BETTER} else MarginVerdict.NOT_WORSE


def _turned(pairs: PairedSample) -> PairedSample:
    return PairedSample(tuple(-one for one in pairs.differences), pairs.names, pairs.flips, pairs.seed)


def _largest(p_values: Sequence[float | None]) -> float | None:
    known = [p for p in p_values if p is not None]
    return max(known) if len(known) == len(p_values) else None
