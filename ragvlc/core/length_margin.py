"""The margin of an effective length: how much of a metric a longer context may lose against the shortest one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from ragvlc.core.component import Component

__all__ = ["LengthMargin"]


class LengthMargin(Component):
    """The metric and the margin of an effective length: the longest context at which a route is not worse.

    The margin is the mean score that a longer context may lose against the route's own score at the shortest length. It
    is chosen before looking at results, and has no default.

    Attributes:
        metric: label of the metric.
        margin: loss of mean score that is acceptable, such as 0.05.
        axis: setting that is the length, if another than the default: `dataset.pad_to_tokens`, else the length that
            the questions of a data set have (`dataset.length`).
    """

    metric: str
    margin: float
    axis: str = ""

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, given: object) -> object:
        """Reports the first problem in a sentence."""
        if not isinstance(given, (Mapping, LengthMargin)):
            raise ValueError(  # noqa: TRY004 - pydantic reports only these
                f"needs a mapping such as {{metric: contains, margin: 0.05}}; got {given!r}"
            )
        if isinstance(given, Mapping) and (problem := _problem(given)):
            raise ValueError(problem)
        return given


def _problem(given: Mapping[str, Any]) -> str:
    metric, margin = given.get("metric"), given.get("margin")
    if not metric or not isinstance(metric, str):
        return f"needs `metric`, the label of one metric; got {metric!r}"
    if margin is None:
        return (
            f"needs `margin`: how much of {metric} a longer context may lose, such as 0.05. It has no default: choose "
            "it before looking at results"
        )
    if isinstance(margin, bool) or not isinstance(margin, (int, float)):
        return f"margin: {margin!r} is not a number such as 0.05"
    if not 0 < margin < float("inf"):
        return f"margin: must be above 0, the largest loss that is acceptable; got {margin}"
    return ""
