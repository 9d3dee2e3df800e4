"""The rows of a cell on disk: their figures in columns, and each row itself when it is asked for."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ragvlc.core.answer import Prediction
from ragvlc.core.cycles import without_collection
from ragvlc.core.errors import StoreError
from ragvlc.results.applicable import applied
from ragvlc.results.columns import CellColumns, ColumnsBuilder, columns_of
from ragvlc.results.questions import StoredQuestions
from ragvlc.results.row_form import RowForm
from ragvlc.results.store import CellStore

__all__ = ["StoredRows", "columns_for"]


_OTHER_TYPE = (LookupError, TypeError, ValueError, AttributeError, OverflowError)
"""Errors of a fact of another type than figures are made of."""


class StoredRows(Mapping[str, Prediction]):
    """The rows that belong to the current questions, by id, in the order of the questions.

    The file is read once, for the columns; a row is read again whenever it is looked up, and is not kept.

    Args:
        store: of the cell.
        questions: all of them.
        control: whether the cell reads the gold, on which its rows then depend, too.
        prices: of the generators, by role.
        inapplicable: labels of the metrics that do not apply, by route.

    Attributes:
        columns: figures of the rows.
    """

    def __init__(
        self,
        store: CellStore,
        questions: StoredQuestions,
        *,
        control: bool = False,
        prices: Mapping[str, Mapping[str, Any]] | None = None,
        inapplicable: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._store = store
        self._places = questions.places
        self._inapplicable = inapplicable or {}
        self._starts, self._sizes = (array("q", [-1]) * len(questions) for _ in range(2))
        builder, keys = ColumnsBuilder(questions, prices), questions.row_keys(control=control)
        with without_collection():
            for line, row in store.each():
                place = self._places.get(row.id, -1)
                if place >= 0:
                    if row.example_key == keys[place]:
                        try:
                            builder.add(place, row, line.data)
                        except _OTHER_TYPE as error:
                            raise self._unreadable(row, error) from error
                        self._starts[place], self._sizes[place] = line.start, len(line.data)
                    elif self._starts[place] >= 0:  # a later row, of another question with this id
                        builder.remove(place)
                        self._starts[place] = -1
        self.columns: CellColumns = builder.done()
        self.columns.blank(self._inapplicable)

    def _unreadable(self, row: RowForm, error: Exception) -> StoreError:
        return StoreError(
            f"{self._store.folder}: the row of '{row.id}' cannot be read: {error!r}. Take its line out of "
            "predictions.jsonl, and run the same command again: it asks only what is missing."
        )

    def __getitem__(self, name: str) -> Prediction:
        if name not in self:
            raise KeyError(name)
        place = self._places[name]
        row = self._store.row(self._starts[place], self._sizes[place])
        if row is None or row.example_id != name:
            raise StoreError(f"{self._store.folder}: its rows were changed while they were read. Run this again.")
        if not self.columns.answers:  # zeros would be scores of something that was never measured
            return replace(row, scores=dict.fromkeys(row.scores))
        return applied(row, self._inapplicable)

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns.ids)

    def __len__(self) -> int:
        return len(self.columns.ids)

    def __contains__(self, name: object) -> bool:
        place = self._places.get(name, -1) if isinstance(name, str) else -1
        return place >= 0 and self._starts[place] >= 0


def columns_for(
    rows: Mapping[str, Prediction],
    examples: Sequence[Mapping[str, Any]],
    prices: Mapping[str, Mapping[str, Any]] | None = None,
) -> CellColumns:
    """Returns the columns of rows on disk or in memory."""
    return rows.columns if isinstance(rows, StoredRows) else columns_of(rows, examples, prices)
