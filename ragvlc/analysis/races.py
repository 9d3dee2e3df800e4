"""Races and searches in tables and sentences: which cells got no more questions, at which block, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ragvlc.analysis.tables import Entry, Table, title
from ragvlc.results.races import SEQUENTIAL as SEQUENTIAL_MARK
from ragvlc.results.races import raced_difference

if TYPE_CHECKING:
    from ragvlc.results.loading import CellResult, SweepResults
    from ragvlc.results.races import RaceNote

__all__ = ["block_tables", "race_note", "race_sentences", "race_tables", "so_far"]

MOST_REASONS = 12
MOST_LEFT = 5
MOST_SO_FAR = 12
"""Rows of the table after a block."""
MOST_NOW = 3
TARGETS = {
    "grid": "as all questions of the grid would give it",
    "population": "for further questions of this kind",
}
SEQUENTIAL = (
    "Brackets with † are sequential 95 % bounds of one cell or comparison: they hold at whatever block a cell stops. "
    "Differences are on the questions asked of both cells. A cell is pruned by a test in one direction, so that the "
    "bracket of its difference, in both, may still reach beyond 0."
)
SEARCH = (
    "This is a search: cells were promoted by their scores alone, and nothing is said with confidence about those left "
    "out. No brackets for them."
)


def race_note(cells: Sequence[CellResult]) -> RaceNote | None:
    """Returns the note on the race or search of a data set; None where every cell has every question."""
    if not any(cell.raced is not None for cell in cells):
        return None
    return next((cell.race.note for cell in cells if cell.race is not None), None)


def race_tables(results: SweepResults) -> list[Table]:
    """Returns a table for each data set with a race or search: how each cell ended, and how far it is behind."""
    found = []
    datasets = results.by_dataset()
    for name, cells in datasets.items():
        note = race_note(cells)
        if note is None:
            continue
        of = f", {name}" if len(datasets) > 1 else ""
        head = f"{str(note.strategy['kind']).replace('_', ' ').capitalize()}{of}"
        if not note.over:
            head += f": so far, after block {note.block}"
        found.append(_table(head, note, cells))
    return found


def block_tables(results: SweepResults) -> list[Table]:
    """Returns a short table for each race or search that goes on: the best of the cells left, and how far they are."""
    found = []
    datasets = results.by_dataset()
    for name, cells in datasets.items():
        note = next((cell.race.note for cell in cells if cell.race is not None), None)
        if note is None or note.over:
            continue
        of = f", {name}" if len(datasets) > 1 else ""
        share = f" ({note.answers / note.grid:.0%})" if note.grid else ""
        words = (
            f"So far{of}: {str(note.strategy['kind']).replace('_', ' ')}, block {note.block}, {note.asked} of "
            f"{len(note.clusters)} clusters, {note.answers:,} of {note.grid:,} answers{share}"
        )
        found.append(_block(words, note, cells))
    return found


def _block(words: str, note: RaceNote, cells: Sequence[CellResult]) -> Table:
    racing = [cell for cell in cells if cell.race is not None and not cell.control]
    open_ones = [cell for cell in racing if cell.race is not None and cell.race.ended is None]
    open_ones = sorted((one for one in open_ones if one.merit(note.metric) is not None), key=_merit(note), reverse=True)
    rows = []
    for cell in open_ones[:MOST_LEFT]:
        figures = cell.summary["metrics"][note.metric]
        looks = bool(figures.get(SEQUENTIAL_MARK))
        score = Entry(figures["mean"], figures["low"], figures["high"], 2, score=True, sequential=looks)
        rows.append((cell.name, (score, *(() if note.searches else (_gap(note, cell, open_ones[0]),)))))
    left = len(note.names) - len(note.ended)
    lines = [f"{left} of {len(note.names)} cells {'is' if left == 1 else 'are'} still asked; nothing is final."]
    now = [note.names.get(key, key) for key, one in note.ended.items() if one.block == note.block]
    if now:
        rest = f" and {len(now) - MOST_NOW} more" if len(now) > MOST_NOW else ""
        lines.append(f"No more questions for {', '.join(now[:MOST_NOW])}{rest}.")
    heads = (note.metric,) if note.searches else (note.metric, "less the first")
    return Table(words, heads, tuple(rows), " ".join(lines))


def so_far(results: SweepResults) -> Table:
    """Returns a short table of a sweep that asks everything, while it runs: the best cells, without brackets.

    The means of a data set are of the questions that all of its cells with answers have.
    """
    metric = results.metric()
    rows: list[tuple[float, str, tuple[Entry, ...]]] = []
    for cells in results.by_dataset().values():
        begun = [cell for cell in cells if len(cell.rows) and not cell.control]
        scores = [cell.scores(metric) for cell in begun]
        common = set.intersection(*(set(own) for own in scores)) if scores else set()
        for cell, own in zip(begun, scores, strict=True):
            known = [score for name in common if (score := own[name]) is not None]
            mean = sum(known) / len(known) if known else None
            sign = -1 if metric in cell.facts.get("smaller_is_better", ()) else 1
            asked = Entry(word=f"{len(cell.rows):,}/{len(cell.examples):,}")
            entries = (Entry(mean, digits=2, score=True), Entry(word=f"{len(known):,}"), asked)
            rows.append((float("-inf") if mean is None else sign * mean, cell.name, entries))
    rows.sort(key=lambda row: -row[0])
    rest = f" {len(rows) - MOST_SO_FAR} more cells are not shown." if len(rows) > MOST_SO_FAR else ""
    note = f"Means of the questions that all cells begun have answered; nothing is final.{rest}"
    shown = tuple((name, entries) for _, name, entries in rows[:MOST_SO_FAR])
    return Table("So far", (metric, "of common\nquestions", "answered"), shown, note)


def _merit(note: RaceNote) -> Callable[[CellResult], float]:
    return lambda cell: cell.merit(note.metric) or 0.0


def _table(head: str, note: RaceNote, cells: Sequence[CellResult]) -> Table:
    reference = _reference(note, cells)
    rows = []
    for cell in cells:
        if cell.race is None or cell.control:
            continue
        ended = cell.race.ended
        block = "-" if ended is None else str(ended.block)
        entries = [
            Entry(word=cell.race.words),
            Entry(word=block),
            Entry(word=f"{cell.race.asked}/{len(note.clusters)}"),
        ]
        entries.append(Entry(word=f"{len(cell.rows):,}/{len(cell.examples):,}"))
        entries += [] if note.searches else [_gap(note, cell, reference)]
        rows.append((title(cell), tuple(entries)))
    against = f"{note.metric} less\nthat of {reference.name}" if reference is not None else "difference"
    reasons = _reasons(note)
    text = " ".join([*race_sentences(note, cells), SEARCH if note.searches else SEQUENTIAL, *reasons])
    heads = ("status", "block", "clusters\nasked", "questions", *(() if note.searches else (against,)))
    return Table(head, heads, tuple(rows), text)


def _reference(note: RaceNote, cells: Sequence[CellResult]) -> CellResult | None:
    """Returns the winner, or the best of the cells left."""
    left = [cell for cell in cells if cell.race is not None and not cell.control]
    if note.winner:
        return next((cell for cell in left if cell.facts["key"] == note.winner), None)
    left = [cell for cell in left if cell.race is not None and (cell.race.ended is None or _settled(cell))]
    return max(left, key=lambda cell: cell.merit(note.metric) or 0.0, default=None)


def _settled(cell: CellResult) -> bool:
    return cell.race is not None and cell.race.ended is not None and cell.race.ended.status == "settled"


def _gap(note: RaceNote, cell: CellResult, reference: CellResult | None) -> Entry:
    if reference is None or cell is reference or cell.race is None or reference.race is None:
        return Entry()
    found = raced_difference(
        cell.race, reference.race, note.metric, cell.scores(note.metric), reference.scores(note.metric), cell.examples
    )
    return Entry(found.mean, found.low, found.high, 2, "+", score=True, sequential=True)


def _reasons(note: RaceNote) -> list[str]:
    stopped = [(key, one) for key, one in note.ended.items() if one.status != "settled"]
    lines = [
        f"{note.names.get(key, key)}: {one.status} at block {one.block}, {one.reason}."
        for key, one in stopped[:MOST_REASONS]
    ]
    rest = len(stopped) - MOST_REASONS
    return [*lines, *([f"And {rest} more, as in the table."] if rest > 0 else [])]


def race_sentences(note: RaceNote, cells: Sequence[CellResult]) -> tuple[str, ...]:
    """Returns the verdict of a race or search, or what is known so far, and what it cost."""
    kind = str(note.strategy["kind"]).replace("_", " ")
    share = f" ({note.answers / note.grid:.0%})" if note.grid else ""
    asked = f"{note.answers:,} of {note.grid:,} answers were asked for{share}"
    where = f"block {note.block}, {note.asked} of {len(note.clusters)} clusters"
    about = f"{kind} by {note.metric}"
    if not note.searches:
        about += f", {TARGETS[note.target]}"
    if note.over:
        first = f"Verdict of the {about}: {note.verdict} (at {where})."
    else:
        left = len(note.names) - len(note.ended)
        first = f"So far in the {about}: {where}, {left} of {len(note.names)} cells are still asked; nothing is final."
    left_out = (
        f" {note.left_out:,} questions without a score in some cell are not counted for any." if note.left_out else ""
    )
    return (first, *_measured(note, cells), f"{asked}.{left_out}", *_lost(cells))


def _lost(cells: Sequence[CellResult]) -> list[str]:
    """Returns a sentence that counts the questions that were asked of an ended cell and have no row any more."""
    lost, names = 0, []
    for cell in cells:
        race = cell.race
        if race is None or race.ended is None or race.ended.status == "withdrawn":
            continue
        if gone := sum(name not in cell.rows for name in race.expected(cell.examples)):
            lost += gone
            names.append(f"{cell.name} {gone:,}")
    if not names:
        return []
    rest = f" and {len(names) - MOST_LEFT} more" if len(names) > MOST_LEFT else ""
    whose = ", ".join(names[:MOST_LEFT]) + rest
    said = f"{lost:,} of these answers have no row any more, and no figure has them: {whose}."
    return [f"{said} The next `ragvlc run` asks them again."]


def _measured(note: RaceNote, cells: Sequence[CellResult]) -> list[str]:
    """Returns the final figure of a search's winner, from the questions that were held back."""
    for cell in cells:
        if cell.race is not None and cell.race.measured_again:
            figures = cell.summary["metrics"][note.metric]
            entry = Entry(figures["mean"], figures["low"], figures["high"], 3)
            return [f"There {cell.name} has {note.metric} {entry.text} {entry.interval}".rstrip() + "."]
    return []
