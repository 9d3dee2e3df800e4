"""The margin of a decision: how much of which metrics a cheaper cell may lose and still replace the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import model_validator

from ragvlc.core.component import Component

__all__ = ["COSTS", "Cost", "Decide"]

Cost = Literal["tokens", "money", "seconds", "first_token"]
COSTS: tuple[Cost, ...] = ("tokens", "money", "seconds", "first_token")


class Decide(Component):
    """What a decision rests on: metrics, each with a margin, a cost, and the baseline that may be replaced.

    The margin is the mean score that one would give up for a lower cost. It is chosen before looking at results, and
    has no default.

    Attributes:
        metric: label of a metric, several of them, or a mapping of labels to margins. None of several may be worse.
        margin: loss of mean score that is acceptable, such as 0.03; for all metrics that are named without their own.
        cost: what a question costs: `tokens` (read and written), `money` (needs prices), `seconds` of search,
            reranking and models, or `first_token`, the seconds to it.
        baseline: pipeline or cell that may be replaced; by default the sweep's `baseline`, else its first pipeline that
            reads full context, else its first.
    """

    metric: str | tuple[str, ...] | dict[str, float]
    margin: float | None = None
    cost: Cost = "tokens"
    baseline: str = ""

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, given: object) -> object:
        """Reports the first problem in a sentence; pydantic would name one for each type that `metric` may have."""
        if not isinstance(given, (Mapping, Decide)):
            raise ValueError(  # noqa: TRY004 - pydantic reports only these
                f"needs a mapping such as {{metric: contains, margin: 0.03}}; got {given!r}"
            )
        if isinstance(given, Mapping) and (problem := _problem(given)):
            raise ValueError(problem)
        return given

    @model_validator(mode="after")
    def _no_metric_twice(self) -> Self:
        labels = (self.metric,) if isinstance(self.metric, str) else tuple(self.metric)
        if len(set(labels)) < len(labels):
            raise ValueError(f"metric names one twice: {', '.join(labels)}")
        return self

    @property
    def margins(self) -> dict[str, float]:
        """The margin of each metric, keyed by label."""
        if isinstance(self.metric, dict):
            return dict(self.metric)
        labels = (self.metric,) if isinstance(self.metric, str) else self.metric
        return dict.fromkeys(labels, self.margin or 0.0)


def _problem(given: Mapping[str, Any]) -> str:
    metric, margin = given.get("metric"), given.get("margin")
    if not metric or not isinstance(metric, (str, list, tuple, Mapping)):
        return "needs `metric`: a metric's label, a list of labels, or a mapping of labels to margins"
    if not all(isinstance(label, str) for label in metric):
        return f"metric: must name metrics by their labels; got {metric!r}"
    if isinstance(metric, Mapping):
        if margin is not None:
            return "has margins in `metric` and a `margin`: give one of the two"
        return next((text for label, own in metric.items() if (text := _wrong_margin(own, f"metric.{label}"))), "")
    if margin is None:
        labels = metric if isinstance(metric, str) else " and ".join(map(str, metric))
        return (
            f"needs `margin`: how much of {labels} may be lost for a lower cost, such as 0.03. It has no default: "
            "choose it before looking at results"
        )
    return _wrong_margin(margin, "margin")


def _wrong_margin(margin: object, place: str) -> str:
    if isinstance(margin, bool) or not isinstance(margin, (int, float)):
        hint = " Three hundredths are 0.03." if isinstance(margin, str) and margin.strip().endswith("%") else ""
        return f"{place}: {margin!r} is not a number.{hint}"
    return (
        ""
        if 0 < margin < float("inf")
        else f"{place}: must be above 0, the largest loss that is acceptable; got {margin}"
    )
