"""Whether a cell is complete, counted from its rows, and whether its questions are those that it was asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ragvlc.core.answer import Prediction
from ragvlc.core.errors import DerivedError
from ragvlc.results.questions import StoredQuestions
from ragvlc.results.stored import StoredRows
from ragvlc.results.summary import questions_key

__all__ = ["check_examples", "is_finished", "is_unfinished"]


def is_unfinished(row: Prediction, labels: Collection[str]) -> bool:
    """Returns whether another run may complete this row: a transient failure, or a missing score."""
    if row.failure is not None:
        return row.failure.transient
    return not set(labels) <= set(row.scored_by)


def is_finished(
    rows: Mapping[str, Prediction], questions: int, labels: Collection[str], max_failures: float | None
) -> bool:
    """Returns whether current rows are those of a finished cell: all are there, and no run would change them.

    Args:
        rows: by example id; those of the current questions only.
        questions: how many there are.
        labels: of the metrics.
        max_failures: share of the questions that may fail before the cell is stopped; None if it is not known.
    """
    if isinstance(rows, StoredRows):
        failed, unfinished = len(rows.columns.failures), rows.columns.any_unfinished(labels)
    else:
        failed = sum(row.failure is not None for row in rows.values())
        unfinished = any(is_unfinished(row, labels) for row in rows.values())
    allowed = -1.0 if max_failures is None else max_failures * questions
    return len(rows) >= questions and failed <= allowed and not unfinished


def check_examples(folder: Path, cells: Sequence[Mapping[str, Any]], files: Mapping[str, StoredQuestions]) -> None:
    """Raises `DerivedError` for a file that no longer holds the questions that the cells were asked."""
    stored = {file: questions_key(asked.facts) for file, asked in files.items()}
    for facts in cells:
        if facts.get("data_key", stored[facts["examples"]]) != stored[facts["examples"]]:
            raise DerivedError(
                f"{folder / facts['examples']}: questions are missing or changed. Make it anew (nothing is asked): "
                f"ragvlc verify {folder} --repair, or ragvlc run EXPERIMENT."
            )
