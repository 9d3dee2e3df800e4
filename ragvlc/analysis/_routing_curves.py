"""Curves of a router's quality over its cost, and over the share of questions sent, beside random mixing of two routes.

Questions go to the dearer route in the order of the router's score. The curve's area is compared with the straight line
between the two routes, which is what sending questions at random gives at the same cost: at the same share of
questions, at the same tokens (read and written), and at the same money where there are prices. A router without scores
has the curve through its one point. The curve of a wrapper starts where nothing is sent on, and whatever is sent on
also pays for its first answer. A router's own cost of choosing moves its whole curve.

Every router, whatever it chooses between, is also compared with random mixing of the cheapest and the dearest route at
its own cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from ragvlc.analysis._routing_break_even import bracketed
from ragvlc.analysis._routing_groups import Arm, ArmOutcome, RoutingGroup
from ragvlc.analysis._routing_measures import qualities
from ragvlc.analysis.tables import plain
from ragvlc.statistics.deferral import area_over_random, best_order, over_random_at_own_cost
from ragvlc.statistics.differences import Difference

__all__ = ["COSTS", "CostArea", "DeferralCurve", "Mixing", "curve", "mixing", "mixing_sentence"]

COSTS = ("tokens", "money")


@dataclass(frozen=True, slots=True)
class CostArea:
    """Area between a curve of quality over cost and random mixing; from the cheaper route to the dearer one, cost is 1.

    Attributes:
        over_random: of the router.
        possible: the same for questions sent in the best order.
    """

    over_random: Difference
    possible: float


@dataclass(frozen=True)
class DeferralCurve:
    """A deferral curve: quality over the share of questions sent to the more expensive route, and over its cost.

    Attributes:
        arm: the router.
        shares: sent to the dearer route, rising from 0 to 1.
        qualities: at those shares.
        tokens: read and written at those shares, mean.
        area: under the curve over shares.
        over_line: area above the straight line between the two routes, over shares.
        possible: the same for questions sent in the best possible order.
        scored: whether the router gave scores; else the curve is a single point.
        costs: areas over random mixing at equal cost, by unit (`COSTS`); without units in which the dearer route costs
            no more, or that are not known of every question.
    """

    arm: Arm
    shares: tuple[float, ...]
    qualities: tuple[float, ...]
    tokens: tuple[float, ...]
    area: float
    over_line: Difference
    possible: float
    scored: bool
    costs: Mapping[str, CostArea]


@dataclass(frozen=True, slots=True)
class Mixing:
    """A router beside random mixing of the cheapest and the dearest route at the router's own cost.

    Attributes:
        arm: the router.
        gains: quality minus that of random mixing, by unit of cost; without units that are not known.
        curve: None for a router that takes a third route or one that is not known.
    """

    arm: Arm
    gains: Mapping[str, Difference]
    curve: DeferralCurve | None

    @property
    def figures(self) -> dict[str, float | None]:
        """The gains and areas over random mixing with bounds and p, by name."""
        found = {f"over_random_at_its_{unit}": one for unit, one in self.gains.items()}
        if self.curve is not None:
            found |= {f"area_over_random_{unit}": one.over_random for unit, one in self.curve.costs.items()}
        figures: dict[str, float | None] = {}
        for name, one in found.items():
            figures |= {name: one.mean, f"{name}_low": one.low, f"{name}_high": one.high, f"{name}_p": one.p}
        return figures


@dataclass(frozen=True, slots=True)
class _Costs:
    """Costs in one unit, by question: of both routes and of the router, and what sending on adds to the router's."""

    low: Sequence[float]
    high: Sequence[float]
    own: Sequence[float]
    steps: Sequence[float]
    extra: Sequence[float]

    @property
    def spans(self) -> list[float]:
        return [most - least for least, most in zip(self.low, self.high, strict=True)]


def mixing(group: RoutingGroup, arm: Arm) -> Mixing:
    """Returns a router's curve, and its gain over random mixing at its own cost."""
    names = group.of(arm)
    clusters = [group.clusters[name] for name in names]
    own, low, high = (list(qualities(one, names).values()) for one in (arm, group.cheap, group.dear))
    gains: dict[str, Difference] = {}
    for unit in COSTS:
        costs = _costs(group, arm, names, unit) if names else None
        if costs is not None:
            pairs = over_random_at_own_cost(
                own, low, high, clusters, costs=costs.own, cheap_costs=costs.low, dear_costs=costs.high
            )
            gains |= {unit: pairs.difference()} if pairs is not None else {}
    return Mixing(arm, gains, curve(group, arm))


def mixing_sentence(group: RoutingGroup, mixed: Mixing) -> str:
    """Returns a router's gain over random mixing at its own tokens in words; empty if it always takes one route."""
    gain = mixed.gains.get("tokens")
    if gain is None or gain.mean is None or len({*(mixed.arm.sent or {}).values()}) < 2:
        return ""
    change = f"{plain(gain.mean, 3, '+')}{bracketed(gain)}"
    return (
        f"At equal tokens, {mixed.arm.name} is {change} over sending questions to {group.cheap.name} and "
        f"{group.dear.name} at random."
    )


