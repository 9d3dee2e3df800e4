"""A whole HTML page inside a notebook's output, and the summary that a sweep's results show of themselves."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ragvlc import config
from ragvlc.analysis import tables
from ragvlc.analysis._sections import compared, incomplete
from ragvlc.analysis.decision_words import sentences
from ragvlc.analysis.decisions import stored_decisions
from ragvlc.analysis.export.bundle import bundled_texts
from ragvlc.analysis.generated import captioned
from ragvlc.analysis.verdict import answer_sentence, shown_cells
from ragvlc.core.errors import RagvlcError
from ragvlc.core.yaml_text import parse_mapping
from ragvlc.documents.dataset import Dataset

if TYPE_CHECKING:
    from ragvlc.analysis.tables import Table
    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["EmbeddedPage", "stored_texts", "summary"]

log = logging.getLogger("ragvlc")

MOST_ROWS = 16
STYLE = (
    ".ragvlc-summary th, .ragvlc-summary td { text-align: right; padding: .2rem .6rem; vertical-align: top; "
    "font-variant-numeric: tabular-nums; } .ragvlc-summary tr > :first-child { text-align: left; } "
    ".ragvlc-summary small { opacity: .75; }"
)


@dataclass(frozen=True, slots=True)
class EmbeddedPage:
    """A self-contained page that a notebook shows in a frame of its own, so that it touches nothing else.

    Attributes:
        html: the whole page.
        words: what it shows, in a line.
        height: of the frame in pixels.
    """

    html: str
    words: str
    height: int

    def save(self, path: str | Path) -> Path:
        """Writes the page into a file and returns its path."""
        file = Path(path)
        file.write_text(self.html, encoding="utf-8", errors="replace")
        return file

    def __repr__(self) -> str:
        """Returns what a viewer without HTML shows."""
        size = len(self.html.encode("utf-8", "replace")) / 1000
        return f"<{self.words}: a page of {size:,.0f} kB; run the cell to see it>"

    def _repr_html_(self) -> str:
        source = escape(self.html, quote=True)
        style = f"box-sizing: border-box; width: 100%; height: {self.height}px; resize: vertical;"
        style += " border: 1px solid #8884; border-radius: 4px"
        return (
            f'<iframe srcdoc="{source}" title="{escape(self.words)}" sandbox="allow-scripts" style="{style}"></iframe>'
        )


def stored_texts(results: SweepResults) -> dict[str, str] | None:
    """Returns the documents' texts by id, read again; None for several data sets, or if they cannot be read.

    Without a text pages show positions instead of passages, and a line of the log says why.
    """
    if len(results.by_dataset()) > 1:
        return None
    if (bundled := bundled_texts(results.folder)) is not None:
        return bundled
    try:
        given = parse_mapping(results.resolved, "sweep.yaml").get("dataset")
        if not isinstance(given, Mapping):
            log.info("the report shows positions instead of passages: a replay does not load its documents again")
            return None
        source = f"{results.folder / 'sweep.yaml'}: dataset"
        dataset: Dataset = config.build(Dataset, given, source, results.folder)  # type: ignore[type-abstract]
        examples = dataset.load()
    except RagvlcError as error:
        log.info("the report shows positions instead of passages: %s", error)
        return None
    stored = results.cells[0].examples if results.cells else {}
    own = [one for one in examples if one.id not in stored or stored[one.id]["key"] == one.key]
    if len(own) < len(examples):
        log.info(
            "the report shows positions instead of passages for %d questions: their documents have changed since",
            len(examples) - len(own),
        )
    return {document.id: document.text for example in own for document in example.documents}


def summary(results: SweepResults) -> str:
    """Returns what was compared, the answer in sentences, and the table of scores, as HTML without scripts."""
    if not results.cells:
        return f"<p>{escape(results.name)}: no cells yet. Run the experiment.</p>"
    made = stored_decisions(results)
    comparisons = results.comparisons()
    lines = [sentence for one in made for sentence in sentences(one)] or answer_sentence(results, comparisons).split(
        "\n"
    )
    lines = [f"<strong>{escape(line)}</strong>" for line in lines[:1]] + [escape(line) for line in lines[1:]]
    lines += [escape(line) for line in (*incomplete(results), compared(results))]
    table, left = _best_rows(results)
    lines += [f"{left} more cells: <code>results.table()</code>."] if left else []
    shown = f'<div class="ragvlc-summary"><style>{STYLE}</style><h4>{escape(results.name)}</h4>'
    return shown + "".join(f"<p>{line}</p>" for line in lines) + _table(table) + "</div>"


def _best_rows(results: SweepResults) -> tuple[Table, int]:
    """Returns the table of scores and costs, of the best cells where there are many, and the number of the others."""
    [whole] = captioned(results, [tables.scores(results)])
    if len(results.cells) <= MOST_ROWS:
        return whole, 0
    best: list[CellResult] = []
    groups = list(results.by_dataset().values())
    for cells in groups:
        best += shown_cells(cells, results.metric(), max(2, MOST_ROWS // len(groups)))
    chosen = [row for cell, row in zip(results.cells, whole.rows, strict=True) if cell in best]
    return replace(whole, rows=tuple(chosen)), len(whole.rows) - len(chosen)


def _table(table: Table) -> str:
    heads = "".join(f"<th>{escape(head)}</th>" for head in ("", *table.heads))
    rows = ""
    for name, entries in table.rows:
        figures = [_figure(one.text, one.interval, best=one.best) for one in entries]
        rows += f"<tr><td>{escape(name)}</td>{''.join(figures)}</tr>"
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _figure(text: str, interval: str, *, best: bool) -> str:
    shown = f"<b>{escape(text)}</b>" if best else escape(text)
    return f"<td>{shown} <small>{escape(interval)}</small></td>"
