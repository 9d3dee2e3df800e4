"""The pending questions of a cell: those without a current row, or with a transient failure."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from ragvlc.core.data import Example
from ragvlc.core.errors import DerivedError
from ragvlc.results.derived import what_is_wrong
from ragvlc.results.row_form import RowForm
from ragvlc.results.store import CellStore
from ragvlc.sweep.plan import Cell
from ragvlc.sweep.scoring import QuestionSet

__all__ = ["Pending", "Unscored"]

log = logging.getLogger("ragvlc")


class Unscored(NamedTuple):
    """A stored row that lacks scores.

    Attributes:
        labels: of the metrics without a current score.
        start: of its line in the file.
        size: of its line.
    """

    labels: frozenset[str]
    start: int
    size: int


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
        unscored: of stored answers, the labels of metrics without a current score, and the place of the row, by id.
    """

    def __init__(self, cell: Cell, asked: QuestionSet, store: CellStore, *, retry_failed: bool = False) -> None:
        self.cell = cell
        self.store = store
        self.asked = asked
        self.summary = _summary(store)
        there, answered, stale = self._read(retry_failed)
        self.questions = [one for one in asked.examples if one.id not in answered]
        finished = self.summary.get("asked") == asked.key and {"status", "metrics"} <= self.summary.keys()
        self.done = finished and not self.questions
        self.unscored: Mapping[str, Unscored] = {} if self.done else stale
        missing = sum(one.id not in there for one in self.questions)
        if finished and missing:
            log.warning("%s: %d rows of this finished cell are missing: they are asked again", cell.name, missing)

    def needs(self, label: str, *, stored_only: bool = False) -> bool:
        """Returns whether some answer, stored or still to come, has no current score of the metric with this label."""
        return bool(self.questions and not stored_only) or any(label in one.labels for one in self.unscored.values())

    def _read(self, retry_failed: bool) -> tuple[set[str], set[str], dict[str, Unscored]]:
        """Reads all rows once, and holds none.

        Returns the ids of questions with a row, of those among them that are not pending, and the rows of these that
        lack a current score.
        """
        there, answered = set(), set()
        stale: dict[str, Unscored] = {}
        shared: dict[frozenset[str], frozenset[str]] = {}
        for line, row in self.store.each():
            example = self.asked.by_id.get(row.id)
            if example is None:
                continue
            there.add(example.id)
            answered.discard(example.id)
            stale.pop(example.id, None)
            if not self._is_pending(row, example, retry_failed):
                answered.add(example.id)
                wanted = self.asked.scored_by(example)
                if row.scored_by != wanted:
                    labels = frozenset(label for label, key in wanted.items() if row.scored_by.get(label) != key)
                    stale[example.id] = Unscored(shared.setdefault(labels, labels), line.start, len(line.data))
        return there, answered, stale

    def _is_pending(self, row: RowForm, example: Example, retry_failed: bool) -> bool:
        if row.example_key != self.asked.row_key(example, control=self.cell.control):
            return True
        failure = row.failure
        return row.answer is None and failure is not None and (retry_failed or failure.transient)


def _summary(store: CellStore) -> dict[str, Any]:
    """Returns a cell's summary; empty without one, or for a damaged one, with a line."""
    try:
        return store.checked_summary() or {}
    except DerivedError as error:
        log.warning("%s The next complete run of the cell writes it anew from the rows.", what_is_wrong(error))
        return {}
