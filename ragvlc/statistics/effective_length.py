"""The effective context length: the longest context without a loss beyond a margin, by a fixed sequence of tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ragvlc.statistics.decisions import MetricDecision, on_metric
from ragvlc.statistics.differences import PairedSample

__all__ = ["EffectiveLength", "LengthStep", "effective_length"]


@dataclass(frozen=True, slots=True)
class LengthStep:
    """One tested context length, and the decision at that length.

    Attributes:
        length: of the context.
        decision: on the score there less that at the shortest length.
    """

    length: float
    decision: MetricDecision


@dataclass(frozen=True, slots=True)
class EffectiveLength:
    """The longest context without a loss beyond a margin, and the lengths tested to find it.

    Attributes:
        length: the longest at which nothing beyond the margin is lost, all shorter ones included; the shortest asked
            where the first step fails.
        steps: lengths tested, from the shortest; the last one failed unless all passed.
        lost: the shortest length from which on, all longer ones included, a loss beyond the margin is shown; None where
            it is not shown at the longest. With `length` it is a 95 % interval: not below the one, and below the other.
    """

    length: float
    steps: tuple[LengthStep, ...]
    lost: float | None = None

    @property
    def failed(self) -> LengthStep | None:
        """The first length that failed the non-inferiority test; None if all lengths passed."""
        return next((step for step in self.steps if not step.decision.verdict.passed), None)


def effective_length(
    shortest: float,
    longer: Sequence[tuple[float, PairedSample]],
    margin: float,
    *,
    metric: str = "",
    level: float = 0.95,
) -> EffectiveLength:
    """Returns the longest context that is non-inferior to the shortest context, by a fixed sequence of tests.

    Lengths are tested from the shortest on and testing stops at the first that fails; so ordered, tests need no
    correction for being several (a fixed sequence). A loss is tested from the longest on, likewise.

    Args:
        shortest: length that the others are measured against.
        longer: lengths, and the differences of the same questions to the shortest (longer minus shortest).
        margin: that may be lost.
        metric: name of what was scored.
        level: of the intervals.

    Raises:
        ValueError: the margin is not above 0, or lengths do not rise from the shortest.
    """
    lengths = [shortest, *(length for length, _ in longer)]
    if margin <= 0 or any(one >= other for one, other in pairwise(lengths)):
        message = f"an effective length needs a margin above 0 and rising lengths; got {margin=}, lengths {lengths}."
        raise ValueError(message)
    found, steps = shortest, []
    for length, pairs in longer:
        step = LengthStep(length, on_metric(metric, pairs, margin, level))
        steps.append(step)
        if not step.decision.verdict.passed:
            break
        found = length
    return EffectiveLength(found, tuple(steps), _lost(longer, margin, level))


def _lost(longer: Sequence[tuple[float, PairedSample]], margin: float, level: float) -> float | None:
    lost = None
    for length, pairs in reversed(longer):
        difference = pairs.difference(level)
        if difference.few or difference.high is None or difference.high >= -margin:
            break
        lost = length
    return lost
