"""The HTML page on whether two sets of questions rank cells alike, in the style of a sweep's report."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragvlc.analysis.drawing import svg
from ragvlc.analysis.page import TEMPLATE, hovering
from ragvlc.analysis.rankings import CAPTION, RankedSets, draw, rank_tables, sentences
from ragvlc.core.errors import StoreError
from ragvlc.memo.disk import write_whole

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["RANKINGS", "rankings_page", "rankings_text", "write_rankings"]

RANKINGS = "rankings.html"
TITLE = "Do both sets of questions rank alike?"


def rankings_text(sets: RankedSets, metrics: tuple[str, ...], lines: list[str]) -> list[RenderableType]:
    """Returns the contents of `ragvlc rankings`: tables of each metric, then the outcomes in sentences."""
    from ragvlc.analysis.report import table_parts

    parts: list[RenderableType] = []
    for metric in metrics:
        parts += table_parts(rank_tables(sets, metric))
    for metric in metrics:
        parts += [*sentences(sets, metric), ""]
    return [*parts, *lines, *sets.left_out]


def write_rankings(sets: RankedSets, metrics: tuple[str, ...], lines: list[str], folder: Path) -> Path:
    """Writes the page into a results folder and returns its path. Raises `StoreError` if it cannot be written."""
    path = folder / RANKINGS
    try:
        write_whole(path, rankings_page(sets, metrics, lines).encode("utf-8", "replace"))
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}.") from error
    return path


def rankings_page(sets: RankedSets, metrics: tuple[str, ...], lines: list[str]) -> str:
    """Returns the page as text; all texts are escaped, and nothing is requested from anywhere."""
    import jinja2
    from markupsafe import Markup

    own = TEMPLATE.read_text(encoding="utf-8")
    style = re.search(r"<style>.*?</style>", own, re.DOTALL)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    template = environment.from_string(TEMPLATE.with_name("rankings.html").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = [
        {
            "metric": metric,
            "sentences": sentences(sets, metric),
            "tables": rank_tables(sets, metric),
            "figure": Markup(svg(draw(sets, metric), f"r{place}")),  # noqa: S704 - a drawing of ours, escaped
        }
        for place, metric in enumerate(metrics)
    ]
    return template.render(
        title=TITLE,
        page=hovering(),
        style=Markup(style[0] if style else ""),  # noqa: S704 - of our own template
        names=sets.names,
        metrics=found,
        caption=CAPTION,
        lines=[*lines, *sets.left_out],
    )
