"""A sweep's comparison as text for a terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragvlc.sweep.results import CellResult, Comparison, Results

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table
    from rich.text import Text

__all__ = ["answer_sentence", "terminal_report"]

SCORES = (
    "Mean score of the questions, and in brackets its 95 % interval: where the mean would likely lie with other "
    "questions of this kind. Failed questions score 0; - where a metric does not apply."
)
DIFFERENCES = (
    "Question by question, so these intervals say more than those above: one without 0 speaks for a difference. "
    "p: the chance of a difference as large if there were none, corrected for the number of rows (Holm). In intervals "
    "and p, questions over one document (a cluster) count together."
)
COSTS = (
    "Tokens and engine seconds: mean of a question; index seconds: all of the cell. Each cell is charged as if it ran "
    "alone. Truncated: some text did not fit the window. Unparsed: no option found in the answer."
)
COUNTS = ("questions", "failed", "truncated", "unparsed", "prompt\ntokens", "new\ntokens", "engine\nseconds")

NAME_WIDTH = 24
"""Columns that names of cells are promised; longer ones take several lines."""
HEAD_WIDTH = 11
GAP = 2


def terminal_report(results: Results, baseline: str | None = None) -> list[RenderableType]:
    """Returns what `ragvlc report` prints: scores, differences and costs, and the answer in a sentence."""
    comparisons = results.comparisons(baseline)
    parts: list[RenderableType] = [_scores(results), SCORES, ""]
    if comparisons:
        parts += [_differences(results, comparisons), DIFFERENCES, ""]
    return [*parts, _costs(results), COSTS, "", answer_sentence(results, comparisons), ""]


def answer_sentence(results: Results, comparisons: Sequence[Comparison]) -> str:
    """Returns which cell scored best on the first metric, how it compares with the baseline, and how sure that is."""
    metric = results.metrics[0]
    rivals = [cell for cell in results.cells if not cell.facts["control"] and _mean(cell, metric) is not None]
    if not rivals:
        return f"No cell has a score for {metric} yet."
    best = max(rivals, key=lambda cell: _mean(cell, metric) or 0.0)
    text = f"Best {metric}: {best.name}, {_mean(best, metric):.3f}."
    own = [one for one in comparisons if one.metric == metric and one.difference is not None]
    for one in own:
        if one.cell == best.name:
            return f"{text} Against {one.baseline}: {_verdict(one)}"
    others = [one for one in own if one.baseline == best.name and one.cell in {cell.name for cell in rivals}]
    if not others:
        return text
    second = max(others, key=lambda one: one.difference or 0.0)
    return f"{text} It is the baseline; against it the next best, {second.cell}: {_verdict(second)}"


def _verdict(one: Comparison) -> str:
    text = f"{one.difference:+.3f}"
    if one.low is not None and one.high is not None:
        text += f" [{one.low:+.3f}, {one.high:+.3f}]"
    if one.p_holm is not None:
        text += f", p = {one.p_holm:.3f}"
    if one.p_holm is not None and one.p_holm < 0.05:
        return f"{text}."
    clusters = "1 cluster" if one.clusters == 1 else f"{one.clusters} clusters"
    return f"{text}: not settled by {one.n} questions in {clusters}."


def _scores(results: Results) -> RenderableType:
    digits = _digits(results)
    best = {label: max((_mean(cell, label) or 0.0 for cell in results.cells), default=0.0) for label in results.metrics}
    rows = []
    for cell in results.cells:
        found = []
        for label in results.metrics:
            figures = cell.summary["metrics"][label]
            style = "bold" if figures["mean"] == best[label] else ""
            found.append(_Figure.of(figures["mean"], figures["low"], figures["high"], digits, style=style))
        rows.append((_title(cell), found))
    return _Grid("Scores", results.metrics, rows)


def _differences(results: Results, comparisons: Sequence[Comparison]) -> RenderableType:
    digits = _digits(results)
    found = {(one.cell, one.metric): one for one in comparisons}
    bases = {one.cell: one.baseline for one in comparisons}
    same = len(set(bases.values())) == 1
    rows = []
    for cell in results.cells:
        if cell.name not in bases:
            continue
        own = [found[cell.name, label] for label in results.metrics]
        figures = [_Figure.of(one.difference, one.low, one.high, digits, sign="+") for one in own]
        p = own[0].p_holm
        title = _title(cell) if same else f"{_title(cell)} - {bases[cell.name]}"
        rows.append((title, [*figures, _Figure("-" if p is None else f"{p:.3f}")]))
    title = f"Difference to {next(iter(bases.values()))}" if same else "Differences"
    return _Grid(title, [*results.metrics, f"p of\n{results.metrics[0]}"], rows)


def _costs(results: Results) -> RenderableType:
    indexed = any(cell.summary["index_seconds"] for cell in results.cells)
    rows = []
    for cell in results.cells:
        figures = cell.summary
        texts = [f"{figures['answered'] + figures['failed']}/{figures['questions']}"]
        texts += [str(figures[name] or "-") for name in ("failed", "truncated", "unparsed")]
        texts += [_number(figures[name], 0) for name in ("prompt_tokens", "completion_tokens")]
        texts += [_number(figures["engine_seconds"], 2)]
        texts += [_number(figures["index_seconds"], 2)] if indexed else []
        rows.append((_title(cell), [_Figure(text) for text in texts]))
    return _Grid("Coverage and cost", [*COUNTS, *(["index\nseconds"] if indexed else [])], rows)


@dataclass(frozen=True, slots=True)
class _Figure:
    text: str
    interval: str = ""
    style: str = ""

    @classmethod
    def of(
        cls, mean: float | None, low: float | None, high: float | None, digits: int, *, sign: str = "", style: str = ""
    ) -> _Figure:
        if mean is None:
            return cls("-")
        interval = "" if low is None or high is None else f"[{_short(low, digits)},{_short(high, digits)}]"
        return cls(_short(mean, digits, sign), interval, style)

    def render(self, *, stacked: bool) -> Text:
        from rich.text import Text

        text = Text(self.text, self.style)
        if self.interval:
            text.append("\n" if stacked else " ").append(self.interval, "not bold")
        return text

    def width(self, *, stacked: bool) -> int:
        if stacked:
            return max(len(self.text), len(self.interval))
        return len(self.text) + len(self.interval) + bool(self.interval)


@dataclass(frozen=True, slots=True)
class _Grid:
    """A table of figures. A narrow terminal gets intervals below their means, then the columns in several tables."""

    title: str
    heads: Sequence[str]
    rows: Sequence[tuple[str, Sequence[_Figure]]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        names = min(max((len(title) for title, _ in self.rows), default=0), NAME_WIDTH)
        widths = self._widths(stacked=False)
        stacked = names + sum(widths) > options.max_width
        if stacked:
            widths = self._widths(stacked=True)
        start = 0
        while start < len(widths):
            end = start + 1
            while end < len(widths) and names + sum(widths[start : end + 1]) <= options.max_width:
                end += 1
            yield self._table(range(start, end), stacked=stacked)
            start = end

    def _table(self, places: range, *, stacked: bool) -> Table:
        from rich import box
        from rich.table import Table

        title = self.title if places.start == 0 else f"{self.title}, continued"
        table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
        table.padding = (0, 1, 0, 0)
        table.add_column("", overflow="fold")
        for place in places:
            table.add_column(_broken(self.heads[place]), justify="right", no_wrap=True)
        for name, figures in self.rows:
            table.add_row(name, *[figures[place].render(stacked=stacked) for place in places])
        return table

    def _widths(self, *, stacked: bool) -> list[int]:
        """Returns what each column needs, with the gap before it."""
        found = []
        for place, head in enumerate(self.heads):
            figures = [row[place].width(stacked=stacked) for _, row in self.rows]
            found.append(max(*map(len, _broken(head).splitlines()), *figures, 0) + GAP)
        return found


def _broken(head: str) -> str:
    """Returns a long column name in lines that end at underscores."""
    lines = [""]
    for word in re.findall(r"[^_]*_|[^_]+", head):
        if lines[-1] and len(lines[-1].splitlines()[-1] + word) > HEAD_WIDTH:
            lines.append("")
        lines[-1] += word
    return "\n".join(lines)


def _short(value: float, digits: int, sign: str = "") -> str:
    """Returns a figure without the zero before its point, and zero without a sign: `.50`, `-.05`, `1.00`."""
    text = f"{value:{sign}.{digits}f}"
    if float(text) == 0:
        text = f"{0:.{digits}f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 and text.lstrip("+-").startswith("0.") else text


def _digits(results: Results) -> int:
    """Returns 2, or 3 where there are so many questions that the third digit means something."""
    return 3 if any(len(cell.rows) > 1000 for cell in results.cells) else 2


def _title(cell: CellResult) -> str:
    marks = [] if cell.complete else ["not complete"]
    marks += ["control"] if cell.facts["control"] else []
    return cell.name + (f" ({', '.join(marks)})" if marks else "")


def _mean(cell: CellResult, metric: str) -> float | None:
    figures: Mapping[str, Any] = cell.summary["metrics"][metric]
    found: float | None = figures["mean"]
    return found


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"
