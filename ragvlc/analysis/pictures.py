"""Figures that show themselves: matplotlib figures that notebooks display without a magic line, with hovering.

A picture is an ordinary `matplotlib.figure.Figure`: `savefig` and `axes` work as ever. It also has `svg`, `png` and
`pdf`, and tells notebooks how to show it: as an SVG whose points say on hovering what they are, and as a PNG where a
page shows no SVG. The SVG reads without scripts too: browsers show the texts of points as their own tooltips.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["INK", "Hover", "Picture", "blank", "hover_files", "look", "svg"]

COLOURS = ("#0d6ba5", "#b94200", "#00a16b", "#c27fa9", "#d67f00", "#9b83e6", "#775e6b")
"""Near the set of Okabe and Ito, changed until each has a contrast of 3 with white and with a dark page, and any two
are 20 apart in CIELAB for readers with protanopia, deuteranopia or tritanopia (a test computes it)."""
DARK = ("#4684b5", "#d2591f", "#3ebd81", "#e7a8d1", "#f0a63a", "#b3a2f8", "#9c848f")
"""The same for dark pages: each has a contrast of 4 with them."""
INK = "#6b6b6b"
"""Colour of text and axes, readable on white and on black; a page replaces it by its own."""
SERIES = "series-"
"""Prefix of the group id of everything drawn of one series, and its number."""
RADIUS = 7.0
"""Of the circle around a point in which it is hovered, in points of the SVG."""
STYLE, SCRIPT = (Path(__file__).with_name(name) for name in ("hover.css", "hover.js"))
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
_numbers = count(1)


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


@dataclass(frozen=True, slots=True)
class Hover:
    """A place of a figure that says on hovering what it is.

    Attributes:
        place: axes that it lies in.
        at: its coordinates in the data of the axes.
        text: one fact a line, the name first.
        series: number of what is highlighted with it; None for a place of its own.
        half: half the width and height of a rectangle, in the data of the axes; None for a circle.
    """

    place: Axes
    at: tuple[float, float]
    text: str
    series: int | None = None
    half: tuple[float, float] | None = None


class _Shown:
    """What a picture has in addition to a matplotlib figure."""

    @property
    def hovers(self) -> list[Hover]:
        """Places that say on hovering what they are."""
        found: list[Hover] = self.__dict__.setdefault("_hovers", [])
        return found

    def svg(self) -> str:
        """Returns the figure as an SVG file, with text as text; browsers show what its points are on hovering."""
        text = self._saved("svg", metadata=_NO_METADATA).decode("utf-8")
        text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
        text = re.sub(rf'\bid="{SERIES}(\d+)"', r'data-series="\1"', text)
        return f"{text.rstrip().removesuffix('</svg>')}{_hits(cast('Figure', self), self.hovers)}</svg>\n"

    def element(self, name: str) -> str:
        """Returns an `svg` element for an HTML page: as wide as it may be, with text and colours of the page.

        Args:
            name: prefix of its ids, unique in the page.
        """
        text = self.svg()
        text = text[text.index("<svg") :]
        text = re.sub(r'(<svg [^>]*?)\bwidth="[^"]*"', r"\1", text, count=1)
        text = re.sub(r'(<svg [^>]*?)\bheight="[^"]*"', r"\1", text, count=1)
        text = re.sub(r'\bid="', f'id="{name}-', text)
        text = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", text)
        for number, colour in enumerate(COLOURS):
            text = text.replace(colour, f"var(--ragvlc-{number}, {colour})")
        return text.replace(INK, "currentColor").strip()

    def png(self, dpi: int = 100) -> bytes:
        """Returns the figure as a PNG file with a transparent background."""
        return self._saved("png", dpi=dpi)

    def pdf(self) -> bytes:
        """Returns the figure as a PDF file."""
        return self._saved("pdf", metadata={"CreationDate": None})

    def html(self) -> str:
        """Returns an HTML element that shows the figure with hovering wherever it is put, as in a notebook's output."""
        text = self.element(f"ragvlc-{next(_numbers)}")
        style, script = hover_files()
        return f'<div class="ragvlc-figure"><style>{style}</style>{text}<script>{script}</script></div>'

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
    ) -> dict[str, Any]:
        """Returns what notebooks show: HTML with hovering, else a PNG, else a line of text."""
        makers: dict[str, Callable[[], str | bytes]] = {
            "text/plain": lambda: repr(self),
            "image/png": self.png,
            "text/html": self.html,
        }
        wanted = [one for one in makers if include is None or one in set(include)]
        return {one: makers[one]() for one in wanted if one not in set(exclude or ())}

    def _saved(self, kind: str, **settings: Any) -> bytes:  # noqa: ANN401 - those of savefig
        buffer = io.BytesIO()
        with look(), warnings.catch_warnings():
            # Text measurement may need a glyph that the font lacks; the reader's browser will have one.
            warnings.filterwarnings("ignore", message="Glyph")
            cast("Figure", self).savefig(buffer, format=kind, **settings)
        return buffer.getvalue()


if TYPE_CHECKING:

    class Picture(_Shown, Figure):
        """A matplotlib figure that notebooks display, with `svg`, `png`, `pdf`, `element` and `html`."""


@cache
def _picture() -> type[Picture]:
    from matplotlib.figure import Figure

    return cast("type[Picture]", type("Picture", (_Shown, Figure), {"__doc__": "A matplotlib figure that shows."}))


def blank(width: float, height: float) -> Picture:
    """Returns an empty picture of this size in inches; to be called in this `look`."""
    return _picture()(figsize=(width, height), layout="constrained")


def svg(figure: Picture, name: str) -> str:
    """Returns a figure as an `svg` element for an HTML page; see `Picture.element`."""
    return figure.element(name)


@cache
def hover_files() -> tuple[str, str]:
    """Returns the style sheet and the script of hovering, needed once in a page; a second script does nothing."""
    dark = " ".join(f"--ragvlc-{number}: {colour};" for number, colour in enumerate(DARK))
    style = f"@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n{STYLE.read_text(encoding='utf-8')}"
    return style, SCRIPT.read_text(encoding="utf-8")


def _hits(figure: Figure, hovers: Iterable[Hover]) -> str:
    """Returns the transparent shapes over the drawn points; the figure must have been drawn, so that it is laid out."""
    width, height = figure.get_size_inches() * 72
    across, up = figure.bbox.size
    found = []
    for one in hovers:
        x, y = one.place.transData.transform(one.at)
        left, top = x / across * width, (1 - y / up) * height
        series = "" if one.series is None else f' data-series="{one.series}"'
        if one.half is None:
            shape = f'circle cx="{left:.1f}" cy="{top:.1f}" r="{RADIUS:g}"'
        else:
            corner = one.place.transData.transform((one.at[0] + one.half[0], one.at[1] + one.half[1]))
            w, h = (abs(float(corner[0] - x)) / across * width, abs(float(corner[1] - y)) / up * height)
            shape = f'rect x="{left - w:.1f}" y="{top - h:.1f}" width="{2 * w:.1f}" height="{2 * h:.1f}"'
        tag = shape.partition(" ")[0]
        found.append(f'<{shape} class="hit"{series}><title>{_clean(one.text)}</title></{tag}>')
    return f'<g class="hits" fill="none" stroke="none" pointer-events="all">{"".join(found)}</g>' if found else ""


def _clean(text: str) -> str:
    """Returns a text escaped for XML, without characters that XML does not allow."""
    return escape("".join(one for one in text if one in "\n\t" or (ord(one) >= 32 and not 0xD800 <= ord(one) < 0xE000)))
