"""Statistics of speculatively decoded answers: rounds, acceptance by draft position, seconds.

Figures of a cell are ratios of sums over its answers, so that a long answer counts for its length: tokens a second are
all tokens over all seconds, acceptance at a position is accepted drafts over drafts that reached it. Seconds are
those of decoding, without prefill.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from ragvlc.core.answer import Answer

__all__ = ["Speculated", "Speculation", "figures_of", "speculation_of"]


@dataclass(frozen=True, slots=True)
class Speculation:
    """Token counts and seconds summed over speculatively decoded answers; such sums can be added.

    Attributes:
        answers: number of answers decoded speculatively.
        rounds: forward passes of targets after their prompts.
        tokens: of the answers.
        tried: drafted tokens by position in the draft.
        judged: drafted tokens that follow accepted ones only, by position.
        accepted: accepted tokens, by position.
        draft_seconds: of drafting.
        verify_seconds: of verification.
        prefill_seconds: of the targets' prefill.
        draft_prefill_seconds: of the drafters' prefill.
        target_tokens: of the targets' prompts.
        draft_tokens: of the drafters' prompts.
        compared_tokens: of the answers for which plain decoding was measured too.
        compared_seconds: of decoding those answers.
        plain_seconds: of plain decoding of the same number of tokens.
    """

    answers: int = 0
    rounds: int = 0
    tokens: int = 0
    tried: tuple[int, ...] = ()
    judged: tuple[int, ...] = ()
    accepted: tuple[int, ...] = ()
    draft_seconds: float = 0.0
    verify_seconds: float = 0.0
    prefill_seconds: float = 0.0
    draft_prefill_seconds: float = 0.0
    target_tokens: int = 0
    draft_tokens: int = 0
    compared_tokens: int = 0
    compared_seconds: float = 0.0
    plain_seconds: float = 0.0

    def __add__(self, other: Speculation) -> Speculation:
        sums: dict[str, Any] = {}
        for name in Speculation.__slots__:
            mine, theirs = getattr(self, name), getattr(other, name)
            places = isinstance(mine, tuple)
            sums[name] = tuple(map(sum, zip_longest(mine, theirs, fillvalue=0))) if places else mine + theirs
        return Speculation(**sums)

    @property
    def seconds(self) -> float:
        """Seconds spent on decoding: drafting and verification."""
        return self.draft_seconds + self.verify_seconds

    @property
    def acceptance(self) -> float | None:
        """Accepted tokens as a share of drafted tokens."""
        return _ratio(sum(self.accepted), sum(self.tried))

    @property
    def token_acceptance(self) -> float | None:
        """Accepted tokens as a share of judged tokens, that is, drafted tokens that follow only accepted ones."""
        return _ratio(sum(self.accepted), sum(self.judged))

    @property
    def token_acceptance_by_place(self) -> tuple[float, ...]:
        """Accepted tokens as a share of judged tokens, by position in the draft."""
        return tuple(accepted / judged for accepted, judged in zip(self.accepted, self.judged, strict=True) if judged)

    @property
    def by_place(self) -> tuple[float, ...]:
        """Accepted tokens as a share of drafted tokens, by position in the draft."""
        return tuple(accepted / tried for accepted, tried in zip(self.accepted, self.tried, strict=True) if tried)

    @property
    def tokens_a_round(self) -> float | None:
        """Generated tokens per forward pass of the target model."""
        return _ratio(self.tokens, self.rounds)

    @property
    def tokens_a_second(self) -> float | None:
        """Generated tokens per second of decoding."""
        return _ratio(self.tokens, self.seconds)

    @property
    def plain_tokens_a_second(self) -> float | None:
        """Generated tokens per second of plain decoding; None if plain decoding was not measured."""
        return _ratio(self.compared_tokens, self.plain_seconds)

    @property
    def speedup(self) -> float | None:
        """Seconds of plain decoding divided by those of speculative decoding of the same answers; None if unknown."""
        return _ratio(self.plain_seconds, self.compared_seconds) if self.plain_seconds else None


@dataclass(frozen=True, slots=True)
class Speculated:
    """A stored cell that decoded speculatively.

    Attributes:
        name: of its sweep and its pipeline.
        route: its settings as data.
        sums: over its answers.
    """

    name: str
    route: Mapping[str, Any]
    sums: Speculation


def speculation_of(answers: Iterable[Answer]) -> Speculation | None:
    """Returns the sums over all speculatively decoded answers; None if there are none."""
    found = [
        _sums_of(step.facts) for one in answers for root in one.trace for step in root.walk() if _has_rounds(step.facts)
    ]
    return sum(found, Speculation()) if found else None


def figures_of(found: Speculation) -> dict[str, float]:
    """Returns the figures of speculative decoding for a summary, by name and without unknown values."""
    n = found.answers
    figures = {
        "speculation_rounds": found.rounds / n,
        "speculation_drafted": sum(found.tried) / n,
        "speculation_accepted": sum(found.accepted) / n,
        "speculation_acceptance": found.acceptance,
        "speculation_token_acceptance": found.token_acceptance,
        "speculation_tokens_a_round": found.tokens_a_round,
        "speculation_tokens_a_second": found.tokens_a_second,
        "speculation_plain_tokens_a_second": found.plain_tokens_a_second,
        "speculation_speedup": found.speedup,
        "speculation_draft_seconds": found.draft_seconds / n,
        "speculation_verify_seconds": found.verify_seconds / n,
        "speculation_prefill_seconds": found.prefill_seconds / n,
        "speculation_draft_prefill_seconds": found.draft_prefill_seconds / n,
    }
    figures |= {f"speculation_acceptance_at_{place}": share for place, share in enumerate(found.by_place, 1)}
    return {name: float(value) for name, value in figures.items() if value is not None}


_ROUNDS = {"rounds", "tokens", "tried_at", "judged_at", "accepted_at", "target_prompt", "draft_prompt"} | {
    f"{phase}_seconds" for phase in ("draft", "verify", "prefill", "draft_prefill")
}
"""Facts that a step which decoded speculatively has, all together."""


def _has_rounds(facts: Mapping[str, Any]) -> bool:
    return facts.keys() >= _ROUNDS


def _sums_of(facts: Mapping[str, Any]) -> Speculation:
    """Returns the sums of one speculatively decoded step; `reading.speculation` records its facts."""
    seconds, plain = facts["draft_seconds"] + facts["verify_seconds"], facts.get("plain_seconds") or 0.0
    return Speculation(
        answers=1,
        rounds=facts["rounds"],
        tokens=facts["tokens"],
        tried=_counts(facts["tried_at"]),
        judged=_counts(facts["judged_at"]),
        accepted=_counts(facts["accepted_at"]),
        draft_seconds=facts["draft_seconds"],
        verify_seconds=facts["verify_seconds"],
        prefill_seconds=facts["prefill_seconds"],
        draft_prefill_seconds=facts["draft_prefill_seconds"],
        target_tokens=facts["target_prompt"],
        draft_tokens=facts["draft_prompt"],
        compared_tokens=facts["tokens"] if plain else 0,
        compared_seconds=seconds if plain else 0.0,
        plain_seconds=plain,
    )


def _counts(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split()))


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
