"""Progress of a sweep on a terminal, with the remaining time; without a terminal, one line for each cell."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ragvlc.core.answer import Prediction
from ragvlc.core.texts import visible
from ragvlc.sweep.plan import Cell

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

__all__ = ["Progress"]

_ENDED = ("pruned", "settled", "withdrawn", "undecided")
"""Statuses of cells that are not asked all of their questions."""
_WORDS = {"settled": "left at the verdict", "undecided": "still in question"}
"""Words for statuses that would say too much or too little."""


class Progress:
    """A progress bar on standard error, so that standard output contains only results.

    Args:
        known: called with the results folder after each block of a race or search.
    """

    def __init__(self, known: Callable[[Path], None] | None = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress
        from rich.table import Column

        console = Console(stderr=True)
        self._live = console.is_terminal
        self._bars: Bars = RichProgress(
            TextColumn("{task.description}", markup=False, table_column=Column(max_width=36, no_wrap=True)),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            disable=not self._live,
            speed_estimate_period=120,
        )
        self._all: TaskID | None = None
        self._failed = 0
        self._known = known

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def planned(self, cells: Sequence[Cell], pending: int, total: int) -> None:
        """Shows the number of pending answers."""
        if total > pending:
            number = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
            self._say(f"{number}: {total - pending} of {total} answers are stored already")
        self._all = self._bars.add_task("starting", total=pending)

    def row(self, cell: Cell, prediction: Prediction) -> None:
        """Advances the bar and shows the name of the answer's cell."""
        self._failed += prediction.failure is not None
        if self._all is not None:
            self._bars.update(self._all, advance=1, description=visible(cell.name))

    def done(self, cell: Cell, status: str, summary: Mapping[str, Any]) -> None:
        """Prints the status of the cell and the mean of its first metric."""
        label, figures = next(iter(summary["metrics"].items()))
        mean = "-" if figures["mean"] is None else f"{figures['mean']:.3f}"
        failed = f", {summary['failed']} failed" if summary["failed"] else ""
        self._say(f"{cell.name}: {_WORDS.get(status, status)}, {label} {mean}{failed}")
        unasked = summary["questions"] - summary["answered"] - summary["failed"]
        if self._all is not None and status in _ENDED and unasked > 0:
            task = next(one for one in self._bars.tasks if one.id == self._all)
            self._bars.update(self._all, total=max(task.completed, (task.total or 0) - unasked))

    def known(self, folder: Path) -> None:
        """Shows what is known so far."""
        if self._known is not None:
            self._known(folder)

    def _say(self, text: str) -> None:
        text = visible(text)
        if self._live:
            self._bars.console.print(text, markup=False, highlight=False)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()
