"""Break-even of speculative decoding: seconds per token by context length, draft length and acceptance rate.

A round is `gamma` steps of the drafter and one forward pass of the target over `gamma + 1` tokens; it gives
`expected_tokens` of them (Leviathan et al. 2022, arXiv 2211.17192). Steps and passes are as in `hardware.roofline`.
RAPID (Chen et al. 2025, arXiv 2502.20330) gains after long contexts, for its drafter reads a small part of what the
target reads.

Assumed: decoding alone, one text at a time, both models on one device that does nothing else; drafts and checks one
after the other; prompts read; acceptance the same in all places of a draft, unless it was measured by place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ragvlc.hardware.model_sizes import Shape
from ragvlc.hardware.roofline import Device, decode_seconds, verify_seconds

__all__ = [
    "LONGEST",
    "MOST_GAMMA",
    "Acceptance",
    "BreakEven",
    "Point",
    "Speculator",
    "expected_tokens",
    "speculative_seconds",
]

Acceptance = float | Sequence[float]
"""Probability that a drafted token is accepted after accepted ones: one for all positions of a draft, or one for each,
of which the last applies to later ones."""

MOST_GAMMA = 32
"""Longest draft considered for the best one."""
LONGEST = 2**22
"""Longest context considered for the break-even, in tokens."""
_STEPS = 16
"""Contexts considered between one power of two and the next."""


def expected_tokens(gamma: int, acceptance: Acceptance) -> float:
    """Returns the mean number of new tokens per round: accepted ones of `gamma` drafted, and one from the target.

    With one probability `a` for all positions, `(1 - a^(gamma + 1)) / (1 - a)` (Leviathan et al. 2022, equation 1).
    """
    places = [acceptance] if isinstance(acceptance, (int, float)) else list(acceptance)
    tokens = reached = 1.0
    for place in range(gamma):
        reached *= places[min(place, len(places) - 1)] if places else 0.0
        tokens += reached
    return tokens


def speculative_seconds(
    target: Shape, draft: Shape, device: Device, *, contexts: tuple[int, int], gamma: int, acceptance: Acceptance
) -> float:
    """Returns the seconds per token of speculative decoding (Leviathan et al. 2022, arXiv 2211.17192).

    Args:
        target: whose tokens they are.
        draft: proposes.
        device: computes both, one after the other.
        contexts: tokens before them, for the target and for the draft; RAPID's draft reads a shorter text.
        gamma: tokens proposed at a time.
        acceptance: of proposed tokens.
    """
    proposing = gamma * decode_seconds(draft, device, contexts[1])
    checking = verify_seconds(target, device, contexts[0], gamma + 1)
    return (proposing + checking) / expected_tokens(gamma, acceptance)


@dataclass(frozen=True, slots=True)
class Point:
    """Plain and speculative decoding compared at one context length and draft length.

    Attributes:
        context: tokens that the target has read.
        draft_context: tokens that the drafter has read.
        gamma: tokens drafted at a time.
        tokens_a_round: that come of it.
        plain_seconds: a token, of plain decoding.
        seconds: a token, of speculative decoding.
    """

    context: int
    draft_context: int
    gamma: int
    tokens_a_round: float
    plain_seconds: float
    seconds: float

    @property
    def speedup(self) -> float:
        """How many times faster speculative decoding is than plain decoding."""
        return self.plain_seconds / self.seconds


@dataclass(frozen=True, slots=True)
class BreakEven:
    """The context lengths at which speculative decoding is faster than plain decoding.

    Attributes:
        context: from which on it is faster, in tokens; None if it is nowhere up to `LONGEST`.
        until: from which on it is slower again; None if it stays faster.
    """

    context: int | None
    until: int | None = None

    @property
    def words(self) -> str:
        """The break-even range as text, e.g. `from 8,192 tokens`."""
        if self.context is None:
            return "never"
        if self.context == 1:
            return "always" if self.until is None else f"below {self.until:,} tokens"
        end = "" if self.until is None else f" to {self.until - 1:,}"
        return f"from {self.context:,}{end} tokens"


@dataclass(frozen=True)
class Speculator:
    """A target model, its drafter, and the device that runs both.

    Attributes:
        target: whose tokens they are.
        draft: proposes.
        device: computes both, one after the other.
        reads: tokens that the drafter reads, by those that the target reads.
        acceptance: of proposed tokens.
    """

    target: Shape
    draft: Shape
    device: Device
    reads: Callable[[int], int]
    acceptance: Acceptance

    def at(self, context: int, gamma: int) -> Point:
        """Returns the comparison of plain and speculative decoding after `context` tokens."""
        contexts = (context, self.reads(context))
        seconds = speculative_seconds(
            self.target, self.draft, self.device, contexts=contexts, gamma=gamma, acceptance=self.acceptance
        )
        plain = decode_seconds(self.target, self.device, context)
        return Point(*contexts, gamma, expected_tokens(gamma, self.acceptance), plain, seconds)

    def best(self, context: int) -> Point:
        """Returns the comparison for the fastest draft length up to `MOST_GAMMA`, the shortest among equals."""
        return min((self.at(context, gamma) for gamma in range(1, MOST_GAMMA + 1)), key=lambda point: point.seconds)

    def break_even(self, gamma: int | None = None) -> BreakEven:
        """Returns the context lengths at which speculation is faster than plain decoding.

        Looked for at 16 contexts between one power of two and the next, then to the token between two of them. Where
        what the drafter reads grows in steps, as by whole passages, the gain comes and goes at each step; then this is
        one of those crossings.

        Args:
            gamma: tokens drafted at a time; None for the best number at each context.
        """

        def wins(context: int) -> bool:
            point = self.best(context) if gamma is None else self.at(context, gamma)
            return point.speedup > 1

        contexts = _ladder()
        found = [wins(context) for context in contexts]
        if True not in found:
            return BreakEven(None)
        last = _last(found, True)
        until = None
        if last + 1 < len(found):
            until = _between(contexts[last], contexts[last + 1], lambda context: not wins(context))
        before = _last(found[:last], False)  # whatever is won and lost before that does not count
        start = contexts[0] if before < 0 else _between(contexts[before], contexts[before + 1], wins)
        return BreakEven(start, until)

    def table(self, contexts: Sequence[int], gammas: Sequence[int]) -> list[list[Point]]:
        """Returns the comparisons for all context lengths (rows) and draft lengths (columns)."""
        return [[self.at(context, gamma) for gamma in gammas] for context in contexts]


def _ladder() -> list[int]:
    """Returns context lengths from 1 to `LONGEST`: each power of two and up to 15 lengths before the next power."""
    found = {1, LONGEST}
    power = 1
    while power < LONGEST:
        found |= {power + power * step // _STEPS for step in range(_STEPS)}
        power *= 2
    return sorted(found)


def _last(found: Sequence[bool], wanted: bool) -> int:
    """Returns the last index at which `found` has the wanted value, or -1."""
    return max((place for place, value in enumerate(found) if value == wanted), default=-1)


def _between(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """Returns the smallest number for which `holds` is true, by bisection between `low` (false) and `high` (true)."""
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle
    return high
