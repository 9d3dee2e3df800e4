"""Report of `ragvlc fit-router`: the learned rule or the chosen threshold, and its gain on held-out documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ragvlc.analysis.cascades import (
    QUANTILES,
    CascadeEstimate,
    CascadePair,
    ThresholdPoint,
    area,
    chosen,
    curve,
    estimated,
)
from ragvlc.statistics.differences import Difference

if TYPE_CHECKING:
    from rich.table import Table

    from ragvlc.analysis.learning import Charge, Pairs
    from ragvlc.routing.fitting import Fitted

__all__ = ["cascade_report", "learned_report", "pairs_report"]

_SHOWN = 11
"""Number of points of a curve in a table."""
_UNITS = {"tokens": "1,000 tokens", "seconds": "seconds", "money": "money"}


def pairs_report(pairs: Pairs, metric: str) -> str:
    """Returns a sentence with the numbers of questions used and left out."""
    summary = f"{len(pairs.pairs)} questions with both answers, quality by {metric}"
    if pairs.charge.weight:
        summary += f", minus {pairs.charge.weight:g} per unit of cost ({_UNITS[pairs.charge.unit]})"
    left = ", ".join(f"{count} {reason}" for reason, count in sorted(pairs.left_out.items()))
    return f"{summary}. Left out: {left or 'none'}."


def learned_report(fitted: Fitted) -> Iterator[Table | str]:
    """Yields the report on a learned rule: first its estimated gain, then its weights."""
    found, (first, second) = fitted.estimate, fitted.rule.routes
    yield (
        f"'{first}' wins {found.wins[first]}, '{second}' wins {found.wins[second]}; {found.ties} ties "
        "were left out of training."
    )
    table = _table("on held-out documents", "mean value", f"share to {second}")
    for name in (first, second):
        table.add_row(f"always {name}", f"{found.fixed[name]:.4f}", "0.000" if name == first else "1.000")
    table.add_row("at random, same share", f"{found.by_chance:.4f}", f"{found.share:.3f}")
    table.add_row("learned", f"{found.learned:.4f}", f"{found.share:.3f}")
    table.add_row("question oracle", f"{found.oracle:.4f}", "")
    yield table
    folds = f"{found.folds} folds of {found.groups} documents"
    yield f"Learned router minus the route that is better on other documents, {folds}: {_gain(found.gain)}"
    if found.normalised_gain is not None:
        yield f"Share of the oracle's gain over the best fixed route: {found.normalised_gain:.1%}."
    if found.right is not None:
        yield f"Where the routes differ, the better one is chosen {found.right:.1%} of the time."
    yield _weights(fitted)


def cascade_report(
    rows: Sequence[CascadePair], charge: Charge, *, budget: float | None, seed: int
) -> Iterator[Table | str]:
    """Yields the report on a cascade: curve areas, points of the best curve, estimated gain, chosen threshold."""
    best = chosen(rows, weight=charge.weight, budget=budget)
    areas = _table("quantile", "area above random")
    for quantile in QUANTILES:
        mark = "  <" if quantile == best.quantile else ""
        areas.add_row(f"{quantile:.1f}", f"{area(curve(rows, quantile)):+.4f}{mark}")
    yield areas
    points = _table("threshold", "share to the second", "quality", f"cost ({_UNITS[charge.unit]})")
    for point in _some(curve(rows, best.quantile), best):
        mark = "  <" if point == best else ""
        points.add_row(
            f"{point.threshold:.4f}", f"{point.share:.3f}", f"{point.quality:.4f}", f"{point.cost:.4g}{mark}"
        )
    yield points
    yield from _cascade_estimate(estimated(rows, weight=charge.weight, budget=budget, seed=seed), charge)
    yield f"\nkind: cascade, quantile: {best.quantile:g}, threshold: {best.threshold:.5g}   # chosen on all questions"


def _cascade_estimate(found: CascadeEstimate, charge: Charge) -> Iterator[Table | str]:
    unit = f"cost ({_UNITS[charge.unit]})"
    table = _table("on held-out documents", "quality", unit, "share to the second")
    table.add_row("always the first", f"{found.fixed[0]:.4f}", f"{found.fixed_cost[0]:.4g}", "0.000")
    table.add_row("always the second", f"{found.fixed[1]:.4f}", f"{found.fixed_cost[1]:.4g}", "1.000")
    table.add_row("at random, same share", f"{found.by_chance:.4f}", "", f"{found.share:.3f}")
    table.add_row("cascade", f"{found.quality:.4f}", f"{found.cost:.4g}", f"{found.share:.3f}")
    table.add_row("question oracle", f"{found.oracle:.4f}", "", "")
    yield table
    half = f"thresholds chosen on the other half of {found.groups} documents"
    yield f"Cascade minus the route that is better on other documents, {half}: {_gain(found.gain)}"


def _gain(gain: Difference) -> str:
    if gain.mean is None or gain.low is None or gain.high is None:
        return "unknown."
    if gain.low > 0:
        verdict = "better"
    elif gain.high < 0:
        verdict = "worse"
    else:
        verdict = "no difference shown"
    return f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}], {verdict}."


def _weights(fitted: Fitted) -> Table:
    rule = fitted.rule
    table = _table("feature", f"weight towards {rule.routes[1]}")
    ordered = sorted(zip(rule.coefficients, rule.features, strict=True), key=lambda pair: -abs(pair[0]))
    for weight, name in ordered:
        table.add_row(name, f"{weight:+.3f}")
    return table


def _some(points: Sequence[ThresholdPoint], best: ThresholdPoint) -> list[ThresholdPoint]:
    """Returns the curve's points nearest to evenly spaced shares, including the first, the last and the best point."""
    wanted = {round(place * (len(points) - 1) / (_SHOWN - 1)) for place in range(_SHOWN)}
    return [point for place, point in enumerate(points) if place in wanted or point == best]


def _table(*columns: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    return table
