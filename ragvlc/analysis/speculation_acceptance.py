"""The acceptance rate of drafted tokens: given by the user, measured under similar settings, or assumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ragvlc.analysis.speculation_break_even import Acceptance
from ragvlc.reading.speculation import Speculating
from ragvlc.results.speculation import Speculated, Speculation

__all__ = ["ASSUMED", "Taken", "acceptance_by_place", "taken"]

ASSUMED = 0.75
"""Acceptance where nothing is given and nothing was measured."""
_ENOUGH = 30
"""Judged tokens from which on a place of a draft has an acceptance of its own."""
_ALIKE = ("kind", "eta", "mode", "tail", "tail_threshold", "temperature", "top_p", "share", "minimum", "floor")
"""Settings of a route on which acceptance depends, beside its models and texts."""


@dataclass(frozen=True, slots=True)
class Taken:
    """An acceptance rate, with a sentence on its source."""

    value: Acceptance
    words: str


def taken(route: Speculating, past: Sequence[Speculated], given: float | None) -> Taken:
    """Returns the acceptance rate given by the user, else measured under similar settings, else assumed.

    Args:
        route: that drafts.
        past: stored cells of its two models.
        given: of every token after accepted ones; None goes by the others.
    """
    if given is not None:
        return Taken(given, f"Acceptance {given:g} of every token behind accepted ones, as given.")
    own = route.spec()
    alike = [one.sums for one in past if all(one.route.get(name) == own.get(name) for name in _ALIKE)]
    sums = sum(alike, Speculation())
    if sums.token_acceptance is None:
        return Taken(ASSUMED, f"Acceptance taken as {ASSUMED:g} of every token behind accepted ones: nothing measured.")
    return Taken(
        acceptance_by_place(sums),
        f"Acceptance {sums.token_acceptance:.2f} behind accepted tokens, as measured in {sums.answers:,} stored answers"
        f" (by place in the draft where {_ENOUGH} or more were judged).",
    )


def acceptance_by_place(sums: Speculation) -> Acceptance:
    """Returns the acceptance rate of each draft position with enough judged tokens, and the mean for later ones."""
    mean = sums.token_acceptance or 0.0
    own = [accepted / judged for accepted, judged in zip(sums.accepted, sums.judged, strict=True) if judged >= _ENOUGH]
    return (*own, mean)
