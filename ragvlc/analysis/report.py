"""A sweep's comparison as text for a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragvlc.analysis import tables
from ragvlc.analysis._sections import losses, notes, remarks, special_tables
from ragvlc.analysis.decision_words import decision_tables, sentences
from ragvlc.analysis.decisions import CellDecision, stored_decisions
from ragvlc.analysis.generated import captioned, generated_lines
from ragvlc.analysis.official import official_table
from ragvlc.analysis.races import block_tables, race_tables, so_far
from ragvlc.analysis.tables import Entry, Table
from ragvlc.analysis.verdict import answer_sentence

if TYPE_CHECKING:
    from rich import table as rich_table
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.text import Text

    from ragvlc.results.loading import SweepResults

__all__ = [
    "known_so_far",
    "official_parts",
    "race_parts",
    "report_tables",
    "routing_parts",
    "score_parts",
    "table_parts",
    "terminal_report",
]

NAME_WIDTH = 24
"""Least width of cell names in columns; longer names take several lines."""
HEAD_WIDTH = 11
GAP = 2


def terminal_report(
    results: SweepResults, baseline: str | None = None, decisions: Sequence[CellDecision] | None = None
) -> list[RenderableType]:
    """Returns the contents of `ragvlc report`: scores, differences, costs, the conclusion, and the decision.

    Args:
        results: to report.
        baseline: a pipeline's or a cell's name; the sweep's own by default.
        decisions: to end with; by default that of the sweep's `decide`.
    """
    made = stored_decisions(results) if decisions is None else decisions
    parts: list[RenderableType] = []
    for table in report_tables(results, baseline, made):
        parts += [_Grid(table), table.note, ""]
    return [
        *parts,
        *generated_lines(results),
        answer_sentence(results, results.comparisons(baseline)),
        *_missing(results),
        *_decided(made),
        "",
    ]


def report_tables(
    results: SweepResults,
    baseline: str | None,
    decisions: Sequence[CellDecision],
    columns: Sequence[tables.Column] = tables.COLUMNS,
) -> list[Table]:
    """Returns the tables of the comparison, in the order of the report; `columns` are those of costs."""
    comparisons = results.comparisons(baseline)
    shown = [tables.scores(results)]
    shown += [tables.differences(results, comparisons)] if comparisons else []
    shown += [*race_tables(results), tables.costs(results, columns)]
    shown += special_tables(results)
    return captioned(results, [*shown, *decision_tables(results, decisions)])


def race_parts(results: SweepResults) -> list[RenderableType]:
    """Returns the tables of races and searches: which cells got no more questions, at which block, and why."""
    return table_parts(race_tables(results))


def official_parts(results: SweepResults) -> list[RenderableType]:
    """Returns the table of the figures that benchmarks' authors compute."""
    table = official_table(results)
    return [] if table is None else table_parts([table])


def table_parts(shown: Sequence[Table]) -> list[RenderableType]:
    """Returns tables with their notes, as a terminal shows them."""
    return [part for table in shown for part in (_Grid(table), table.note, "")]


def known_so_far(results: SweepResults) -> list[RenderableType]:
    """Returns a short table of what is known so far: of each race or search after a block, or of all cells."""
    found = block_tables(results) or [so_far(results)]
    return [part for table in found for part in (_Grid(table), table.note)]


def _decided(decisions: Sequence[CellDecision]) -> list[str]:
    """Returns the decisions in sentences, after an empty line."""
    lines = []
    for one in decisions:
        first, *rest = sentences(one)
        of = f" on {one.dataset}" if len(decisions) > 1 else ""
        lines += ["", f"Decision{of}: {first}", *rest]
    return lines


def _missing(results: SweepResults) -> list[str]:
    """Returns the sections on files read only in part or by a guess, on how questions were read, and on models."""
    sections = (
        ("What was not read of the files, or read by a guess:", losses(results)),
        ("How the questions were read:", notes(results)),
        ("Of the models:", remarks(results)),
    )
    return [line for title, found in sections if found for line in ("", title, *(f"- {one}" for one in found))]


