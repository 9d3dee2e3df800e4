"""Style of all figures: colours safe for colour-blind readers, on light and dark backgrounds."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer
    from matplotlib.figure import Figure

__all__ = ["FRONTIER", "INK", "early", "label", "legend", "look", "mark", "numbers", "panels", "svg"]

INK = "#6b6b6b"
"""Colour of text and axes, readable on white and on black; a page replaces it by its own."""
COLOURS = ("#1b7fc4", "#d55e00", "#009e73", "#c2649a", "#c08600", "#8f6fc4", "#3aa6c8")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
LONGEST = 64
"""The most characters of a label; the middle of longer ones is cut."""
WIDTH = 6.4
MOST_TICKS = 9
FRONTIER = "cost-quality frontier"


def look() -> AbstractContextManager[None]:
    """Returns a context manager for drawing figures in this style, regardless of the user's own settings."""
    import matplotlib as mpl

    return mpl.rc_context(
        {
            "text.color": INK,
            "axes.labelcolor": INK,
            "axes.edgecolor": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "grid.color": INK,
            "figure.facecolor": "none",
            "axes.facecolor": "none",
            "savefig.facecolor": "none",
            "font.family": ["DejaVu Sans"],  # comes with matplotlib: found everywhere
            "font.size": 9.5,
            "axes.titlesize": 10.5,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.25,
            "axes.axisbelow": True,
            "text.usetex": False,
            "svg.fonttype": "none",
            "svg.hashsalt": "ragvlc",
        }
    )


def panels(names: Sequence[str], title: str) -> tuple[Figure, list[Axes]]:
    """Returns a figure with one panel for each name, stacked vertically; a single panel shows only the title."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 3.3 * len(names) + 0.4), layout="constrained")
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
    """Returns a name prepared as a label: one line, of limited length, without TeX markup."""
    words = " ".join(text.split())
    if len(words) > LONGEST:
        words = f"{words[: LONGEST - 21]}…{words[-20:]}"
    # A dollar sign would begin a formula; a leading underscore would hide the entry from legends.
    words = words.replace("$", r"\$")
    return f" {words}" if words.startswith("_") else words


def legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """Draws one legend below all panels; the entry of the cost-quality frontier is last."""
    entries: dict[str, Any] = {}
    for one in axes:
        handles, labels = one.get_legend_handles_labels()
        entries |= {name: handle for handle, name in zip(handles, labels, strict=True) if name not in entries}
    entries = dict(sorted(entries.items(), key=lambda entry: entry[0] == FRONTIER))
    if not entries:
        return
    columns = 2 if max(map(len, entries)) <= 34 and len(entries) > 1 else 1
    figure.set_figheight(figure.get_figheight() + 0.2 * -(-len(entries) // columns))
    figure.legend(entries.values(), entries.keys(), loc="outside lower left", ncols=columns, frameon=False)


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


def svg(figure: Figure, name: str) -> str:
    """Returns a figure as an `svg` element for an HTML page, with selectable text in the page's colour and unique ids.

    Args:
        figure: drawn in this look.
        name: prefix of its ids, unique in the page.
    """
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with look(), warnings.catch_warnings():
        # Text measurement may need a glyph that the font lacks; the reader's browser will have one.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg [^>]*?)\bwidth="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg [^>]*?)\bheight="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", text)
    return text.replace(INK, "currentColor").strip()
