"""The rows of a cell during a run of its sweep."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from ragvlc import config
from ragvlc.core import interruption
from ragvlc.core.answer import Failure, Prediction, Usage
from ragvlc.core.answer_json import fields_json
from ragvlc.core.data import Example
from ragvlc.core.jobs import Done
from ragvlc.core.run import Engines
from ragvlc.results.races import CellRace
from ragvlc.results.stored import StoredRows
from ragvlc.sweep.pending import Pending
from ragvlc.sweep.planned import resolved_cell, stored_rows
from ragvlc.sweep.scoring import score, scored
from ragvlc.sweep.spec import Sweep
from ragvlc.sweep.tracking import cell_summary

__all__ = ["CellRun"]


class CellRun:
    """The rows of a cell during a run, until it is complete or too many questions have failed.

    Attributes:
        left: pending questions to ask now; see `take`.
        written: the number of rows written in this run.
        tried: usage of the short questions that the cell's models were asked before the first question of this run.
        closed: whether no more rows are expected, and `status` and `summary` are final.
    """

    def __init__(self, one: Pending, sweep: Sweep, engines: Engines) -> None:
        self.one = one
        self.left: list[Example] = []
        self.closed = False
        self.written = 0
        self.tried = Usage()
        self.status = "complete"
        self.summary: Mapping[str, Any] = one.summary
        self._engines = engines
        self._awaited = 0
        self._open: list[Example] = list(one.questions)  # not yet taken
        self._failed: set[str] = set()
        self._allowed = sweep.max_failures * len(one.asked.examples)
        if one.done:
            return
        one.store.reopen(config.to_yaml(resolved_cell(one.cell)))
        self._states = scored(one.store, one.asked, engines, pipeline=one.cell.pipeline, control=one.cell.control)
        self._failed = self._states.failed - {example.id for example in one.questions}
        self._awaited = 0 if self.full else len(one.questions)

    @property
    def full(self) -> bool:
        """Whether too many questions have failed."""
        return len(self._failed) > self._allowed

    def write(self, done: Done) -> Prediction:
        """Scores the result of a job and appends its row; called from many threads."""
        one, example = self.one, done.job.example
        blank = Prediction(example.id, one.asked.row_key(example, control=one.cell.control))
        unscored = replace(blank, answer=done.answer, failure=done.failure)
        try:
            row = score(unscored, example, one.asked, self._engines)
        except interruption.Interrupted:
            one.store.append(unscored)  # the next run scores it
            self.written += 1
            raise
        try:
            one.store.append(row)
        except (TypeError, ValueError) as error:  # a fact of the trace is not JSON
            row = score(replace(blank, failure=Failure.of("route", error)), example, one.asked, self._engines)
            one.store.append(row)
        self.written += 1
        if row.failure is not None:
            self._failed.add(row.example_id)
        return row

    @property
    def waiting(self) -> bool:
        """Whether any question of the cell may still be asked in this run."""
        return self._awaited > 0

    def take(self, ids: Collection[str]) -> None:
        """Sets the questions to ask now: the pending ones among these that were not taken before."""
        if self.closed or self.full:
            self._open = []
        self.left = [example for example in self._open if example.id in ids]
        self._open = [example for example in self._open if example.id not in ids]

    def add(self, row: Prediction) -> bool:
        """Registers a written row; returns whether it was the last row awaited."""
        self._states.note(row.example_id, row.scored_by, row.failure)
        self._awaited -= 1
        return self._awaited == 0

    def close(self, race: CellRace | None = None) -> StoredRows:
        """Determines the status of the cell, writes its summary if it is complete, and returns its rows.

        Args:
            race: how it ended without all of its questions; None where all are asked.
        """
        self.closed = True
        one = self.one
        rows = stored_rows(one.cell, one.store, one.asked)
        one.store.forget()
        if one.done and race is None:
            return rows
        whole = len(rows) == len(one.asked.examples)
        ended = race.ended if race is not None and not whole else None
        finished = "complete" if whole or race is None else "undecided" if ended is None else ended.status
        unfinished = not one.done and bool(self._states.open)
        self.status = "stopped" if self.full else "pending" if unfinished else finished
        self.summary = cell_summary(one.cell, self.status, rows, one.asked, race)
        if self.tried.calls:
            self.summary = {**self.summary, "tried": fields_json(self.tried)}
        if self.status == "complete":
            one.store.write_summary(self.summary)
        return rows
