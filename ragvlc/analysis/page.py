"""A sweep's comparison as one self-contained HTML page: no requests, all texts escaped, one script.

The script shows figures' points on hovering, sorts tables and filters rows and questions; all else reads without it.

What was compared, the answer in sentences, tables, parts of the questions, figures, the questions that cells disagree
on most, failures and truncation, and how to reproduce it. It reads on a phone and on paper, in light and in dark.
"""

from __future__ import annotations

import platform
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragvlc.analysis import _sections as sections
from ragvlc.analysis import tables
from ragvlc.analysis._routing_drawing import CAPTIONS as ROUTING
from ragvlc.analysis.by_length import CAPTION as LENGTHS
from ragvlc.analysis.decision_words import decision_tables, sentences
from ragvlc.analysis.decisions import CellDecision, stored_decisions
from ragvlc.analysis.front import front_tables
from ragvlc.analysis.generated import captioned, generated_lines
from ragvlc.analysis.heat import CAPTION as HEAT
from ragvlc.analysis.length_words import CAPTION as EFFECTIVE
from ragvlc.analysis.length_words import length_verdicts
from ragvlc.analysis.money_tables import CAPTION as MONEY
from ragvlc.analysis.pictures import hover_files
from ragvlc.analysis.races import race_tables
from ragvlc.analysis.reading import CAPTION as READING
from ragvlc.analysis.speculation import CAPTION as SPECULATION
from ragvlc.analysis.verdict import DatasetVerdict, verdicts
from ragvlc.core.errors import ConfigError, StoreError
from ragvlc.core.yaml_text import parse_mapping
from ragvlc.memo.disk import write_whole

if TYPE_CHECKING:
    from markupsafe import Markup

    from ragvlc.results.loading import SweepResults

__all__ = ["PAGE", "TEMPLATE", "hovering", "html_page", "write_html"]

PAGE = "report.html"
TEMPLATE = Path(__file__).with_name("page.html")
_TABLES = Path(__file__).with_name("tables.js")
LIBRARIES = ("torch", "transformers", "sentence-transformers", "vllm", "bm25s", "mlflow")
REPLAY = ("replay",)
_OLD_SECONDS = 3600.0
"""Age of a part of a page whose writer was killed: it is removed."""
OF_ALL_METRICS = ("quality_tokens", "effective_length", "by_length", "over_", "heat_")
"""Prefixes of the figures drawn for the metrics after the first one too."""
OTHER_METRICS = 4
"""The most further metrics with figures of their own."""

COSTS = (
    "Each point is a cell, its bars the 95 % intervals; the broken line joins the cells that no cheaper cell beats. "
    "Pale: another cell scores higher and costs less, with 95 % confidence."
)
CAPTIONS = {
    "quality_tokens": f"{COSTS} Hollow: controls.",
    "quality_seconds": f"{COSTS} Seconds depend on the machine and its load.",
    "quality_money": f"{COSTS} At the prices given, without indexing and scoring.",
    "money_questions": MONEY,
    "effective_length": EFFECTIVE,
    "by_length": LENGTHS,
    "reading_cost": READING,
    **ROUTING,
    "speculation": SPECULATION,
    "position_document": "By known position of the answer in the documents; n: questions with a score. Bars: 95 % "
    "intervals.",
    "position_context": "By position of the evidence in the text that the cell sent; n differs from cell to cell. "
    "Bars: 95 % intervals.",
}
_WITH_BARS = ("quality_", "over_", "position_")
STOPPED = (
    " Hollow or dashed, too: cells that a race or search stopped early, on the questions asked of them; broken bars "
    "are sequential bounds, and their costs have none."
)
OVER = (
    "A line for each combination of the other settings; across: cells without this setting. Bars and shades: 95 % "
    "intervals."
)


@dataclass(frozen=True, slots=True)
class PageFigure:
    """A figure of the HTML report, with its caption."""

    svg: Markup
    caption: str


@dataclass(frozen=True, slots=True)
class FigureGroup:
    """Figures under one heading."""

    title: str
    figures: tuple[PageFigure, ...]


def write_html(
    results: SweepResults,
    baseline: str | None = None,
    texts: Mapping[str, str] | None = None,
    decisions: Sequence[CellDecision] | None = None,
) -> Path:
    """Writes the HTML report atomically into the results folder, and returns its path.

    Args:
        results: to report.
        baseline: a pipeline's or a cell's name; the sweep's own by default.
        texts: documents by id, if the data set can be loaded; without them, passages are shown by their positions.
        decisions: to begin with; by default that of the sweep's `decide`.

    Raises:
        ConfigError: nothing has the name `baseline`.
        StoreError: the folder cannot be written.
    """
    text = html_page(results, baseline, texts, decisions)
    path = results.folder / PAGE
    try:
        for part in path.parent.glob(f"{PAGE}.*.part"):
            with suppress(FileNotFoundError):  # another report has removed it
                if time.time() - part.stat().st_mtime > _OLD_SECONDS:
                    part.unlink()
        # Half a surrogate pair, which a model may write, is not valid UTF-8.
        write_whole(path, text.encode("utf-8", "replace"))
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}. The results are safe.") from error
    return path


