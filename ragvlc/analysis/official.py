"""The figures that benchmarks' authors compute, beside the means: a table and a data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragvlc.analysis.tables import Entry, Table, title
from ragvlc.core.errors import ConfigError
from ragvlc.results.official import OfficialFigures, official_figures

if TYPE_CHECKING:
    import pandas as pd

    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["official_frame", "official_table"]

NOTE = (
    "By the rules of the benchmarks' authors: their units, rounding and denominators, to set beside published figures. "
    "Without intervals; those of the means are under Scores."
)


def official_table(results: SweepResults) -> Table | None:
    """Returns the table of official figures; None if no metric has any."""
    found = [(cell, _of(cell)) for cell in results.cells]
    problems = dict.fromkeys(f"{one.metric}: {one.problem}" for _, own in found for one in own if one.problem)
    heads = list(dict.fromkeys((one.metric, name) for _, own in found for one in own for name in one.figures))
    if not heads and not problems:
        return None
    rows = []
    for cell, own in found:
        figures = {(one.metric, name): value for one in own for name, value in one.figures.items()}
        rows.append((title(cell), tuple(Entry(figures.get(head), digits=2) for head in heads)))
    note = " ".join([NOTE, *(f"Not computed: {one}" for one in problems)])
    return Table("Official figures", tuple(f"{metric}\n{name}" for metric, name in heads), tuple(rows), note)


def official_frame(results: SweepResults, *, all_of_them: bool = True) -> pd.DataFrame:
    """Returns the official figures, a row for each; see `Results.official`.

    Args:
        results: with the cells.
        all_of_them: whether figures that cannot be computed raise `ConfigError`; else they are left out.
    """
    import pandas as pd

    rows = []
    for dataset, cells in results.by_dataset().items():
        for cell in cells:
            for one in _of(cell):
                if one.problem and all_of_them:
                    raise ConfigError(one.problem)
                rows += [(dataset, cell.name, one.metric, name, value) for name, value in one.figures.items()]
    return pd.DataFrame(rows, columns=["dataset", "cell", "metric", "figure", "value"])


def _of(cell: CellResult) -> list[OfficialFigures]:
    if "official" not in cell.memo:
        cell.memo["official"] = official_figures(cell)
    found: list[OfficialFigures] = cell.memo["official"]
    return found
