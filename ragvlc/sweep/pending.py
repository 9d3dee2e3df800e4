"""The pending questions of a cell: those without a current row, or with a transient failure."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ragvlc.core.answer import Prediction
from ragvlc.core.data import Example
from ragvlc.core.errors import DerivedError
from ragvlc.results.derived import what_is_wrong
from ragvlc.results.store import CellStore
from ragvlc.sweep.plan import Cell
from ragvlc.sweep.scoring import QuestionSet

__all__ = ["Pending"]

log = logging.getLogger("ragvlc")


class Pending:
    """A cell with its pending questions: those without an intact row, whatever its summary says.

    Args:
        cell: of a sweep.
        asked: all questions of its data set.
        store: of its rows.
        retry_failed: whether questions with permanent failures are pending too.

    Attributes:
        summary: as stored; empty without one.
        done: whether the summary is that of these questions and metrics, and every row is there.
        questions: pending, in the order of the data set.
        rows: of a cell that is done, by example id.
    """

    def __init__(self, cell: Cell, asked: QuestionSet, store: CellStore, *, retry_failed: bool = False) -> None:
        self.cell = cell
        self.store = store
        self.asked = asked
        self.summary = _summary(store)
        rows = store.load()
        self.questions = [one for one in asked.examples if self._is_pending(rows.get(one.id), one, retry_failed)]
        finished = self.summary.get("asked") == asked.key and {"status", "metrics"} <= self.summary.keys()
        self.done = finished and not self.questions
        self.rows = rows if self.done else {}
        self._unscored = set() if self.done else self._without_scores(rows)
        missing = sum(one.id not in rows for one in self.questions)
        if finished and missing:
            log.warning("%s: %d rows of this finished cell are missing: they are asked again", cell.name, missing)

    def needs(self, label: str, *, stored_only: bool = False) -> bool:
        """Returns whether some answer, stored or still to come, has no current score of the metric with this label."""
        return label in self._unscored or bool(self.questions and not stored_only)

    def _without_scores(self, rows: Mapping[str, Prediction]) -> set[str]:
        """Returns the labels of metrics without a current score in some stored row."""
        left = {one.id for one in self.questions}
        return {
            label
            for one in self.asked.examples
            if one.id in rows and one.id not in left
            for label, key in self.asked.scored_by(one).items()
            if rows[one.id].scored_by.get(label) != key
        }

    def _is_pending(self, row: Prediction | None, example: Example, retry_failed: bool) -> bool:
        if row is None or row.example_key != self.asked.row_key(example, control=self.cell.control):
            return True
        return row.answer is None and row.failure is not None and (row.failure.transient or retry_failed)


def _summary(store: CellStore) -> dict[str, Any]:
    """Returns a cell's summary; empty without one, or for a damaged one, with a line."""
    try:
        return store.checked_summary() or {}
    except DerivedError as error:
        log.warning("%s The next complete run of the cell writes it anew from the rows.", what_is_wrong(error))
        return {}