def html_page(
    results: SweepResults,
    baseline: str | None = None,
    texts: Mapping[str, str] | None = None,
    decisions: Sequence[CellDecision] | None = None,
) -> str:
    """Returns the HTML report as text; see `write_html`."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    made = stored_decisions(results) if decisions is None else decisions
    return template.render(page=_page(results, baseline, texts or {}, made))


def _page(
    results: SweepResults, baseline: str | None, texts: Mapping[str, str], decisions: Sequence[CellDecision]
) -> dict[str, Any]:
    comparisons = results.comparisons(baseline)
    shown = [tables.scores(results)]
    shown += [tables.differences(results, comparisons)] if comparisons else []
    shown += [*race_tables(results), tables.costs(results, tables.MORE_COLUMNS)]
    replayed = _verbs(results.resolved) == REPLAY
    special = sections.special_tables(results)
    decided = decision_tables(results, decisions)
    shown += [] if decisions else front_tables(results, "tokens")
    return {
        "name": results.name,
        "description": _description(results.resolved),
        "compared": sections.compared(results),
        "generated": generated_lines(results),
        "incomplete": sections.incomplete(results),
        "decisions": [DatasetVerdict(one.dataset, one.ship, sentences(one)) for one in decisions],
        "verdicts": length_verdicts(results)
        + (sections.routing_verdicts(results) if replayed else verdicts(results, comparisons)),
        "controls": ", ".join(cell.name for cell in results.cells if cell.control),
        "tables": captioned(results, [*decided, *special, *shown] if replayed else [*decided, *shown, *special]),
        "breakdowns": sections.breakdowns(results, texts),
        "figures": _figures(results, texts),
        **hovering(),
        "metrics": results.metrics,
        "most_cells": sections.MOST_CELLS,
        "texts": bool(texts),
        "disagreements": sections.disputes(results, texts),
        "failures": sections.failures(results),
        "truncations": sections.truncations(results),
        "skipped": sections.skipped(results),
        "losses": sections.losses(results),
        "notes": sections.notes(results),
        "remarks": sections.remarks(results),
        "command": "\n".join(f"ragvlc {verb} {results.name}.yaml" for verb in _verbs(results.resolved)),
        "versions": _versions(),
        "resolved": results.resolved,
        "cells": [
            {**{name: cell.facts[name] for name in ("name", "key", "seed")}, "settings": _settings(cell.facts)}
            for cell in results.cells
        ],
    }


def _figures(results: SweepResults, texts: Mapping[str, str]) -> list[FigureGroup]:
    """Returns every figure of the first metric, and only the cost and axis figures of the other metrics."""
    from markupsafe import Markup

    from ragvlc.analysis.figures import drawers, svg

    groups, raced = [], any(cell.raced is not None for cell in results.cells)
    for place, metric in enumerate(results.metrics[: 1 + OTHER_METRICS]):
        drawn: list[PageFigure] = []
        for name, draw in drawers(results, metric, texts).items():
            if (
                place == 0
                or name in ("quality_tokens", "effective_length", "by_length")
                or name.startswith(("over_", "heat_"))
            ):
                # A drawing of ours with escaped texts.
                element = Markup(svg(draw(), f"f{place}-{len(drawn)}"))  # noqa: S704
                caption = CAPTIONS.get(name, HEAT if name.startswith("heat_") else OVER)
                drawn.append(PageFigure(element, caption + (STOPPED if raced and name.startswith(_WITH_BARS) else "")))
        if drawn:
            groups.append(FigureGroup(f"Figures for {metric}", tuple(drawn)))
    return groups


def hovering() -> dict[str, str]:
    """Returns the style and the script of pages, and the hash by which the page allows this script and no other."""
    from markupsafe import Markup

    style, script = hover_files()
    script += _TABLES.read_text(encoding="utf-8")
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return {"style": Markup(style), "script": Markup(script), "script_hash": digest}  # noqa: S704 - files of ours


def _verbs(resolved: str) -> tuple[str, ...]:
    """Returns the names of the commands that produce these results: `replay`, or `plan`, `run` and `report`."""
    return REPLAY if resolved.startswith("answers:") or "\nanswers:" in resolved else ("plan", "run", "report")


def _description(resolved: str) -> str:
    try:
        return str(parse_mapping(resolved, "sweep.yaml").get("description") or "")
    except ConfigError:  # edited by hand since: the page shows it as it is
        return ""


def _settings(facts: Mapping[str, Any]) -> str:
    repeat = [f"repeat {facts['repeat'] + 1}"] if facts["repeat"] else []
    return ", ".join([*(f"{path} = {value}" for path, value in facts["settings"].items()), *repeat]) or "as in the file"


def _versions() -> str:
    """Returns a sentence with the versions installed when the page is written; results do not record theirs."""
    found = []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    own = f"ragvlc {metadata.version('ragvlc')} on Python {platform.python_version()}"
    return f"This page was written by {own}, with {', '.join(found)} installed."
