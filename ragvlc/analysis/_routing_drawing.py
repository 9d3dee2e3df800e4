"""Figures of the router report: quality against tokens, and deferral curves.

routing_tokens     quality of fixed routes, routers and oracles against the tokens they need
routing_deferral   quality over the share of questions sent to the dearer route
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from ragvlc.analysis.drawing import INK, label, legend, look, mark, numbers, panels
from ragvlc.analysis.routing import RoutingReport, routing_reports

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ragvlc.results.loading import SweepResults

__all__ = ["CAPTIONS", "draw_deferral", "draw_tokens", "routing_drawers"]

MOST_PANELS = 6
CAPTIONS = {
    "routing_tokens": "Squares: fixed routes; dots: routers; hollow: oracles, which know the right answers. Bars: 95 % "
    "intervals; the intervals of differences, in the tables, are narrower.",
    "routing_deferral": "From the cheapest route only (left) to the most expensive only (right), in the order of each "
    "router's score; a router without scores is a single point in between.",
}


def routing_drawers(results: SweepResults, metric: str) -> dict[str, Callable[[], Figure]]:
    """Returns the drawing function of each figure, by name; empty for results without a router."""
    reports = routing_reports(results, metric, chosen=True)[:MOST_PANELS]
    if not reports:
        return {}
    found: dict[str, Callable[[], Figure]] = {"routing_tokens": partial(draw_tokens, reports)}
    if any(report.curves for report in reports):
        found["routing_deferral"] = partial(draw_deferral, [report for report in reports if report.curves])
    return found


def draw_tokens(reports: Sequence[RoutingReport]) -> Figure:
    """Returns a figure of quality against tokens; fixed routes are squares, routers dots, and oracles hollow marks."""
    names = list(dict.fromkeys(row.arm.name for report in reports for row in report.rows))
    with _drawing(reports, "Routers: quality against tokens") as (drawn, places):
        for place, report in places:
            for row in report.rows:
                colour, _ = mark(names.index(row.arm.name))
                low, high, mean = row.quality.low, row.quality.high, row.quality.mean or 0.0
                oracle = row.arm not in (*report.group.fixed, *report.group.routers)
                place.errorbar(
                    [row.tokens or 0.0], [mean],
                    yerr=None if low is None or high is None else [[max(0.0, mean - low)], [max(0.0, high - mean)]],
                    color=colour, marker="s" if row.arm.fixed else "D" if oracle else "o", markersize=7,
                    linestyle="none", elinewidth=1, alpha=0.9, markerfacecolor="none" if oracle else colour,
                    label=label(row.arm.name),
                )  # fmt: skip
            numbers(place, [row.tokens or 0.0 for row in report.rows], few=False)
            place.set_xlabel("tokens of a question, read and written (mean)")
    return drawn


def draw_deferral(reports: Sequence[RoutingReport]) -> Figure:
    """Returns a figure of quality over the share sent to the more expensive route; random choice is grey."""
    names = list(dict.fromkeys(one.arm.name for report in reports for one in report.curves))
    with _drawing(reports, "Deferral curves") as (drawn, places):
        for place, report in places:
            for one in report.curves:
                colour, marker = mark(names.index(one.arm.name))
                dots = "" if len(one.shares) > 12 else marker
                place.plot(
                    one.shares, one.qualities,
                    color=colour, marker=dots, markersize=5, linewidth=1.4, label=label(one.arm.name),
                )  # fmt: skip
            group = report.group
            ends = [arm.mean("quality", group.questions) or 0.0 for arm in (group.cheap, group.dear)]
            place.plot([0, 1], ends, color=INK, linestyle=(0, (4, 3)), linewidth=1, label="at random")
            place.set_xlabel(label(f"share of the questions sent to {group.dear.name}"))
    return drawn


@contextmanager
def _drawing(
    reports: Sequence[RoutingReport], title: str
) -> Iterator[tuple[Figure, Iterable[tuple[Axes, RoutingReport]]]]:
    """Yields a figure with one panel per report, and adds a legend below the panels on exit."""
    with look():
        drawn, places = panels([report.group.title for report in reports], title)
        for place, report in zip(places, reports, strict=True):
            place.set_ylabel(label(report.group.metric))
        yield drawn, zip(places, reports, strict=True)
        legend(drawn, places)
