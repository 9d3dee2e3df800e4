"""Sums over speculatively decoded answers: rounds, acceptance by place, seconds.

Figures of a cell are ratios of sums over its answers, so that a long answer counts for its length: tokens a second are
all tokens over all seconds, acceptance at a place is all accepted drafts over all drafts that reached it. Seconds are
those of decoding: reading prompts is apart.
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
    """Sums over answers; they add with `+`.

    Attributes:
        answers: that were decoded speculatively.
        rounds: forward passes of targets behind their prompts.
        tokens: of the answers.
        tried: drafted tokens by their place in the draft.
        judged: of those, the ones behind accepted ones only.
        accepted: of those.
        draft_seconds: proposing.
        verify_seconds: checking.
        prefill_seconds: reading the targets' prompts.
        draft_prefill_seconds: reading the drafters' prompts.
        target_tokens: of the targets' prompts.
        draft_tokens: of the drafters' prompts.
        compared_tokens: of the answers for which plain decoding was measured, too.
        compared_seconds: decoding of those.
        plain_seconds: plain decoding of as many tokens as those answers have.
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
        """Of decoding: drafts and checks."""
        return self.draft_seconds + self.verify_seconds

    @property
    def acceptance(self) -> float | None:
        """Accepted tokens over drafted ones."""
        return _ratio(sum(self.accepted), sum(self.tried))

    @property
    def token_acceptance(self) -> float | None:
        """Accepted tokens over those that were judged: how likely a token is accepted where all before it were."""
        return _ratio(sum(self.accepted), sum(self.judged))

    @property
    def token_acceptance_by_place(self) -> tuple[float, ...]:
        """Accepted over judged tokens in each place of a draft."""
        return tuple(accepted / judged for accepted, judged in zip(self.accepted, self.judged, strict=True) if judged)

    @property
    def by_place(self) -> tuple[float, ...]:
        """Accepted over drafted tokens in each place of a draft."""
        return tuple(accepted / tried for accepted, tried in zip(self.accepted, self.tried, strict=True) if tried)

    @property
    def tokens_a_round(self) -> float | None:
        """Tokens that a forward pass of the target gives."""
        return _ratio(self.tokens, self.rounds)

    @property
    def tokens_a_second(self) -> float | None:
        """Of decoding."""
        return _ratio(self.tokens, self.seconds)

    @property
    def plain_tokens_a_second(self) -> float | None:
        """Of plain decoding; None where it was not measured."""
        return _ratio(self.compared_tokens, self.plain_seconds)

    @property
    def speedup(self) -> float | None:
        """Seconds of plain decoding over those of speculative decoding of the same answers; None if not measured."""
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
    """Returns the sums over answers; None if none of them was decoded speculatively."""
    found = [_told(step.facts) for one in answers for root in one.trace for step in root.walk() if _tells(step.facts)]
    return sum(found, Speculation()) if found else None


def figures_of(found: Speculation) -> dict[str, float]:
    """Returns what a summary keeps of the sums: figures by name, those that are not known left out."""
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


def _tells(facts: Mapping[str, Any]) -> bool:
    return {"rounds", "tokens", "judged_at", "target_prompt"} <= facts.keys()


def _told(facts: Mapping[str, Any]) -> Speculation:
    """Returns what the step of one answer tells; see `reading.speculation`."""
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