def curve(group: RoutingGroup, arm: Arm) -> DeferralCurve | None:
    """Returns a router's deferral curve between the cheapest and the most expensive fixed route.

    None for a router that took a third route or an unknown one, and for a wrapper whose first route is the dearer one.
    """
    names = [name for name in group.of(arm) if name in (arm.sent or {})]
    cheap, dear = group.cheap, group.dear
    if not names or not {(arm.sent or {})[name] for name in names} <= {cheap.name, dear.name}:
        return None
    if any(arm.outcomes[name].place == "first" and (arm.sent or {})[name] == dear.name for name in names):
        return None
    scores = {name: arm.outcomes[name].score for name in names}
    scored = arm.favours in (cheap.name, dear.name) and all(score is not None for score in scores.values())
    sign = -1.0 if arm.favours == cheap.name else 1.0
    order = {
        name: sign * (score or 0.0) if scored else float((arm.sent or {})[name] == dear.name)
        for name, score in scores.items()
    }
    low, high = qualities(cheap, names), qualities(dear, names)
    gains, orders = [high[name] - low[name] for name in names], list(order.values())
    clusters = [group.clusters[name] for name in names]
    over = area_over_random(gains, orders, clusters)
    possible = area_over_random(gains, gains, clusters)
    if over is None or possible is None:  # never: without costs, the dearer route is one question dearer
        return None
    areas = {}
    for unit in COSTS:
        costs = _costs(group, arm, names, unit)
        if costs is not None and (area := _area(gains, orders, clusters, costs)) is not None:
            areas[unit] = area
    line = fmean((low[name] + high[name]) / 2 for name in names)
    shares, heights, tokens = _points(group, arm, names, order)
    return DeferralCurve(
        arm, shares, heights, tokens, line + fmean(over.differences), over.difference(), fmean(possible.differences),
        scored, areas,
    )  # fmt: skip


def _area(gains: Sequence[float], order: Sequence[float], clusters: Sequence[str], costs: _Costs) -> CostArea | None:
    given = {"steps": costs.steps, "spans": costs.spans, "extra": costs.extra}
    found = area_over_random(gains, order, clusters, **given)
    best = area_over_random(gains, best_order(gains, costs.steps), clusters, **given)
    return None if found is None or best is None else CostArea(found.difference(), fmean(best.differences))


def _costs(group: RoutingGroup, arm: Arm, names: Sequence[str], unit: str) -> _Costs | None:
    """Returns the costs of both routes and of the router; None if a question's cost is not known."""
    found = [[_cost(one.outcomes[name], unit) for name in names] for one in (group.cheap, group.dear, arm)]
    known = [[cost for cost in own if cost is not None] for own in found]
    if any(len(own) < len(names) for own in known):
        return None
    low, high, own = known
    both = any(arm.outcomes[name].place for name in names)  # a wrapper is also charged for its first answer
    steps, extra = [], []
    for name, cheap, dear, paid in zip(names, low, high, own, strict=True):
        sent = (arm.sent or {}).get(name)
        if both:
            charged = cheap + dear if arm.outcomes[name].place == "then" else cheap
        else:
            charged = {group.cheap.name: cheap, group.dear.name: dear}.get(sent or "", paid)
        steps.append(dear if both else dear - cheap)
        extra.append(paid - charged)
    return _Costs(low, high, own, steps, extra)


def _cost(outcome: ArmOutcome, unit: str) -> float | None:
    return outcome.money if unit == "money" else outcome.prompt_tokens + outcome.completion_tokens


def _points(
    group: RoutingGroup, arm: Arm, names: Sequence[str], order: Mapping[str, float]
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Returns shares, qualities and tokens of a deferral curve that defers the highest scores first."""
    costs = _costs(group, arm, names, "tokens")
    steps = dict(zip(names, costs.steps, strict=True)) if costs else {}
    used = sum(costs.low) + sum(costs.extra) if costs else 0.0
    quality = sum(group.cheap.outcomes[name].quality or 0.0 for name in names)
    shares, heights, tokens, sent = [0.0], [quality / len(names)], [used / len(names)], 0
    levels: dict[float, list[str]] = {}
    for name in names:
        levels.setdefault(order[name], []).append(name)
    for level in sorted(levels, reverse=True):
        for name in levels[level]:
            quality += (group.dear.outcomes[name].quality or 0.0) - (group.cheap.outcomes[name].quality or 0.0)
            used += steps.get(name, 0.0)
        sent += len(levels[level])
        shares.append(sent / len(names))
        heights.append(quality / len(names))
        tokens.append(used / len(names))
    return tuple(shares), tuple(heights), tuple(tokens)
