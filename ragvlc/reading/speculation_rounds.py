"""Rounds of speculative decoding: the drafter proposes tokens, the target verifies them in one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragvlc.core.decode_state import DecodeState, Draft
from ragvlc.engines.batching.sampling import sample_at
from ragvlc.reading.acceptance_rules import AcceptanceRule

if TYPE_CHECKING:
    import torch

__all__ = ["Limits", "Rounds", "speculate"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Token limits of an answer and of its drafts.

    Attributes:
        max_tokens: of the answer.
        gamma: tokens of a draft.
        min_probability: a draft ends early with a token whose own probability is below this.
    """

    max_tokens: int
    gamma: int
    min_probability: float = 0.0


@dataclass(slots=True)
class Rounds:
    """The answer's tokens, and statistics of the rounds in which they were made.

    Attributes:
        tokens: the answer's ids, the one that ended it included.
        ended: whether one did.
        rounds: forward passes of the target after its prompt.
        tried: the number of drafted tokens by their place in the draft.
        judged: the number of those that were verified: tokens after a rejected one are discarded unseen.
        accepted: the number of those that were accepted.
    """

    tokens: list[int] = field(default_factory=list)
    ended: bool = False
    rounds: int = 0
    tried: list[int] = field(default_factory=list)
    judged: list[int] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)

    def note(self, drafted: int, accepted: int) -> None:
        """Adds one round to the counts."""
        self.rounds += 1
        judged = min(drafted, accepted + 1)
        for counts, n in ((self.tried, drafted), (self.judged, judged), (self.accepted, accepted)):
            counts.extend([0] * (drafted - len(counts)))
            for place in range(n):
                counts[place] += 1


def speculate(
    target: DecodeState, draft: DecodeState, rule: AcceptanceRule, limits: Limits, points: torch.Generator
) -> Rounds:
    """Returns the answer of `target` and the statistics of its rounds.

    Both decode states have a prompt and no text yet, rows of equal width, and allow `limits.max_tokens`. The target
    computes one forward pass a round, over the last token and the draft; a draft leaves one token of the limit free.

    Args:
        target: generates the answer.
        draft: proposes tokens.
        rule: accepts tokens.
        limits: of the answer and of drafts.
        points: random generator on the CPU, for accepting and for the token sampled after the accepted ones.
    """
    import torch

    found = Rounds()
    while not found.ended and len(found.tokens) < limits.max_tokens:
        n = min(limits.gamma, limits.max_tokens - len(found.tokens) - 1)
        proposed = (
            draft.propose(n, min_probability=limits.min_probability) if n else Draft((), torch.empty(0, draft.width))
        )
        rows = target.verify(proposed.tokens)
        drafted = len(proposed.tokens)
        thrown = torch.rand(drafted + 1, generator=points, dtype=torch.float64)
        kept, following = _judged(draft, rule, proposed, rows, thrown)
        for state in (target, draft):
            state.rewind(drafted - kept)
        found.note(drafted, kept)
        _append(found, proposed.tokens[:kept], target.end_ids)
        if not found.ended:  # no token follows the end of an answer
            token = int(sample_at(following, float(thrown[-1])))
            target.extend([token])
            draft.extend([token])
            _append(found, [token], target.end_ids)
    return found


def _judged(
    draft: DecodeState, rule: AcceptanceRule, proposed: Draft, rows: torch.Tensor, thrown: torch.Tensor
) -> tuple[int, torch.Tensor]:
    """Returns the number of accepted tokens, and the distribution over the vocabulary for sampling the next token."""
    import torch

    drafted = len(proposed.tokens)
    p, q = rows[:drafted], proposed.probabilities.to(rows)
    kept = 0
    if drafted:
        p_hat = rule.moved(p, q)
        kept = rule.accepted(p_hat, q, torch.tensor(proposed.tokens, device=rows.device), thrown[:drafted])
        if kept < drafted:
            return kept, rule.residual(p[kept], q[kept], p_hat[kept])
    last = rows[drafted]
    return kept, rule.moved(last, draft.peek()[0].to(rows)) if rule.follows_draft else last


def _append(found: Rounds, tokens: Sequence[int], ends: frozenset[int]) -> None:
    found.tokens += tokens
    found.ended = bool(tokens) and tokens[-1] in ends
