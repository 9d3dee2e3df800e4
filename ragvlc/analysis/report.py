"""A sweep's comparison as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ragvlc.sweep.results import CellResult, Comparison, Results

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

__all__ = ["answer_sentence", "terminal_report"]

NOTE = (
    "Intervals are 95 % bootstrap intervals, resampled by cluster (questions over one document count together); p is a "
    "paired sign-flip test by cluster, corrected by Holm over the cells of the table. Failed questions score 0. Tokens "
    "and seconds are means a question, charged as if each cell ran alone."
)


def terminal_report(results: Results, baseline: str | None = None) -> list[RenderableType]:
    """Returns what `ragvlc report` prints: scores, differences and costs, and the answer in a sentence."""
    comparisons = results.comparisons(baseline)
    parts: list[RenderableType] = [_scores(results), _costs(results)]
    if comparisons:
        parts.insert(1, _differences(results, comparisons))
    return [*parts, answer_sentence(results, comparisons), "", NOTE]


def answer_sentence(results: Results, comparisons: Sequence[Comparison]) -> str:
    """Returns which cell scored best on the first metric, how it compares with the baseline, and how sure that is."""
    metric = results.metrics[0]
    rivals = [cell for cell in results.cells if not cell.facts["control"] and _mean(cell, metric) is not None]
    if not rivals:
        return f"No cell has a score for {metric} yet."
    best = max(rivals, key=lambda cell: _mean(cell, metric) or 0.0)
    text = f"Best {metric}: {best.name}, {_mean(best, metric):.3f}."
    for one in comparisons:
        if one.cell == best.name and one.metric == metric and one.difference is not None:
            sure = "" if one.p_holm is None else f", p = {one.p_holm:.3f}"
            text += f" Against {one.baseline}: {_signed(one.difference, one.low, one.high)}{sure}"
            decided = one.p_holm is not None and one.p_holm < 0.05
            text += "." if decided else f": not settled by {one.n} questions in {one.clusters} clusters."
    return text


def _scores(results: Results) -> RenderableType:
    table = _table("Scores", ["", *results.metrics])
    for cell in results.cells:
        metrics: Mapping[str, Any] = cell.summary["metrics"]
        table.add_row(_title(cell), *[_interval(metrics[label]) for label in results.metrics])
    return table


def _differences(results: Results, comparisons: Sequence[Comparison]) -> RenderableType:
    names = {one.baseline for one in comparisons}
    against = next(iter(names)) if len(names) == 1 else "the baseline"
    table = _table(f"Difference to {against}", ["", *results.metrics, f"p ({results.metrics[0]})"])
    found = {(one.cell, one.metric): one for one in comparisons}
    for cell in results.cells:
        own = [found.get((cell.name, label)) for label in results.metrics]
        if any(own):
            texts = ["" if one is None else _signed(one.difference, one.low, one.high) for one in own]
            p = own[0].p_holm if own[0] else None
            table.add_row(_title(cell), *texts, "" if p is None else f"{p:.3f}")
    return table


def _costs(results: Results) -> RenderableType:
    columns = ["questions", "failed", "truncated", "unparsed", "prompt tokens", "new tokens", "engine s", "index s"]
    table = _table("Cost and coverage", ["", *columns])
    for cell in results.cells:
        figures = cell.summary
        asked = f"{figures['answered'] + figures['failed']}/{figures['questions']}"
        counts = [str(figures[name]) for name in ("failed", "truncated", "unparsed")]
        tokens = [_number(figures[name], 0) for name in ("prompt_tokens", "completion_tokens")]
        seconds = [_number(figures["engine_seconds"], 2), _number(figures["index_seconds"], 2)]
        table.add_row(_title(cell), asked, *counts, *tokens, *seconds)
    return table


def _table(title: str, columns: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left", overflow="fold")
    return table


def _title(cell: CellResult) -> str:
    marks = [] if cell.complete else ["not complete"]
    marks += ["control"] if cell.facts["control"] else []
    return cell.name + (f" ({', '.join(marks)})" if marks else "")


def _mean(cell: CellResult, metric: str) -> float | None:
    found: float | None = cell.summary["metrics"][metric]["mean"]
    return found


def _interval(figures: Mapping[str, Any]) -> str:
    if figures["mean"] is None:
        return "-"
    if figures["low"] is None:
        return f"{figures['mean']:.3f}"
    return f"{figures['mean']:.3f} [{figures['low']:.2f}, {figures['high']:.2f}]"


def _signed(mean: float | None, low: float | None, high: float | None) -> str:
    if mean is None:
        return "-"
    return f"{mean:+.3f}" if low is None or high is None else f"{mean:+.3f} [{low:+.2f}, {high:+.2f}]"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"
