"""Figures of an estimate by cell and in total, with their sources and uncertainty."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["NAMES", "CellEstimate", "Estimate", "add_to", "added", "known"]

NAMES = (
    *("questions", "rescored", "failed", "calls_asked", "prompt_tokens_asked", "completion_tokens_asked"),
    *("calls", "prompt_tokens", "cached_tokens", "completion_tokens", "completion_tokens_most", "calls_stored"),
    *("chunkings_asked", "chunkings", "indexes_asked", "indexes", "rankings_asked", "rankings"),
    *("rerankings_asked", "rerankings", "tokens_reranked", "texts_embedded_asked", "texts_embedded", "tokens_embedded"),
    *("prefill_seconds", "decode_seconds", "embed_seconds", "seconds", "money", "money_most"),
)
"""Figures of a cell. `_asked` is what it asks for, as if it ran alone and nothing were stored; without it, what is left
to compute after sharing with the cells before it. `rescored` are stored answers that models are to score. `_most` is an
upper bound. NaN is what is not known."""


@dataclass(frozen=True, slots=True)
class CellEstimate:
    """The estimated cost of one cell.

    Attributes:
        name: readable, unique within the sweep.
        key: of the cell.
        figures: by the names in `NAMES`.
        sampled: questions that were counted; they represent all.
        spread: half of the 95 % interval of `prompt_tokens`, as a share of it; 0 where every question was counted.
    """

    name: str
    key: str
    figures: Mapping[str, float]
    sampled: int
    spread: float

    def __getitem__(self, name: str) -> float:
        return self.figures.get(name, 0.0)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The estimated cost of a sweep, or of a pipeline over made-up documents.

    Attributes:
        name: of the sweep or pipeline.
        cells: in the order of the plan.
        pending: whether this is what is left to do, or everything.
        answered: questions that are answered already, in all cells.
        models: figures by generator: role names and model, calls, tokens, seconds, money.
        notes: what the figures rest on.
        problems: why questions could not be counted, with how many.
    """

    name: str
    cells: tuple[CellEstimate, ...]
    pending: bool
    answered: int
    models: Mapping[str, Mapping[str, float]]
    notes: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def total(self) -> CellEstimate:
        """The total over all cells; the spreads of cells are added, since the cells ask the same questions."""
        figures = added(cell.figures for cell in self.cells)
        prompt = figures.get("prompt_tokens", 0.0)
        half = sum(cell.spread * cell["prompt_tokens"] for cell in self.cells)
        sampled = sum(cell.sampled for cell in self.cells)
        return CellEstimate("total", "", figures, sampled, half / prompt if prompt else 0.0)

    def to_json(self) -> dict[str, Any]:
        """Returns the whole estimate as JSON values; unknown figures are null."""
        return {
            "name": self.name,
            "shows": "what is owed" if self.pending else "everything",
            "answered": self.answered,
            "cells": [_form(cell) for cell in self.cells],
            "total": _form(self.total),
            "models": {name: _numbers(figures) for name, figures in self.models.items()},
            "notes": list(self.notes),
            "problems": list(self.problems),
        }


def known(value: float) -> bool:
    """Returns whether a figure is known, i.e. is not NaN."""
    return not math.isnan(value)


def added(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Returns the sums of figures by name; a sum with an unknown (NaN) term is unknown."""
    total: dict[str, float] = {}
    for part in parts:
        add_to(total, part)
    return total


def add_to(total: dict[str, float], part: Mapping[str, float], weight: float = 1.0) -> None:
    """Adds figures to `total`, each multiplied by `weight`."""
    for name, value in part.items():
        total[name] = total.get(name, 0.0) + weight * value


def _form(cell: CellEstimate) -> dict[str, Any]:
    own: dict[str, Any] = {"name": cell.name, "key": cell.key} if cell.key else {}
    return own | {"sampled": cell.sampled, "spread": round(cell.spread, 4), **_numbers(cell.figures, NAMES)}


def _numbers(figures: Mapping[str, float], names: Sequence[str] = ()) -> dict[str, float | None]:
    found = {name: figures.get(name, 0.0) for name in names or figures}
    return {name: _number(name, value) for name, value in found.items()}


def _number(name: str, value: float) -> float | None:
    if not known(value):
        return None
    whole = not name.endswith("seconds") and not name.startswith("money")
    return round(value) if whole else round(value, 6)
