"""The table of a paper: a row for each cell, with chosen columns of scores, differences, settings and costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragvlc.analysis import tables
from ragvlc.analysis.counts import questions_of, raced_note
from ragvlc.analysis.tables import Column, Entry, Table
from ragvlc.core.errors import ConfigError, nearest

if TYPE_CHECKING:
    from ragvlc.results.loading import CellResult, Comparison, SweepResults

__all__ = ["PaperColumn", "comparison_figures", "comparison_table", "paper_columns"]

MOST_METRICS = 3
"""The most metrics of the table when no column is chosen."""
USUAL_COSTS = ("prompt_tokens", "completion_tokens", "engine_seconds", "cost")
LOSSES = ("failed", "skipped", "no_answer", "truncated", "unparsed", "embedder_cut_chunks", "reranker_cut_passages")
"""Counts that change how scores are read: named below the table where they are no columns of it."""
DIFFERENCES = "Differences are question by question; brackets: 95 % interval of one comparison, by cluster."
PROBABILITY = "p: corrected for the number of rows (Holm)."
COSTS = "Tokens and seconds: mean of a question, as if its cell had run alone."
WORDS = {"cost": "money\nper 1000"}


@dataclass(frozen=True, slots=True)
class PaperColumn:
    """A column of the table.

    Attributes:
        name: as given to `--columns`.
        head: its title.
        entry: of a cell.
        value: of a cell, as a number, a word or None.
    """

    name: str
    head: str
    entry: Callable[[CellResult], Entry]
    value: Callable[[CellResult], Any]


def paper_columns(
    results: SweepResults, chosen: Sequence[str] = (), baseline: str | None = None
) -> tuple[PaperColumn, ...]:
    """Returns the chosen columns in their order.

    Known are the labels of metrics, `difference` and `p` (of the first metric; `difference:LABEL` of another), the
    paths of the settings that the axes vary, and the counts and costs of a cell. Without a choice: the first metrics,
    the difference and its p, and what a question costs.

    Raises:
        ConfigError: a name that no column has, or no such baseline.
    """
    known = _known(results, baseline)
    missing = [name for name in chosen if name not in known]
    if missing:
        raise ConfigError(
            [f"--columns: '{name}' is no column. Known: {', '.join(known)}.{nearest(name, known)}" for name in missing]
        )
    return tuple(known[name] for name in dict.fromkeys(chosen or _usual(results, known)))


def comparison_table(results: SweepResults, columns: Sequence[PaperColumn]) -> Table:
    """Returns the table of these columns; its note says what the brackets and signs mean."""
    rows = tuple((tables.title(cell), tuple(one.entry(cell) for one in columns)) for cell in results.cells)
    entries = [entry for _, row in rows for entry in row]
    shown = [one.name for one in columns if one.name in results.metrics]
    smaller = [
        label for label in shown if any(label in cell.facts.get("smaller_is_better", ()) for cell in results.cells)
    ]
    notes = [questions_of(results.cells)]
    notes += [tables.SCORES] if shown else []
    notes += [tables.SMALLER.format(labels=", ".join(smaller))] if smaller else []
    notes += [DIFFERENCES] if any(one.name.startswith("difference") for one in columns) else []
    notes += [PROBABILITY] if any(one.name == "p" or one.name.startswith("p:") for one in columns) else []
    notes += [tables.UNSETTLED] if any(entry.unsettled for entry in entries) else []
    notes += [raced_note(results.cells)] if any(entry.sequential for entry in entries) else []
    notes += [COSTS] if any(one.name in _summary_columns() for one in columns) else []
    notes += [tables.MONEY] if any(one.name == "cost" for one in columns) else []
    notes += [_hidden(results, [one.name for one in columns])]
    note = " ".join(one.strip() for one in notes if one.strip())
    return Table("Comparison", tuple(one.head for one in columns), rows, note)


def comparison_figures(results: SweepResults, columns: Sequence[PaperColumn]) -> list[dict[str, Any]]:
    """Returns the same as numbers, a row for each cell: of scores and differences also the bounds."""
    rows = []
    for cell in results.cells:
        row: dict[str, Any] = {"cell": cell.name, "pipeline": cell.facts["pipeline"], "complete": cell.complete}
        for one in columns:
            entry = one.entry(cell)
            row[one.name] = one.value(cell)
            if entry.score:
                row |= {f"{one.name}_low": entry.low, f"{one.name}_high": entry.high}
        rows.append(row)
    return rows


def _hidden(results: SweepResults, shown: Sequence[str]) -> str:
    """Returns a sentence with the losses that are no columns of the table."""
    counts = {name: sum(cell.summary.get(name) or 0 for cell in results.cells) for name in LOSSES if name not in shown}
    found = ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
    unfinished = sum(not cell.complete and cell.raced is None for cell in results.cells)
    words = f"Counted over all cells and not shown: {found}." if found else ""
    return f"{words} Cells not complete: {unfinished}.".strip() if unfinished else words


def _summary_columns() -> dict[str, Column]:
    return {one.name: one for one in (*tables.MORE_COLUMNS, *tables.LATENCIES)}


def _known(results: SweepResults, baseline: str | None) -> dict[str, PaperColumn]:
    """Returns every column by its name."""
    found = dict(_scores(results))
    found |= _differences(results, baseline)
    paths = list(dict.fromkeys(path for cell in results.cells for path in cell.facts["settings"]))
    last = [path.rpartition(".")[2] for path in paths]
    for path, word in zip(paths, last, strict=True):
        for name in [path, *([word] if last.count(word) == 1 else [])]:
            found.setdefault(name, PaperColumn(name, word, *_setting(path)))
    found.setdefault("questions", PaperColumn("questions", "questions", _asked, lambda cell: len(cell.rows)))
    for name, column in _summary_columns().items():
        if not (column.always or any(cell.summary.get(name) for cell in results.cells)):
            continue
        head = WORDS.get(name, column.head)
        found.setdefault(name, PaperColumn(name, head, _counted(column), _number(column)))
    return found


def _usual(results: SweepResults, known: Mapping[str, PaperColumn]) -> list[str]:
    names = list(results.metrics[:MOST_METRICS])
    names += [name for name in ("difference", "p") if name in known]
    return names + [name for name in USUAL_COSTS if any(cell.summary.get(name) for cell in results.cells)]


def _scores(results: SweepResults) -> dict[str, PaperColumn]:
    table = tables.scores(results)
    by_cell = {cell.name: row for cell, (_, row) in zip(results.cells, table.rows, strict=True)}

    def column(place: int, label: str) -> PaperColumn:
        def entry(cell: CellResult) -> Entry:
            return by_cell[cell.name][place]

        return PaperColumn(label, table.heads[place], entry, lambda cell: entry(cell).value)

    return {label: column(place, label) for place, label in enumerate(results.metrics)}


def _differences(results: SweepResults, baseline: str | None) -> dict[str, PaperColumn]:
    comparisons = results.comparisons(baseline)
    if not comparisons:
        return {}
    table = tables.differences(results, comparisons)
    compared = {one.cell for one in comparisons}
    cells = [cell.name for cell in results.cells if cell.name in compared]
    by_cell = {name: row for name, (_, row) in zip(cells, table.rows, strict=True)}
    p = {(one.cell, one.metric): one for one in comparisons}
    bases = dict.fromkeys(one.baseline for one in comparisons)
    to = f"to {next(iter(bases))}" if len(bases) == 1 else "to its baseline"

    def difference(name: str, place: int, label: str) -> PaperColumn:
        def entry(cell: CellResult) -> Entry:
            return by_cell[cell.name][place] if cell.name in by_cell else Entry()

        head = f"{label}\n{to}" if place else f"difference\n{to}"
        return PaperColumn(name, head, entry, lambda cell: entry(cell).value)

    found = {}
    for place, label in enumerate(results.metrics):
        for name in [f"difference:{label}", *(["difference"] if place == 0 else [])]:
            found[name] = difference(name, place, label)
        for name in [f"p:{label}", *(["p"] if place == 0 else [])]:
            found[name] = _probability(name, label, p)
    return found


def _probability(name: str, label: str, found: Mapping[tuple[str, str], Comparison]) -> PaperColumn:
    def value(cell: CellResult) -> float | None:
        one = found.get((cell.name, label))
        return None if one is None else one.p_holm

    def entry(cell: CellResult) -> Entry:
        p = value(cell)
        return Entry(word="<0.001") if p is not None and p < 0.0005 else Entry(p, digits=3)

    return PaperColumn(name, "p" if name == "p" else f"p of\n{label}", entry, value)


def _setting(path: str) -> tuple[Callable[[CellResult], Entry], Callable[[CellResult], Any]]:
    def value(cell: CellResult) -> Any:  # noqa: ANN401 - JSON
        return cell.facts["settings"].get(path)

    return lambda cell: Entry(word="-" if value(cell) is None else str(value(cell))), value


def _asked(cell: CellResult) -> Entry:
    return Entry(word=f"{len(cell.rows)}/{cell.summary['questions']}")


def _counted(column: Column) -> Callable[[CellResult], Entry]:
    return lambda cell: column.entry(cell.summary)


def _number(column: Column) -> Callable[[CellResult], Any]:
    def value(cell: CellResult) -> Any:  # noqa: ANN401 - a count or a number of seconds
        found = cell.summary.get(column.name)
        return None if found is None else found * column.times

    return value
