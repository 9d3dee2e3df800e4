"""Measures of routers: gain, regret, accuracy and deferral curves, with oracles as bounds.

Definitions, over the questions that every fixed route has a quality for:

- best single route: the fixed route with the highest mean. Chosen on the questions it is measured by, so that a
  router's gain over it is, if anything, too small.
- task oracle: for each task class the fixed route that is best there. Question oracle: for each question the best
  answer, the cheapest one among equals. Both know the right answers: they are bounds, never candidates.
- regret: question oracle minus router. Normalised gain: (router - best single) / (question oracle - best single).
- route accuracy: among questions where the route taken and another differ by more than a margin, how often the router
  took the best one.
- deferral curve: questions go to the dearer route in the order of the router's score; quality over the share sent.
  Its area is compared with the straight line between the two routes, which is what sending questions at random gives.
  A router without scores has the curve through its one point. The curve of a wrapper starts where nothing is sent on.

Intervals are those of `ragvlc.statistics`: by cluster, paired. Ranks, oracles and the best single route are taken as
given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from ragvlc.analysis._routing_groups import Arm, RoutingGroup
from ragvlc.statistics.differences import Difference, paired_difference
from ragvlc.statistics.intervals import Interval, mean_interval
from ragvlc.statistics.ratios import ratio_interval

__all__ = [
    "DeferralCurve",
    "Measures",
    "accuracy",
    "curve",
    "measures",
    "question_oracle",
    "task_oracle",
]

MARGIN = 0.05
"""Qualities that differ by less count as equal when routes are judged right or wrong."""


@dataclass(frozen=True)
class Measures:
    """Quality, gain, regret, accuracy and costs of an arm (a fixed route or a router).

    Attributes:
        arm: that is measured.
        quality: mean.
        gain: against the best single route, paired.
        regret: question oracle minus the arm.
        normalised: share of the possible gain that was achieved; None if no gain was possible.
        right: route accuracy; None for fixed arms and oracles.
        shares: share of the questions sent to each fixed arm, by its name.
        tokens: read and written, mean.
        money: mean; None without prices.
        seconds: mean; None where nothing was timed.
    """

    arm: Arm
    quality: Interval
    gain: Difference
    regret: Interval
    normalised: Interval
    right: Interval | None
    shares: Mapping[str, float]
    tokens: float | None
    money: float | None
    seconds: float | None


@dataclass(frozen=True)
class DeferralCurve:
    """A deferral curve: quality over the share of questions sent to the more expensive route.

    Attributes:
        arm: the router.
        shares: sent to the dearer route, rising from 0 to 1.
        qualities: at those shares.
        tokens: read and written at those shares, mean.
        area: under the curve.
        over_line: area above the straight line between the two routes.
        possible: the same for questions sent in the best possible order.
        scored: whether the router gave scores; else the curve is a single point.
    """

    arm: Arm
    shares: tuple[float, ...]
    qualities: tuple[float, ...]
    tokens: tuple[float, ...]
    area: float
    over_line: Interval
    possible: float
    scored: bool


def measures(group: RoutingGroup, arm: Arm) -> Measures:
    """Returns the measures of an arm over the questions of the group for which it has a quality score."""
    names = group.of(arm)
    clusters = [group.clusters[name] for name in names]
    own, best, oracle = (_qualities(one, names) for one in (arm, group.best, question_oracle(group)))
    gains = [own[name] - best[name] for name in names]
    headroom = [oracle[name] - best[name] for name in names]
    return Measures(
        arm,
        mean_interval([own[name] for name in names], clusters),
        paired_difference(own, best, group.clusters),
        mean_interval([oracle[name] - own[name] for name in names], clusters),
        ratio_interval(gains, headroom, clusters),
        accuracy(group, arm) if arm.sent is not None and not arm.fixed else None,
        _shares(arm, names),
        _tokens(arm, names),
        arm.mean("money", names),
        arm.mean("seconds", names),
    )


def task_oracle(group: RoutingGroup) -> Arm:
    """Returns the task oracle: an arm that takes the best fixed route of each task class."""
    classes = group.parts.get("task class", {})
    members: dict[str, list[str]] = {}
    for name in group.questions:
        members.setdefault(classes.get(name, ""), []).append(name)
    chosen: dict[str, Arm] = {}
    for names in members.values():
        best = max(group.fixed, key=lambda arm: arm.mean("quality", names) or 0.0)
        chosen |= dict.fromkeys(names, best)
    return _oracle("task oracle", group, chosen)


def question_oracle(group: RoutingGroup) -> Arm:
    """Returns the question oracle: an arm that takes each question's best fixed route, the cheapest among equals."""
    chosen = {name: max(group.fixed, key=lambda arm: arm.outcomes[name].quality or 0.0) for name in group.questions}
    return _oracle("question oracle", group, chosen)


