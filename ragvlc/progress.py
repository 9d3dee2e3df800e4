"""Progress of a sweep: a bar on a terminal; without one, a line for each cell and another every half minute.

Both say from the first second on what is being done: documents are read, models opened, indexes built, questions asked.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ragvlc.core import activity
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
        quiet: shows nothing.
        every: seconds between two lines where there is no terminal.
    """

    def __init__(
        self, known: Callable[[Path], None] | None = None, *, quiet: bool = False, every: float = 30.0
    ) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            ProgressColumn,
            Task,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as RichProgress
        from rich.table import Column
        from rich.text import Text

        class Doing(ProgressColumn):
            """What is being done, looked up each time that the bar is drawn."""

            max_refresh = 0.5

            def render(self, task: Task) -> Text:
                return Text("" if task.finished else _doing(), style="dim")

        console = Console(stderr=True)
        self._quiet = quiet
        self._live = console.is_terminal and not quiet
        self._bars: Bars = RichProgress(
            TextColumn("{task.description}", markup=False, table_column=Column(max_width=36, no_wrap=True)),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=True),
            Doing(),
            console=console,
            disable=not self._live,
            speed_estimate_period=120,
        )
        self._all: TaskID | None = None
        self._failed = self._rows = 0
        self._pending: int | None = None
        self._known = known
        self._every = every
        self._begun = time.monotonic()
        self._asking = self._begun
        self._ended = threading.Event()
        self._lines = threading.Thread(target=self._say_regularly, name="ragvlc-progress", daemon=True)

    def __enter__(self) -> Self:
        self._begun = time.monotonic()
        if self._live:
            self._bars.start()
            self._all = self._bars.add_task("starting", total=None)
        elif not self._quiet:
            self._lines.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._bars.stop()
        if self._lines.is_alive():
            self._lines.join()

    def planned(self, cells: Sequence[Cell], pending: int, total: int) -> None:
        """Shows the number of pending answers."""
        if total > pending:
            number = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
            self._say(f"{number}: {total - pending} of {total} answers are stored already")
        self._pending, self._asking = pending, time.monotonic()
        if self._all is not None:
            self._bars.update(self._all, total=pending)

    def row(self, cell: Cell, prediction: Prediction) -> None:
        """Advances the bar and shows the name of the answer's cell."""
        self._failed += prediction.failure is not None
        self._rows += 1
        if self._all is not None:
            self._bars.update(self._all, advance=1, description=visible(cell.name))

    def done(self, cell: Cell, status: str, summary: Mapping[str, Any]) -> None:
        """Prints the status of the cell and, where it has one, the mean of its first metric."""
        label, figures = next(iter(summary["metrics"].items()))
        mean = "" if figures["mean"] is None else f", {label} {figures['mean']:.3f}"
        failed = f", {summary['failed']} failed" if summary["failed"] else ""
        self._say(f"{cell.name}: {_WORDS.get(status, status)}{mean}{failed}")
        unasked = summary["questions"] - summary["answered"] - summary["failed"]
        if status in _ENDED and unasked > 0 and self._pending is not None:
            self._pending = max(self._rows, self._pending - unasked)
        if self._all is not None and status in _ENDED and unasked > 0:
            task = next(one for one in self._bars.tasks if one.id == self._all)
            self._bars.update(self._all, total=max(task.completed, (task.total or 0) - unasked))

    def known(self, folder: Path) -> None:
        """Shows what is known so far."""
        if self._known is not None and not self._quiet:
            self._known(folder)

    def _say_regularly(self) -> None:
        """Prints a line every `every` seconds, where no bar is drawn."""
        while not self._ended.wait(self._every):
            self._say(self._line())

    def _line(self) -> str:
        now = time.monotonic()
        words = [f"{_clock(now - self._begun)}:"]
        if self._pending is not None:
            failed = f", {self._failed} failed" if self._failed else ""
            left = self._pending - self._rows
            seconds = left * (now - self._asking) / self._rows if self._rows else None
            rest = f", about {_clock(seconds)} left" if seconds else ""
            words.append(f"{self._rows} of {self._pending} answers{failed}{rest};")
        return " ".join([*words, _doing()])

    def _say(self, text: str) -> None:
        if self._quiet:
            return
        text = visible(text)
        if self._live:
            self._bars.console.print(text, markup=False, highlight=False)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


def _doing() -> str:
    """Returns what threads are doing, in words."""
    found = activity.current()
    return ", ".join(what if count == 1 else f"{what} ({count})" for what, count in found.items()) or "working"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
