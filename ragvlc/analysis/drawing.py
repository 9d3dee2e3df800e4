"""Style of all figures: colours safe for colour-blind readers, on light and dark backgrounds."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ragvlc.analysis.pictures import COLOURS, INK, SERIES, Hover, blank, look, svg
from ragvlc.core.texts import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer

    from ragvlc.analysis.pictures import Picture
    from ragvlc.statistics.intervals import Interval

__all__ = [
    "FRONTIER", "INK", "Hover", "bars", "blank", "early", "hover", "label", "legend", "line", "look", "mark",
    "numbers", "panels", "place_names", "spoken", "svg", "tie", "within",
]  # fmt: skip

MARKERS = ("o", "s", "^", "D", "v", "P", "*", "X")
LONGEST = 64
"""The most characters of a label; the middle of longer ones is cut."""
WIDTH = 6.4
MOST_TICKS = 9
MOST_NAMES = 8
"""The most points named in a panel."""
SIDES = ((-8, 5, "right"), (8, 5, "left"), (8, -12, "left"), (-8, -12, "right"), (9, -3, "left"), (-9, -3, "right"))
"""Where the name of a point may be: distance across and up, in points, and which of its ends is at the point."""
FRONTIER = "cost-quality frontier"
_MARKS = re.compile(r"(?: \([^()]{1,40}\)){1,2}$")
"""Marks after a name, such as `(control)`: they are never cut."""
LEGEND_GRID = 34
"""The most characters of legend entries in two columns."""


def panels(names: Sequence[str], title: str) -> tuple[Picture, list[Axes]]:
    """Returns a picture with one panel for each name, stacked vertically; a single panel shows only the title."""
    figure = blank(WIDTH, 3.3 * len(names) + 0.4)
    found = [figure.add_subplot(len(names), 1, place + 1) for place in range(len(names))]
    for axes, name in zip(found, names, strict=True):
        axes.set_title(label(f"{title}: {name}" if len(names) > 1 else title))
    return figure, found


def mark(place: int) -> tuple[str, str]:
    """Returns the colour and the marker of the line with this number; combinations repeat after 56 lines."""
    return COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]


def early(bars: ErrorbarContainer) -> None:
    """Draws the bars of a cell without all questions as broken lines: its bounds are sequential."""
    _, _, lines = bars.lines
    for one in lines:
        one.set_linestyle((0, (3, 2)))


def label(text: str) -> str:
    """Returns a name prepared as a label: one line, of limited length, without TeX markup or hidden characters."""
    words = " ".join(visible(text).split())
    found = _MARKS.search(words)
    name = words[: found.start()] if found else words
    if len(name) > LONGEST:
        words = f"{name[: LONGEST - 21]}…{name[-20:]}{words[len(name) :]}"
    # A dollar sign would begin a formula; a leading underscore would hide the entry from legends.
    words = words.replace("$", r"\$")
    return f" {words}" if words.startswith("_") else words


def tie(series: int, *drawn: Any) -> None:  # noqa: ANN401 - artists, and containers of them
    """Marks what is drawn of a series, so that hovering one point of it highlights all of it."""
    for one in drawn:
        if hasattr(one, "set_gid"):
            one.set_gid(f"{SERIES}{series}")
        elif isinstance(one, Iterable):
            tie(series, *one)


def hover(
    place: Axes,
    at: tuple[float, float],
    *lines: str,
    series: int | None = None,
    half: tuple[float, float] | None = None,
) -> None:
    """Adds a place that says on hovering what it is.

    Args:
        place: axes of a picture.
        at: coordinates in its data.
        lines: the name, then one fact each; empty ones are left out.
        series: number of what is highlighted with it; see `tie`.
        half: half the width and height of a rectangle, in the data; a circle without it.
    """
    figure = place.get_figure()
    if figure is not None and hasattr(figure, "hovers"):
        figure.hovers.append(Hover(place, at, "\n".join(filter(None, lines)), series, half))


def spoken(interval: Interval, name: str = "", factor: float = 1.0) -> str:
    """Returns a value with its 95 % interval as a line of text: `contains 0.61 [0.45, 0.77], n = 30`."""
    if interval.mean is None:
        return ""
    mean, low, high = (None if one is None else one * factor for one in (interval.mean, interval.low, interval.high))
    bounds = "" if low is None or high is None else f" [{_short(low)}, {_short(high)}]"
    return f"{name} {_short(mean or 0.0)}{bounds}, n = {interval.n:,}".strip()


def bars(interval: Interval, factor: float = 1.0) -> list[list[float]] | None:
    """Returns the distances from the mean to the bounds, as error bars; None without bounds."""
    if interval.mean is None or interval.low is None or interval.high is None:
        return None
    low, high = interval.mean - interval.low, interval.high - interval.mean
    return [[max(0.0, low * factor)], [max(0.0, high * factor)]]


def line(
    place: Axes,
    at: int,
    name: str,
    points: Sequence[tuple[float, Interval, Sequence[str]]],
    *,
    hollow: bool = False,
    apart: Collection[float] = (),
    style: str | tuple[int, tuple[float, float]] = "-",
) -> None:
    """Draws means with their intervals, joined by a line, in the colour and with the marker of its number.

    Args:
        place: axes to draw in.
        at: number of the line; see `mark`.
        name: in the legend, and the first line on hovering.
        points: horizontal place, value, and facts to say on hovering.
        hollow: whether the marks are, as those of controls.
        apart: horizontal places that the caller marks in its own way.
        style: of the line.
    """
    colour, marker = mark(at)
    known = [(x, one) for x, one, _ in points if one.mean is not None]
    drawn = place.plot(
        [x for x, _ in known], [one.mean or 0.0 for _, one in known], color=colour, marker=marker, markersize=5,
        label=label(name), linestyle=style, markerfacecolor="none" if hollow else colour,
        markevery=[x not in apart for x, _ in known],
    )  # fmt: skip
    tie(at, drawn)
    for x, one in known:
        if x not in apart and (ends := bars(one)):
            # Wide bars of many lines cover each other: they are pale, and the figures are said on hovering.
            tie(
                at, place.errorbar([x], [one.mean or 0.0], yerr=ends, color=colour, alpha=0.4, elinewidth=1, fmt="none")
            )
    for x, one, facts in points:
        if one.mean is not None:
            hover(place, (x, one.mean), name, *facts, series=at)


def within(place: Axes) -> None:
    """Limits the score axis to the range from 0 to 1 if all drawn scores lie in that range."""
    low, high = place.get_ylim()
    drawn = place.dataLim
    if drawn.y0 >= 0 and drawn.y1 <= 1:
        place.set_ylim(max(low, -0.03), min(high, 1.03))


def legend(figure: Picture, axes: Sequence[Axes], *, tied: bool = True) -> None:
    """Draws one legend below all panels; the entry of the cost-quality frontier is last.

    Args:
        figure: of the panels.
        axes: panels.
        tied: whether hovering an entry highlights its series.
    """
    entries: dict[str, Any] = {}
    for one in axes:
        handles, labels = one.get_legend_handles_labels()
        entries |= {name: handle for handle, name in zip(handles, labels, strict=True) if name not in entries}
    entries = dict(sorted(entries.items(), key=lambda entry: entry[0] == FRONTIER))
    if not entries:
        return
    columns = 2 if max(map(len, entries)) <= LEGEND_GRID and len(entries) > 1 else 1
    figure.set_figheight(figure.get_figheight() + 0.2 * -(-len(entries) // columns))
    drawn = figure.legend(entries.values(), entries.keys(), loc="outside lower left", ncols=columns, frameon=False)
    for text, own, handle in zip(drawn.get_texts(), drawn.legend_handles, entries.values(), strict=True):
        artist = handle if hasattr(handle, "get_gid") else handle[0]
        group = None if artist is None else artist.get_gid()
        for part in (text, own):
            if tied and group and part is not None:
                part.set_gid(group)


def numbers(axes: Axes, values: Sequence[float], *, few: bool, linear: bool = False) -> None:
    """Sets the scale and ticks of the horizontal axis for these values; wide ranges are logarithmic.

    Args:
        axes: to set.
        values: that are drawn.
        few: whether they are settings, with a tick for each unless there are too many.
        linear: whether straight lines must stay straight, so that the scale is never logarithmic.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

    distinct = sorted(set(values))
    wide = not linear and bool(distinct) and distinct[0] > 0 and distinct[-1] / distinct[0] >= 8
    if wide:
        axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    if few and len(distinct) <= MOST_TICKS:
        axes.set_xticks(distinct)
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)) if wide else MaxNLocator(6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def place_names(place: Axes, named: Sequence[tuple[float, float, str]], avoid: Sequence[tuple[float, float]]) -> None:
    """Writes names beside points where they cover neither each other nor a point; the others say theirs on hovering.

    To be called when all else is drawn, since it needs the final scales.

    Args:
        place: axes to write in.
        named: points with their names, the most important first.
        avoid: all points that are drawn.
    """
    from matplotlib.transforms import Bbox

    figure: Any = place.get_figure()
    low, high = place.get_ylim()
    place.set_ylim(low, high + 0.07 * (high - low))  # names of the best points are above them
    figure.draw_without_rendering()
    whole = place.get_window_extent()
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in map(place.transData.transform, avoid)]
    for x, y, name in named[:MOST_NAMES]:
        for dx, dy, side in SIDES:
            text = place.annotate(
                label(name), (x, y), xytext=(dx, dy), textcoords="offset points", fontsize=8, ha=side
            )  # fmt: skip
            text.set_in_layout(False)
            box = text.get_window_extent().padded(2)
            inside = whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
