"""Scores of metrics that do not apply to the route of an answer are none: `-` in tables, and never the best.

A metric says what it scores (`Metric.needs`), a route what its answers have (`Route.gives`): recall of evidence says
nothing about a route that reads no document, and a share of surviving quotes nothing about one that quotes none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ragvlc.core.answer import Prediction

if TYPE_CHECKING:
    from ragvlc.core.families import Metric, Route

__all__ = ["applicable", "applied", "blank_labels", "inapplicable"]


def inapplicable(routes: Mapping[str, Route], metrics: Sequence[Metric]) -> dict[str, list[str]]:
    """Returns the labels of the metrics that do not apply to each route, by its name; empty if all apply to all."""
    found = {
        name: [metric.label for metric in metrics if not metric.needs <= route.provides()]
        for name, route in routes.items()
    }
    return found if any(found.values()) else {}


def applicable(rows: Mapping[str, Prediction], by_route: Mapping[str, Sequence[str]]) -> dict[str, Prediction]:
    """Returns the rows without scores of metrics that do not apply to their route."""
    return {name: applied(row, by_route) for name, row in rows.items()}


def applied(row: Prediction, by_route: Mapping[str, Sequence[str]]) -> Prediction:
    """Returns a row without scores of metrics that do not apply to its route."""
    labels = blank_labels(None if row.answer is None else row.answer.route, by_route)
    if not any(row.scores.get(label) is not None for label in labels):
        return row
    return replace(row, scores={label: None if label in labels else score for label, score in row.scores.items()})


def blank_labels(route: str | None, by_route: Mapping[str, Sequence[str]]) -> Collection[str]:
    """Returns the labels of the metrics that do not apply to an answer's route.

    A question that failed before a route answered (`route` is None) has none of a metric that applies to no route.
    """
    if not by_route:
        return ()
    if route is None:
        return set.intersection(*(set(labels) for labels in by_route.values()))
    return by_route.get(route, ())
