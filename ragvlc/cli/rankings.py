"""The command `rankings`: whether generated questions rank cells as people's questions do."""

from __future__ import annotations

from typing import Annotated

import typer

from ragvlc.cli.app import RUNS, ResultsArg, RunsOption, app, out, results_folder


@app.command()
def rankings(
    results: ResultsArg,
    second: Annotated[
        str,
        typer.Argument(help="Results over the generated questions; not needed if the first are over two data sets."),
    ] = "",
    metric: Annotated[
        list[str] | None, typer.Option("--metric", help="Label of a metric; repeatable. All that both have by default.")
    ] = None,
    alike: Annotated[
        float, typer.Option(min=0, max=1, help="Kendall correlation above which two sets rank alike.")
    ] = 0.5,
    runs: RunsOption = RUNS,
) -> None:
    """Say whether generated questions rank cells as people's questions do, and write it as an HTML page.

    Name the results over people's questions, then those of the same experiment over generated ones.
    """
    from ragvlc.analysis.generated import generated_lines
    from ragvlc.analysis.rankings import ranked_sets
    from ragvlc.analysis.rankings_page import rankings_text, write_rankings
    from ragvlc.sweep.derived import load_results

    first = load_results(results_folder(results, runs))
    other = load_results(results_folder(second, runs)) if second else None
    sets = ranked_sets(first, other, alike=alike)
    lines = [line for one in (first, other) if one is not None for line in generated_lines(one)]
    chosen = tuple(metric or sets.metrics)
    for part in rankings_text(sets, chosen, lines):
        out().print(part)
    page = write_rankings(sets, chosen, lines, (other or first).folder)
    out().print(f"The same with figures: {page}")
