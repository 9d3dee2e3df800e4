"""Figures of the router report: quality against tokens, and deferral curves.

routing_tokens     quality of fixed routes, routers and oracles against the tokens they need
routing_deferral   cost-quality curves: quality over tokens, as more questions go to the dearer route
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from ragvlc.analysis._routing_measures import SINGLE, Measures
from ragvlc.analysis.drawing import INK, bars, hover, label, legend, look, mark, numbers, panels, spoken, tie
from ragvlc.analysis.routing import RoutingReport, routing_reports

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ragvlc.analysis.pictures import Picture
    from ragvlc.results.loading import SweepResults

__all__ = ["CAPTIONS", "draw_deferral", "draw_tokens", "routing_drawers"]

MOST_PANELS = 6
CAPTIONS = {
    "routing_tokens": "Squares: fixed routes; dots: routers; hollow: oracles, which know the right answers. Bars: 95 % "
    "intervals; the intervals of differences, in the tables, are narrower.",
    "routing_deferral": "From the cheapest route only (left) to the most expensive only (right), in the order of each "
    "router's score; the mark is where the router is; one without scores has straight lines through its mark. Broken "
    "line: sending questions at random, at the same tokens. The area between, with its interval, is in the table.",
}


def routing_drawers(results: SweepResults, metric: str) -> dict[str, Callable[[], Picture]]:
    """Returns the drawing function of each figure, by name; empty for results without a router."""
    reports = routing_reports(results, metric, chosen=True)[:MOST_PANELS]
    if not reports:
        return {}
    found: dict[str, Callable[[], Picture]] = {"routing_tokens": partial(draw_tokens, reports)}
    if any(report.curves for report in reports):
        found["routing_deferral"] = partial(draw_deferral, [report for report in reports if report.curves])
    return found


def draw_tokens(reports: Sequence[RoutingReport]) -> Picture:
    """Returns a figure of quality against tokens; fixed routes are squares, routers dots, and oracles hollow marks."""
    names = list(dict.fromkeys(row.arm.name for report in reports for row in report.rows if row.arm.name != SINGLE))
    with _drawing(reports, "Routers: quality against tokens") as (drawn, places):
        for place, report in places:
            for row in report.rows:
                if row.arm.name == SINGLE:  # hardly ever apart from the best route
                    continue
                at = names.index(row.arm.name)
                colour, _ = mark(at)
                oracle = row.arm not in (*report.group.fixed, *report.group.routers)
                drawn_row = place.errorbar(
                    [row.tokens or 0.0], [row.quality.mean or 0.0], yerr=bars(row.quality),
                    color=colour, marker="s" if row.arm.fixed else "D" if oracle else "o", markersize=7,
                    linestyle="none", elinewidth=1, alpha=0.9, markerfacecolor="none" if oracle else colour,
                    label=label(row.arm.name),
                )  # fmt: skip
                tie(at, drawn_row)
                hover(place, (row.tokens or 0.0, row.quality.mean or 0.0), *_facts(report, row), series=at)
            numbers(place, [row.tokens or 0.0 for row in report.rows], few=False)
            place.set_xlabel("tokens of a question, read and written (mean)")
    return drawn


def draw_deferral(reports: Sequence[RoutingReport]) -> Picture:
    """Returns a figure of quality over tokens, as more questions go to the dearer route; random choice is grey."""
    names = list(dict.fromkeys(one.arm.name for report in reports for one in report.curves))
    with _drawing(reports, "Deferral curves") as (drawn, places):
        for place, report in places:
            at = {row.arm.name: (row.tokens or 0.0, row.quality.mean or 0.0) for row in report.rows}
            rows = {row.arm.name: row for row in report.rows}
            for one in report.curves:
                number = names.index(one.arm.name)
                colour, marker = mark(number)
                tie(number, place.plot(
                    one.tokens, one.qualities, color=colour, linewidth=1.4, alpha=0.9 if one.scored else 0.5
                ))  # fmt: skip
                tie(number, place.errorbar(
                    [at[one.arm.name][0]], [at[one.arm.name][1]], yerr=bars(rows[one.arm.name].quality), elinewidth=1,
                    color=colour, marker=marker, markersize=7, linewidth=1.4, label=label(one.arm.name),
                ))  # fmt: skip
                hover(place, at[one.arm.name], *_facts(report, rows[one.arm.name]), series=number)
            ends = [at[arm.name] for arm in (report.group.cheap, report.group.dear)]
            place.plot(
                [tokens for tokens, _ in ends], [quality for _, quality in ends],
                color=INK, linestyle=(0, (4, 3)), marker="s", markersize=5, linewidth=1, label="at random",
            )  # fmt: skip
            numbers(place, [tokens for one in report.curves for tokens in one.tokens], few=False, linear=True)
            place.set_xlabel("tokens of a question, read and written (mean)")
    return drawn


def _facts(report: RoutingReport, row: Measures) -> tuple[str, ...]:
    """Returns what hovering says of a route, router or oracle."""
    shares = ", ".join(f"{share:.0%} to {route}" for route, share in row.shares.items()) if row.shares else ""
    tokens = "" if row.tokens is None else f"{row.tokens:,.0f} tokens of a question"
    return row.arm.name, spoken(row.quality, report.group.metric), tokens, shares


@contextmanager
def _drawing(
    reports: Sequence[RoutingReport], title: str
) -> Iterator[tuple[Picture, Iterable[tuple[Axes, RoutingReport]]]]:
    """Yields a figure with one panel per report, and adds a legend below the panels on exit."""
    with look():
        drawn, places = panels([report.group.title for report in reports], title)
        for place, report in zip(places, reports, strict=True):
            place.set_ylabel(label(f"{report.group.metric} (mean)"))
        yield drawn, zip(places, reports, strict=True)
        legend(drawn, places)