def score_parts(results: SweepResults) -> list[RenderableType]:
    """Returns scores, paired differences and official figures of all cells, for answers whose costs are not known."""
    comparisons = results.comparisons(None)
    shown = [tables.scores(results), *([tables.differences(results, comparisons)] if comparisons else [])]
    return [*table_parts(shown), *official_parts(results)]


def routing_parts(results: SweepResults, metric: str | None = None) -> list[RenderableType]:
    """Returns the contents of `ragvlc replay`: only the router report."""
    from ragvlc.analysis.routing import routing_reports, routing_tables

    found = routing_tables(routing_reports(results, metric))
    parts: list[RenderableType] = []
    for table in found:
        parts += [_Grid(table), table.note, ""]
    return parts or ["There is nothing to route between: fewer than two routes have scores."]


@dataclass(frozen=True, slots=True)
class _Grid:
    """A terminal table of figures; if too wide, intervals are put below the means, then the table is split."""

    table: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        names = min(max((len(title) for title, _ in self.table.rows), default=0), NAME_WIDTH)
        widths = self._widths(stacked=False)
        stacked = names + sum(widths) > options.max_width
        if stacked:
            widths = self._widths(stacked=True)
        start = 0
        while start < len(widths):
            end = start + 1
            while end < len(widths) and names + sum(widths[start : end + 1]) <= options.max_width:
                end += 1
            yield self._part(range(start, end), stacked=stacked)
            start = end

    def _part(self, places: range, *, stacked: bool) -> rich_table.Table:
        from rich import box
        from rich import table as rich_table

        title = self.table.title if places.start == 0 else f"{self.table.title}, continued"
        table = rich_table.Table(
            title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
        )
        table.padding = (0, 1, 0, 0)
        table.add_column("", overflow="fold")
        for place in places:
            table.add_column(_broken(self.table.heads[place]), justify="right", no_wrap=True)
        for name, entries in self.table.rows:
            table.add_row(name, *[_rendered(entries[place], stacked=stacked) for place in places])
        return table

    def _widths(self, *, stacked: bool) -> list[int]:
        """Returns the width of each column, including the gap before the column."""
        found = []
        for place, head in enumerate(self.table.heads):
            figures = [_width(row[place], stacked=stacked) for _, row in self.table.rows]
            found.append(max(*map(len, _broken(head).splitlines()), *figures, 0) + GAP)
        return found


def _rendered(entry: Entry, *, stacked: bool) -> Text:
    from rich.text import Text

    figure, interval = _texts(entry)
    text = Text(figure, "bold" if entry.best else "")
    if interval:
        text.append("\n" if stacked else " ").append(interval, "not bold")
    return text


def _width(entry: Entry, *, stacked: bool) -> int:
    figure, interval = _texts(entry)
    return max(len(figure), len(interval)) if stacked else len(figure) + len(interval) + bool(interval)


def _texts(entry: Entry) -> tuple[str, str]:
    """Returns figure and interval as text; scores are shortened, and their intervals have no plus signs."""
    if not entry.score:
        return entry.text, entry.interval
    return _short(entry.text), _short(re.sub(r"\+(?!0\.0*[,\]])", "", entry.interval).replace(" ", ""))


def _short(text: str) -> str:
    """Returns a text with the zero before each decimal point removed: `.50`, `-.05`, `1.00`."""
    return re.sub(r"(?<!\d)0\.", ".", text)


def _broken(head: str) -> str:
    """Returns a long column name as several lines, broken at underscores."""
    lines = [""]
    for word in re.findall(r"[^_]*_|[^_]+", head):
        if lines[-1] and len(lines[-1].splitlines()[-1] + word) > HEAD_WIDTH:
            lines.append("")
        lines[-1] += word
    return "\n".join(lines)
