"""Command `export`: writes results as files to hand in."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragvlc.cli.app import RUNS, ResultsArg, RunsOption, app, out, results_folder
from ragvlc.core.errors import ConfigError
from ragvlc.core.given_paths import path_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragvlc.analysis.export.export import Exported


@app.command()
def export(  # noqa: PLR0913, PLR0917 - options of a command are parameters
    results: ResultsArg,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            help="Only latex, markdown, csv, parquet, figures, citations, bundle, model; all but model by default.",
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(help="Columns of the table for a paper, as contains,p,size; figures are of their first metric."),
    ] = None,
    baseline: Annotated[str | None, typer.Option(help="Pipeline or cell to compare with.")] = None,
    documents: Annotated[
        bool, typer.Option("--documents", help="Also put the texts of the documents into the bundle.")
    ] = False,
    cell: Annotated[
        str | None, typer.Option(help="Cell whose pipeline is the model; the best by the first metric by default.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Folder to write to; by default, export inside the results folder.")
    ] = None,
    runs: RunsOption = RUNS,
) -> None:
    """Write tables, figures, data and citations for a paper, and a bundle of the results for others."""
    from ragvlc.analysis.export.export import EVERYTHING
    from ragvlc.sweep.derived import load_results, stored_documents

    place = results_folder(results, runs)
    loaded = load_results(place)
    chosen = _listed("--to", ",".join(to)) if to else list(EVERYTHING)
    if documents and "bundle" not in chosen:
        raise ConfigError("--documents: are put into the bundle. Add --to bundle.")
    if cell and "model" not in chosen:
        raise ConfigError(f"--cell {cell}: is the cell of the model. Add --to model.")
    written = loaded.export(
        None if folder is None else path_of(folder),
        to=chosen,
        columns=[] if columns is None else _listed("--columns", columns),
        baseline=baseline,
        documents=stored_documents(place) if documents else None,
        cell=cell,
    )
    _print_written(written)


def _listed(option: str, given: str) -> list[str]:
    """Returns the words between commas. Raises `ConfigError` if there is none."""
    words = [one.strip() for one in given.split(",") if one.strip()]
    if not words:
        raise ConfigError(f"{option} '{given}': names nothing. Leave it out for the default.")
    return words


def _print_written(written: Sequence[Exported]) -> None:
    """Prints a line for each thing written, with the endings of its files."""
    endings: dict[tuple[Path, str], list[str]] = defaultdict(list)
    for one in written:
        endings[one.path.with_suffix(""), one.words].append(one.path.suffix)
    for (path, words), found in endings.items():
        out().print(f"{path}{', '.join(found)}: {words}", soft_wrap=True)
