"""Scores of metrics that do not apply to the route of an answer are none: `-` in tables, and never the best.

A metric says what it scores (`Metric.needs`), a route what its answers have (`Route.gives`): recall of evidence says
nothing about a route that reads no document, and a share of surviving quotes nothing about one that quotes none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ragvlc.core.answer import Prediction

if TYPE_CHECKING:
    from ragvlc.core.families import Metric, Route

__all__ = ["applicable", "inapplicable"]


def inapplicable(routes: Mapping[str, Route], metrics: Sequence[Metric]) -> dict[str, list[str]]:
    """Returns the labels of the metrics that do not apply to each route, by its name; empty if all apply to all."""
    found = {
        name: [metric.label for metric in metrics if not metric.needs <= route.provides()]
        for name, route in routes.items()
    }
    return found if any(found.values()) else {}


def applicable(rows: Mapping[str, Prediction], by_route: Mapping[str, Sequence[str]]) -> dict[str, Prediction]:
    """Returns the rows without scores of metrics that do not apply to their route.

    A question that failed before a route answered has none of a metric that applies to no route of the cell.
    """
    if not by_route:
        return dict(rows)
    nowhere = set.intersection(*(set(labels) for labels in by_route.values()))
    return {name: _without(row, _labels(row, by_route, nowhere)) for name, row in rows.items()}


def _labels(row: Prediction, by_route: Mapping[str, Sequence[str]], nowhere: set[str]) -> set[str]:
    return nowhere if row.answer is None else set(by_route.get(row.answer.route, ()))


def _without(row: Prediction, labels: set[str]) -> Prediction:
    if not any(row.scores.get(label) is not None for label in labels):
        return row
    return replace(row, scores={label: None if label in labels else score for label, score in row.scores.items()})
