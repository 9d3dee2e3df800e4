"""What a tracker is told: a sweep and its cells as plain values, independent of how they were run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["CellRecord", "SweepRecord"]


@dataclass(frozen=True, slots=True)
class SweepRecord:
    """A sweep.

    Attributes:
        name: of the experiment.
        folder: where its results are.
        description: what it compares, in a sentence or two.
        dataset: name of the data set.
        dataset_key: hash of the examples asked.
        examples: how many.
        tags: strings by name.
        resolved: the sweep as resolved YAML text.
    """

    name: str
    folder: Path
    description: str = ""
    dataset: str = ""
    dataset_key: str = ""
    examples: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    resolved: str = ""


@dataclass(frozen=True, slots=True)
class CellRecord:
    """A finished (or stopped) cell.

    Attributes:
        key: content key of the cell.
        name: readable and unique within the sweep.
        status: `complete` or `stopped`.
        folder: where its files are.
        params: settings by name: axis values, pipeline, data set, seed.
        metrics: means, bounds, tokens and seconds by name.
        table: one mapping a question, equal columns: id, question, answer, references, scores, tokens, seconds ...
        tags: strings by name.
        dataset: name of its data set; empty for the sweep's own.
        dataset_key: hash of the examples asked.
        examples: how many.
    """

    key: str
    name: str
    status: str
    folder: Path
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    table: tuple[Mapping[str, Any], ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    dataset: str = ""
    dataset_key: str = ""
    examples: int = 0
