"""Heat maps of scores over two numeric settings at once, such as top k and chunk size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ragvlc.analysis.axes import SettingGrid, grids, pooled
from ragvlc.analysis.drawing import WIDTH, blank, hover, label, look, spoken

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

    from ragvlc.analysis.pictures import Picture
    from ragvlc.results.loading import CellResult
    from ragvlc.statistics.intervals import Interval

__all__ = ["CAPTION", "draw", "heat_drawers"]

CAPTION = (
    "Each field is the mean score of one cell; brighter is higher, on one scale in all panels; empty: no such cell. "
    "Hovering says the 95 % intervals, which the tables have too: neighbouring fields often differ by chance."
)
COLOURS = "cividis"
"""Increases in lightness alike for all readers, colour-blind or not."""
STEPS = 48
"""Of the colours; from 51 on the bar beside the map would be an image instead of shapes."""
MOST_PANELS = 6
MOST_WRITTEN = 12
"""The most columns with the score written into each field."""


def heat_drawers(cells: Sequence[CellResult], metric: str) -> dict[str, Callable[[], Picture]]:
    """Returns the drawing function of the heat map of each pair of crossed settings, by name: `heat_k_size`."""
    found: dict[str, list[SettingGrid]] = {}
    for one in grids(cells):
        found.setdefault(f"heat_{one.names[0]}_{one.names[1]}", []).append(one)
    return {name: partial(draw, own, metric) for name, own in found.items()}


def draw(found: Sequence[SettingGrid], metric: str) -> Picture:
    """Returns a figure with a panel for each grid: the first setting across, the second upwards."""
    shown = list(found)[:MOST_PANELS]
    scores = [{at: pooled(cells, metric) for at, cells in grid.fields.items()} for grid in shown]
    means = [one.mean for panel in scores for one in panel.values() if one.mean is not None]
    scale = (min(means, default=0.0), max(means, default=1.0))
    of = f" ({MOST_PANELS} of {len(found)} grids; all are in the table)" if len(found) > len(shown) else ""
    with look():
        figure = blank(WIDTH, sum(0.32 * len({up for _, up in panel}) + 1.3 for panel in scores))
        places = [figure.add_subplot(len(shown), 1, number + 1) for number in range(len(shown))]
        for place, grid, panel in zip(places, shown, scores, strict=True):
            _panel(place, grid, panel, metric, scale)
            place.set_title(label(f"{metric}: {grid.label}{of if place is places[0] else ''}"))
        bar = figure.colorbar(places[0].collections[0], ax=places, label=label(f"{metric} (mean)"))
        bar.outline.set_visible(False)
    return figure


def _colours() -> Colormap:
    from matplotlib import colormaps

    return colormaps[COLOURS].resampled(STEPS)


def _panel(
    place: Axes, grid: SettingGrid, scores: dict[tuple[float, float], Interval], metric: str, scale: tuple[float, float]
) -> None:
    xs, ys = (sorted(set(values)) for values in zip(*scores, strict=True))
    rows = [[scores[x, y].mean if (x, y) in scores else None for x in xs] for y in ys]
    fields = [[float("nan") if value is None else value for value in row] for row in rows]
    place.pcolormesh(fields, cmap=_colours(), vmin=scale[0], vmax=scale[1], edgecolors="none")
    place.grid(visible=False)
    for up, row in enumerate(rows):
        for across, value in enumerate(row):
            one = scores.get((xs[across], ys[up]))
            if value is None or one is None:
                continue
            if len(xs) <= MOST_WRITTEN:
                dark = value < scale[0] + 0.55 * (scale[1] - scale[0])
                place.text(across + 0.5, up + 0.5, f"{value:.2f}", size=7.5, ha="center", va="center",
                           color="w" if dark else "k")  # fmt: skip
            facts = (f"{name}: {at:,.10g}" for name, at in zip(grid.names, (xs[across], ys[up]), strict=True))
            hover(place, (across + 0.5, up + 0.5), grid.label, *facts, spoken(one, metric), half=(0.5, 0.5))
    few = [number for number in range(len(xs)) if len(xs) <= MOST_WRITTEN or number % (len(xs) // 6) == 0]
    place.set_xticks([number + 0.5 for number in few], [f"{xs[number]:,.10g}" for number in few])
    place.set_yticks([number + 0.5 for number in range(len(ys))], [f"{y:,.10g}" for y in ys])
    place.set_xlabel(label(grid.words[0]))
    place.set_ylabel(label(grid.words[1]))
