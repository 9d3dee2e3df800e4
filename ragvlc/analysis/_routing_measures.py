"""Measures of routers: gain, regret and accuracy, with oracles as bounds.

Definitions, over the questions that every fixed route has a quality for:

- best single route: the fixed route with the highest mean. The gain of a router is measured against the one that is
  best on the other folds of documents (cross-fitted, `ragvlc.statistics.cross_fitting`), so that neither profits from
  having been chosen by the questions that judge it; its interval allows for that choice. The gain of a fixed route is
  measured against the best single route on the same questions.
- task oracle: for each task class the fixed route that is best there. Question oracle: for each question the best
  answer, the cheapest one among equals. Both know the right answers: they are bounds, never candidates.
- regret: question oracle minus router. Normalised gain: (router - single) / (question oracle - single).
- route accuracy: among questions where the route taken and another differ by more than a margin, how often the router
  took the best one.

Intervals are those of `ragvlc.statistics`: by cluster, paired. Oracles are taken as given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from ragvlc.analysis._routing_groups import Arm, ArmOutcome, RoutingGroup
from ragvlc.statistics.cross_fitting import joined, joined_ratio
from ragvlc.statistics.differences import Difference, paired_difference
from ragvlc.statistics.intervals import Interval, mean_interval
from ragvlc.statistics.ratios import ratio_interval

__all__ = [
    "SINGLE",
    "Measures",
    "accuracy",
    "measures",
    "qualities",
    "question_oracle",
    "single_route",
    "task_oracle",
]

MARGIN = 0.05
"""Qualities that differ by less count as equal when routes are judged right or wrong."""
SINGLE = "single, other folds"
"""Name of the best single route chosen on other folds."""


@dataclass(frozen=True)
class Measures:
    """Quality, gain, regret, accuracy and costs of an arm (a fixed route or a router).

    Attributes:
        arm: that is measured.
        quality: mean.
        gain: against the best single route, chosen on the other folds of documents; paired. Of a fixed route, against
            the best single route on the same questions.
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


def measures(group: RoutingGroup, arm: Arm) -> Measures:
    """Returns the measures of an arm over the questions of the group for which it has a quality score."""
    names = group.of(arm)
    clusters = [group.clusters[name] for name in names]
    own, oracle = qualities(arm, names), qualities(question_oracle(group), names)
    single = group.best if arm.fixed else single_route(group)
    chosen = [one for one in group.fixed if any(group.chosen[name][one.name] for name in names)]
    rivals = [qualities(one, names) for one in (single, *([] if arm.fixed else chosen))]
    gain, *gains = [paired_difference(own, one, group.clusters) for one in rivals]
    share, *shares = [
        ratio_interval([own[n] - one[n] for n in names], [oracle[n] - one[n] for n in names], clusters)
        for one in rivals
    ]
    return Measures(
        arm,
        mean_interval([own[name] for name in names], clusters),
        joined(gain, gains),
        mean_interval([oracle[name] - own[name] for name in names], clusters),
        joined_ratio(share, shares),
        accuracy(group, arm) if arm.sent is not None and not arm.fixed else None,
        _shares(group, arm, names),
        _tokens(arm, names),
        arm.mean("money", names),
        arm.mean("seconds", names),
    )


def single_route(group: RoutingGroup) -> Arm:
    """Returns the best single route of the other folds, as an arm: a question has its mean over the divisions."""

    def outcome(name: str) -> ArmOutcome:
        parts = [(share, arm.outcomes[name]) for arm in group.fixed if (share := group.chosen[name][arm.name])]

        def mean(field: str) -> float | None:
            values = [(share, getattr(one, field)) for share, one in parts]
            return None if any(one is None for _, one in values) else sum(share * one for share, one in values)

        tokens = (mean("prompt_tokens") or 0.0, 0.0, mean("completion_tokens") or 0.0)
        return ArmOutcome(mean("quality"), *tokens, mean("money"), mean("seconds"))

    return Arm(SINGLE, {name: outcome(name) for name in group.questions})


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


def qualities(arm: Arm, names: Sequence[str]) -> dict[str, float]:
    """Returns the quality of the arm by question; 0 where it has none."""
    return {name: arm.outcomes[name].quality or 0.0 for name in names}


def _shares(group: RoutingGroup, arm: Arm, names: Sequence[str]) -> dict[str, float]:
    if arm.fixed:
        return {arm.name: 1.0}
    if arm.name == SINGLE:
        return {one.name: fmean(group.chosen[name][one.name] for name in names) for one in group.fixed}
    taken = [(arm.sent or {}).get(name, "") for name in names]
    return {one: taken.count(one) / len(names) for one in dict.fromkeys(taken) if one}


def _tokens(arm: Arm, names: Sequence[str]) -> float | None:
    if not names:
        return None
    return fmean(arm.outcomes[name].prompt_tokens + arm.outcomes[name].completion_tokens for name in names)
