"""Scores of rows, and whether they are still those of today's metrics."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from ragvlc.core.answer import Answer, Failure, Prediction
from ragvlc.core.data import Example, content_key
from ragvlc.core.errors import RagvlcError
from ragvlc.core.families import Metric
from ragvlc.sweep.store import CellStore

__all__ = ["asked_key", "failure_of", "row_key", "score", "scored"]

log = logging.getLogger("ragvlc")


def asked_key(examples: Sequence[Example], metrics: Sequence[Metric]) -> str:
    """Returns a hash of the questions and metrics that a summary stands for."""
    asked = [[example.key, example.gold_key] for example in examples]
    return content_key([asked, {metric.label: metric.key for metric in metrics}])


def row_key(example: Example, *, control: bool) -> str:
    """Returns what a row must carry to belong to `example`; the answers of controls depend on its gold too."""
    return content_key([example.key, example.gold_key]) if control else example.key


def failed_scores(example: Example, metrics: Sequence[Metric]) -> dict[str, float | None]:
    """Returns the scores of an example without an answer: 0 wherever the metric applies, so that failing never pays."""
    silence = Answer("")
    return {metric.label: None if metric.score(silence, example) is None else 0.0 for metric in metrics}


def failure_of(stage: str, error: Exception) -> Failure:
    """Returns an error as data."""
    if not isinstance(error, RagvlcError):
        log.debug("a row failed", exc_info=error)
    return Failure(stage, type(error).__name__, str(error), bool(getattr(error, "transient", False)))


def score(row: Prediction, example: Example, metrics: Sequence[Metric]) -> Prediction:
    """Returns the row with its scores; a metric that raises makes the row a failure."""
    scored_by = _scored_by(example, metrics)
    if row.answer is None:
        return replace(row, scores=failed_scores(example, metrics), scored_by=scored_by, flags=())
    try:
        scores = {metric.label: metric.score(row.answer, example) for metric in metrics}
        flags = [flag for metric in metrics for flag in metric.flags(row.answer, example)]
    except Exception as error:  # noqa: BLE001 - a metric that fails on one answer is a row
        return replace(row, failure=failure_of("score", error), scores={}, scored_by={}, flags=())
    return replace(row, failure=None, scores=scores, scored_by=scored_by, flags=tuple(dict.fromkeys(flags)))


def _scored_by(example: Example, metrics: Sequence[Metric]) -> dict[str, str]:
    return {metric.label: content_key([metric.key, example.gold_key])[:16] for metric in metrics}


def scored(
    store: CellStore, examples: Sequence[Example], metrics: Sequence[Metric], *, control: bool
) -> dict[str, Prediction]:
    """Returns the stored rows of these examples, scored by these metrics; rows that changed are appended."""
    rows = store.load()
    found = {}
    for example in examples:
        row = rows.get(example.id)
        if row is None or row.example_key != row_key(example, control=control):
            continue
        if dict(row.scored_by) != _scored_by(example, metrics):
            row = score(row, example, metrics)
            store.append(row)
        found[example.id] = row
    return found
