"""Exports a sweep's results: tables, figures, a bundle and citations, each written whole.

export/tables/NAME.tex, .md          every table of the report, and `comparison`: the one for a paper
export/data/NAME.csv, .parquet       the same as numbers: comparison, cells, differences, answers
export/figures/NAME.svg, .pdf, .png  every figure of the report
export/RUN.zip                       the results for others; see `bundle`
export/model/                        the pipeline of one cell as an MLflow model, if asked for; see `model`
export/citations.bib                 of the methods, data sets and metrics that took part; see `citations`
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragvlc.analysis.decisions import stored_decisions
from ragvlc.analysis.drawing import look
from ragvlc.analysis.export.bundle import write_bundle
from ragvlc.analysis.export.citations import Citations, citations
from ragvlc.analysis.export.comparison import comparison_figures, comparison_table, paper_columns
from ragvlc.analysis.export.frames import csv_bytes, parquet_bytes
from ragvlc.analysis.export.latex import latex_table
from ragvlc.analysis.export.markdown import markdown_table
from ragvlc.analysis.export.model import winner, write_model
from ragvlc.analysis.figures import drawers
from ragvlc.analysis.official import official_frame, official_table
from ragvlc.analysis.report import report_tables
from ragvlc.analysis.tables import MORE_COLUMNS, Table
from ragvlc.core.errors import ConfigError, StoreError, nearest
from ragvlc.memo.disk import write_whole
from ragvlc.results.loading import Comparison

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ragvlc.core.data import Document
    from ragvlc.results.loading import SweepResults

__all__ = ["EVERYTHING", "TO", "Choices", "Exported", "export"]

EVERYTHING = ("latex", "markdown", "csv", "parquet", "figures", "citations", "bundle")
"""What is exported by default."""
TO = (*EVERYTHING, "model")
"""What can be exported."""
FIGURE_FORMATS = ("svg", "pdf", "png")
_METADATA = {"svg": {"Date": None, "Creator": "ragvlc"}, "pdf": {"CreationDate": None, "Creator": "ragvlc"}, "png": {}}


@dataclass(frozen=True, slots=True)
class Choices:
    """What to export, and how.

    Attributes:
        to: of `TO`; `EVERYTHING` by default.
        columns: of the table for a paper; see `paper_columns`. The first metric of them is that of the figures.
        baseline: pipeline or cell to compare with; the sweep's own by default.
        documents: for the bundle: those of each file of questions; none by default. See `bundle`.
        cell: whose pipeline is the model; the best one by default. See `model`.
    """

    to: tuple[str, ...] = EVERYTHING
    columns: tuple[str, ...] = ()
    baseline: str | None = None
    documents: Mapping[str, Iterable[Document]] | None = None
    cell: str | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """A written file.

    Attributes:
        path: of it.
        words: what it holds.
    """

    path: Path
    words: str


def export(results: SweepResults, folder: str | Path | None = None, choices: Choices | None = None) -> list[Exported]:
    """Writes what is chosen into a folder, `export` inside the results folder by default; returns what was written.

    Raises:
        ConfigError: an unknown format, column or baseline; nothing is written then.
        StoreError: the folder cannot be written.
    """
    chosen = choices or Choices()
    if unknown := [one for one in chosen.to if one not in TO]:
        known = ", ".join(TO)
        raise ConfigError([f"--to {one}: is no format. Known: {known}.{nearest(one, TO)}" for one in unknown])
    paper_columns(results, chosen.columns, chosen.baseline)
    best = winner(results, chosen.cell) if "model" in chosen.to else None
    place = results.folder / "export" if folder is None else Path(folder)
    written = []
    for name, content, words in _files(results, chosen):
        path = place / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)
        except OSError as error:
            raise StoreError(f"{path}: cannot be written: {error.strerror or error}. The results are safe.") from error
        written.append(Exported(path, words))
    if "bundle" in chosen.to:
        path = place / f"{_slug(results.name)}.zip"
        found = write_bundle(path, results, chosen.documents)
        inside = "with the texts of the documents" if found.documents else "without the texts of documents"
        written.append(Exported(path, f"the results for others, {inside}; left out: {found.words}"))
    if best is not None:
        write_model(place / "model", results, best)
        written.append(Exported(place / "model", f"MLflow model of {best.name}: mlflow models serve -m ..."))
    return written


def _files(results: SweepResults, chosen: Choices) -> Iterator[tuple[str, bytes, str]]:
    """Yields name, content and description of each file."""
    if {"latex", "markdown"} & set(chosen.to):
        yield from _tables(results, chosen)
    if {"csv", "parquet"} & set(chosen.to):
        yield from _data(results, chosen)
    if "figures" in chosen.to:
        yield from _figures(results, next((one for one in chosen.columns if one in results.metrics), None))
    if "citations" in chosen.to:
        found = citations(results)
        yield "citations.bib", found.bibtex.encode("utf-8", "replace"), _cited(found)


def _tables(results: SweepResults, chosen: Choices) -> Iterator[tuple[str, bytes, str]]:
    columns = paper_columns(results, chosen.columns, chosen.baseline)
    made = [comparison_table(results, columns)]
    made += report_tables(results, chosen.baseline, stored_decisions(results), MORE_COLUMNS)
    for name, table in _named(made):
        words = f"{table.title}: {_several(len(table.rows), 'row')}, {_several(len(table.heads), 'column')}"
        if "latex" in chosen.to:
            text = latex_table(table, f"{_slug(results.name)}-{name}", results.name)
            unknown = len(set(re.findall(r"\\ragvlcchar\{(.)\}\{", text)))
            hint = f"; {unknown} characters need XeLaTeX or LuaLaTeX: pdflatex shows their numbers" if unknown else ""
            yield f"tables/{name}.tex", text.encode("utf-8", "replace"), words + hint
        if "markdown" in chosen.to:
            yield f"tables/{name}.md", markdown_table(table).encode("utf-8", "replace"), words


def _data(results: SweepResults, chosen: Choices) -> Iterator[tuple[str, bytes, str]]:
    import pandas as pd

    columns = paper_columns(results, chosen.columns, chosen.baseline)
    frames: dict[str, tuple[Callable[[], pd.DataFrame], str]] = {
        "comparison": (lambda: pd.DataFrame(comparison_figures(results, columns)), "the chosen columns as numbers"),
        "cells": (results.table, "every figure of every cell"),
        "differences": (lambda: _differences(results, chosen.baseline), "every difference to the baseline"),
        "answers": (results.frame, "every question of every cell: answer, scores, tokens, seconds"),
    }
    if official_table(results) is not None:
        figures = official_frame(results, all_of_them=False)
        frames["official"] = (lambda: figures, "every figure by the rules of a benchmark's authors")
    writers: Mapping[str, Callable[[pd.DataFrame], bytes]] = {"csv": csv_bytes, "parquet": parquet_bytes}
    for name, (make, words) in frames.items():
        frame = make()
        for ending, write in writers.items():
            if ending in chosen.to:
                yield f"data/{name}.{ending}", write(frame), f"{words}, {_several(len(frame), 'row')}"


def _differences(results: SweepResults, baseline: str | None) -> pd.DataFrame:
    import pandas as pd

    names = [one.name for one in fields(Comparison)]
    return pd.DataFrame([asdict(one) for one in results.comparisons(baseline)], columns=names)


def _figures(results: SweepResults, metric: str | None) -> Iterator[tuple[str, bytes, str]]:
    for name, draw in drawers(results, metric).items():
        figure = draw()
        for ending in FIGURE_FORMATS:
            yield f"figures/{_slug(name)}.{ending}", _drawn(figure, ending), f"figure {name}"


def _cited(found: Citations) -> str:
    """Returns what a file of citations holds, and what it lacks."""
    words = f"BibTeX of {_several(len(found.works), 'work')}"
    words += f"; of {_several(len(found.unknown), 'work')} only the number or address is known" if found.unknown else ""
    unread = (
        f"; {_several(len(found.unread), 'part')} could not be read here: see its first lines" if found.unread else ""
    )
    return words + unread


def _drawn(figure: Figure, ending: str) -> bytes:
    import warnings

    import matplotlib as mpl

    buffer = io.BytesIO()
    metadata: dict[str, Any] = _METADATA[ending]
    with look(), mpl.rc_context({"pdf.fonttype": 42}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a font may lack a letter of a name
        figure.savefig(buffer, format=ending, dpi=200, metadata=metadata)
    return buffer.getvalue()


def _named(made: Sequence[Table]) -> list[tuple[str, Table]]:
    """Returns the tables with names of files, each once."""
    found: dict[str, Table] = {}
    for table in made:
        name = "differences" if table.title.startswith("Difference") else _slug(table.title)
        number = 1
        while (unique := name if number == 1 else f"{name}-{number}") in found:
            number += 1
        found[unique] = table
    return list(found.items())


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()[:48].rstrip("-") or "unnamed"


def _several(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
