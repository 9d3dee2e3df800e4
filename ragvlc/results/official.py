"""Figures by the rules of a benchmark's authors, computed from stored rows: `Metric.official`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

from ragvlc import config
from ragvlc.core.errors import RagvlcError
from ragvlc.core.families import Metric, ScoredQuestion

if TYPE_CHECKING:
    from ragvlc.results.loading import CellResult

__all__ = ["OfficialFigures", "official_figures", "official_metrics", "scored_questions"]


@dataclass(frozen=True, slots=True)
class OfficialFigures:
    """What a metric's authors compute from the questions of one cell.

    Attributes:
        metric: label.
        figures: by name, in the authors' units.
        problem: why there are none, in a sentence; empty if there are.
    """

    metric: str
    figures: Mapping[str, float] = field(default_factory=dict)
    problem: str = ""


def official_metrics(metrics: Iterable[Metric]) -> dict[str, dict[str, Any]]:
    """Returns the specification of each metric with figures of its own, by label, as `cells.json` holds them."""
    return {metric.label: metric.spec() for metric in metrics if metric.has_official}


def official_figures(cell: CellResult) -> list[OfficialFigures]:
    """Returns the official figures of a cell by metric; metrics that score none of its questions are left out."""
    found: list[OfficialFigures] = []
    for label, spec in cell.facts.get("official", {}).items():
        questions = scored_questions(cell, label)
        if all(one.score is None for one in questions):
            continue
        try:
            metric = config.build(Metric, spec, f"{cell.name}: {label}")
            figures = {name: float(value) for name, value in metric.official(questions).items()}
        except RagvlcError as error:
            found.append(OfficialFigures(label, problem=str(error)))
        except Exception as error:  # noqa: BLE001 - a metric of the user's
            found.append(OfficialFigures(label, problem=f"{type(error).__name__}: {error}"))
        else:
            known = {name: value for name, value in figures.items() if isfinite(value)}
            found.append(OfficialFigures(label, known))
    return found


def scored_questions(cell: CellResult, label: str) -> list[ScoredQuestion]:
    """Returns the questions of a cell that have a row, with their scores."""
    columns = cell.columns
    scores = {one: columns.scored(one) for one in cell.metrics}
    found = []
    for place, name in enumerate(columns.ids):
        facts = cell.examples[name]
        found.append(
            ScoredQuestion(
                name,
                scores[label][place],
                {one: values[place] for one, values in scores.items()},
                columns.flags[place],
                failed=place in columns.failures,
                replied=bool(columns.marks["replied"][place]),
                task=str(facts["task"]),
                tags=facts["tags"],
                cluster=facts["cluster"],
                unanswerable=facts["unanswerable"],
            )
        )
    return found