def _oracle(name: str, group: RoutingGroup, chosen: Mapping[str, Arm]) -> Arm:
    outcomes = {question: chosen[question].outcomes[question] for question in group.questions}
    return Arm(name, outcomes, "", {question: arm.name for question, arm in chosen.items()})


def accuracy(group: RoutingGroup, arm: Arm, margin: float = MARGIN) -> Interval:
    """Returns the share sent to a best route among questions whose routes differ in quality by more than `margin`."""
    right, clusters = [], []
    for name in group.of(arm):
        found = {one.name: one.outcomes[name].quality or 0.0 for one in group.fixed}
        best = max(found.values())
        if best - min(found.values()) > margin and (arm.sent or {}).get(name) in found:
            right.append(float(found[(arm.sent or {})[name]] >= best - margin))
            clusters.append(group.clusters[name])
    return mean_interval(right, clusters)


def curve(group: RoutingGroup, arm: Arm) -> DeferralCurve | None:
    """Returns a router's deferral curve between the cheapest and the most expensive fixed route.

    None for a router that took a third route or an unknown one.
    """
    names = [name for name in group.of(arm) if name in (arm.sent or {})]
    cheap, dear = group.cheap, group.dear
    if not names or not {(arm.sent or {})[name] for name in names} <= {cheap.name, dear.name}:
        return None
    scores = {name: arm.outcomes[name].score for name in names}
    scored = arm.favours in (cheap.name, dear.name) and all(score is not None for score in scores.values())
    sign = -1.0 if arm.favours == cheap.name else 1.0
    order = {
        name: sign * (score or 0.0) if scored else float((arm.sent or {})[name] == dear.name)
        for name, score in scores.items()
    }
    low, high = _qualities(cheap, names), _qualities(dear, names)
    gains = {name: high[name] - low[name] for name in names}
    ranks = _ranks(order)
    over = [gains[name] * (0.5 - ranks[name]) for name in names]
    ideal = _ranks(gains)
    over_line = mean_interval(over, [group.clusters[name] for name in names])
    line = fmean((low[name] + high[name]) / 2 for name in names)
    shares, qualities, tokens = _points(group, arm, names, order)
    possible = fmean(gains[name] * (0.5 - ideal[name]) for name in names)
    return DeferralCurve(arm, shares, qualities, tokens, line + (over_line.mean or 0.0), over_line, possible, scored)


def _points(
    group: RoutingGroup, arm: Arm, names: Sequence[str], order: Mapping[str, float]
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Returns shares, qualities and tokens of a deferral curve that defers the highest scores first."""
    both = any(arm.outcomes[name].place for name in names)  # a wrapper is also charged for its first answer
    spent = {
        one.name: {name: one.outcomes[name].prompt_tokens + one.outcomes[name].completion_tokens for name in names}
        for one in (group.cheap, group.dear)
    }
    used = sum(spent[group.cheap.name].values())
    quality = sum(group.cheap.outcomes[name].quality or 0.0 for name in names)
    shares, qualities, tokens, sent = [0.0], [quality / len(names)], [used / len(names)], 0
    levels: dict[float, list[str]] = {}
    for name in names:
        levels.setdefault(order[name], []).append(name)
    for level in sorted(levels, reverse=True):
        for name in levels[level]:
            quality += (group.dear.outcomes[name].quality or 0.0) - (group.cheap.outcomes[name].quality or 0.0)
            used += spent[group.dear.name][name] - (0.0 if both else spent[group.cheap.name][name])
        sent += len(levels[level])
        shares.append(sent / len(names))
        qualities.append(quality / len(names))
        tokens.append(used / len(names))
    return tuple(shares), tuple(qualities), tuple(tokens)


def _ranks(order: Mapping[str, float]) -> dict[str, float]:
    """Returns each question's rank from 0 (highest value) to 1 (lowest value); equal values share a rank."""
    levels: dict[float, list[str]] = {}
    for name, value in order.items():
        levels.setdefault(value, []).append(name)
    ranks: dict[str, float] = {}
    before = 0
    for level in sorted(levels, reverse=True):
        members = levels[level]
        ranks |= dict.fromkeys(members, (before + len(members) / 2) / len(order))
        before += len(members)
    return ranks


def _qualities(arm: Arm, names: Sequence[str]) -> dict[str, float]:
    return {name: arm.outcomes[name].quality or 0.0 for name in names}


def _shares(arm: Arm, names: Sequence[str]) -> dict[str, float]:
    if arm.fixed:
        return {arm.name: 1.0}
    taken = [(arm.sent or {}).get(name, "") for name in names]
    return {one: taken.count(one) / len(names) for one in dict.fromkeys(taken) if one}


def _tokens(arm: Arm, names: Sequence[str]) -> float | None:
    if not names:
        return None
    return fmean(arm.outcomes[name].prompt_tokens + arm.outcomes[name].completion_tokens for name in names)
