"""Command `export`: writes results as files to hand in."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragvlc.cli.app import RUNS, ResultsArg, RunsOption, app, out, results_folder
from ragvlc.core.given_paths import path_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragvlc.analysis.export.export import Exported


@app.command()
def export(
    results: ResultsArg,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            help="Only latex, markdown, csv, parquet, figures or citations; may be repeated. By default, all.",
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(help="Columns of the table for a paper, as contains,difference,p,prompt_tokens."),
    ] = None,
    metric: Annotated[str | None, typer.Option(help="Metric of the figures; the first by default.")] = None,
    baseline: Annotated[str | None, typer.Option(help="Pipeline or cell to compare with.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Folder to write to; by default, export inside the results folder.")
    ] = None,
    runs: RunsOption = RUNS,
) -> None:
    r"""Write tables, figures and data for a paper, into runs/NAME/export by default.

    \b
    ragvlc export quickstart
    ragvlc export quickstart --to latex --columns contains,difference,p,prompt_tokens
    ragvlc export quickstart --to figures --metric token_f1 --out paper
    """
    from ragvlc.analysis.export.export import TO
    from ragvlc.sweep.derived import load_results

    loaded = load_results(results_folder(results, runs))
    written = loaded.export(
        None if folder is None else path_of(folder),
        to=tuple(to or TO),
        columns=[one.strip() for one in (columns or "").split(",") if one.strip()],
        metric=metric,
        baseline=baseline,
    )
    _print_written(written)


def _print_written(written: Sequence[Exported]) -> None:
    """Prints a line for each thing written, with the endings of its files."""
    endings: dict[tuple[Path, str], list[str]] = defaultdict(list)
    for one in written:
        endings[one.path.with_suffix(""), one.words].append(one.path.suffix)
    for (path, words), found in endings.items():
        out().print(f"{path}{', '.join(found)}: {words}", soft_wrap=True)
