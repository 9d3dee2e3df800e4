"""Records for trackers: a sweep and its cells as plain values, independent of how they were run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ragvlc.core.answer import Prediction
from ragvlc.core.data import Example

__all__ = [
    "DECISION_FILE",
    "FINISHED",
    "OUTCOME_FILE",
    "RULED_OUT",
    "CellRecord",
    "SweepRecord",
    "TraceRecord",
    "bound_name",
    "score_name",
]

FINISHED = frozenset({"complete", "pruned", "settled"})
"""Statuses of cells of which nothing is left to ask."""
RULED_OUT = frozenset({"pruned", "withdrawn"})
"""Statuses of cells that a race has ruled out."""
DECISION_FILE = "decision.txt"
"""Name of the file with the decision in sentences, among the files about a sweep."""


OUTCOME_FILE = "outcome.json"
"""Name of the file with the verdict in sentences and numbers, among the files about a sweep."""


def score_name(label: str) -> str:
    """Returns the name of a metric's mean in a cell's record."""
    return f"score/{label}"


def bound_name(label: str, end: str) -> str:
    """Returns the name of the `low` or `high` end of a mean's 95 % interval in a cell's record."""
    return f"score/{end}/{label}"


@dataclass(frozen=True, slots=True)
class SweepRecord:
    """A sweep for a tracker: its name, description, data set and metrics.

    Attributes:
        name: of the experiment.
        folder: where its results are.
        description: what it compares, in a sentence or two.
        dataset: name of the data set.
        dataset_key: hash of the examples asked.
        examples: how many.
        tags: strings by name.
        resolved: the sweep as resolved YAML text.
        cells: keys of all its cells, in the order of the plan; empty if they are not known.
        metrics: labels of its metrics; the first is the one that cells are ranked by.
        smaller_is_better: those of them where it is.
    """

    name: str
    folder: Path
    description: str = ""
    dataset: str = ""
    dataset_key: str = ""
    examples: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    resolved: str = ""
    cells: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    smaller_is_better: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TraceRecord:
    """One question of a cell, with its documents and its result row."""

    example: Example
    prediction: Prediction


@dataclass(frozen=True, slots=True)
class CellRecord:
    """A finished or stopped cell for a tracker: its settings, scores and answers.

    Attributes:
        key: content key of the cell.
        name: readable and unique within the sweep.
        status: `complete` or `stopped`; of a race or search also `pruned` and `settled`, which are finished too, and
            others.
        folder: where its files are.
        params: settings by name: axis values, pipeline, data set, seed.
        metrics: numbers by name, as `score_name` and `bound_name` say; whatever else there is has another group.
        table: one mapping a question, equal columns: id, question, answer, references, scores, tokens, seconds ...
            It may be read from disk, entry by entry, as the traces may.
        tags: strings by name.
        dataset: name of its data set; empty for the sweep's own.
        dataset_key: hash of the examples asked.
        examples: how many.
        control: whether it reads gold, so that it bounds the others and is never the best.
        models: name of the generator by role.
        traces: every question with what came back, in the order of the data set.
    """

    key: str
    name: str
    status: str
    folder: Path
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    table: Sequence[Mapping[str, Any]] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    dataset: str = ""
    dataset_key: str = ""
    examples: int = 0
    control: bool = False
    models: Mapping[str, str] = field(default_factory=dict)
    traces: Sequence[TraceRecord] = ()
