"""Rounds of speculative decoding: the drafter proposes, the target looks once at all of it, both go on from there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragvlc.core.sessions import Draft, Session
from ragvlc.engines.batching.sampling import drawn
from ragvlc.reading.acceptance_rules import Rule

if TYPE_CHECKING:
    import torch

__all__ = ["Limits", "Rounds", "speculate"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may be.

    Attributes:
        max_tokens: of the answer.
        gamma: tokens of a draft.
        confident: a draft ends behind a token whose own probability is below this.
    """

    max_tokens: int
    gamma: int
    confident: float = 0.0


@dataclass(slots=True)
class Rounds:
    """What came of it.

    Attributes:
        tokens: the answer's ids, the one that ended it included.
        ended: whether one did.
        rounds: forward passes of the target behind its prompt.
        tried: drafted tokens by their place in the draft.
        judged: of those, behind accepted ones only: what follows a rejection is thrown away unseen.
        accepted: of those.
    """

    tokens: list[int] = field(default_factory=list)
    ended: bool = False
    rounds: int = 0
    tried: list[int] = field(default_factory=list)
    judged: list[int] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)

    def note(self, drafted: int, accepted: int) -> None:
        """Counts a round."""
        self.rounds += 1
        judged = min(drafted, accepted + 1)
        for counts, n in ((self.tried, drafted), (self.judged, judged), (self.accepted, accepted)):
            counts.extend([0] * (drafted - len(counts)))
            for place in range(n):
                counts[place] += 1


def speculate(target: Session, draft: Session, rule: Rule, limits: Limits, points: torch.Generator) -> Rounds:
    """Returns the answer of `target`.

    Both sessions stand behind their prompts, have rows of equal width, and allow `limits.max_tokens`. The target is
    asked once a round, about the last token and the draft; a draft is never longer than what fits with one token more.

    Args:
        target: whose answer it is.
        draft: proposes.
        rule: accepts.
        limits: of the answer and of drafts.
        points: random numbers on the CPU, for accepting and for what is drawn instead.
    """
    import torch

    found = Rounds()
    while not found.ended and len(found.tokens) < limits.max_tokens:
        n = min(limits.gamma, limits.max_tokens - len(found.tokens) - 1)
        proposed = draft.propose(n, confident=limits.confident) if n else Draft((), torch.empty(0, draft.width))
        rows = target.verify(proposed.tokens)
        drafted = len(proposed.tokens)
        thrown = torch.rand(drafted + 1, generator=points, dtype=torch.float64)
        kept, following = _judged(draft, rule, proposed, rows, thrown)
        for session in (target, draft):
            session.rewind(drafted - kept)
        found.note(drafted, kept)
        _go_on(found, proposed.tokens[:kept], target.ends)
        if not found.ended:  # behind the end of an answer stands nothing
            token = int(drawn(following, float(thrown[-1])))
            target.extend([token])
            draft.extend([token])
            _go_on(found, [token], target.ends)
    return found


def _judged(
    draft: Session, rule: Rule, proposed: Draft, rows: torch.Tensor, thrown: torch.Tensor
) -> tuple[int, torch.Tensor]:
    """Returns how many tokens are accepted, and the row [width] from which the next one is drawn."""
    import torch

    drafted = len(proposed.tokens)
    p, q = rows[:drafted], proposed.rows.to(rows)
    kept = 0
    if drafted:
        p_hat = rule.moved(p, q)
        kept = rule.accepted(p_hat, q, torch.tensor(proposed.tokens, device=rows.device), thrown[:drafted])
        if kept < drafted:
            return kept, rule.residual(p[kept], q[kept], p_hat[kept])
    last = rows[drafted]
    return kept, rule.moved(last, draft.peek()[0].to(rows)) if rule.follows_draft else last


def _go_on(found: Rounds, tokens: Sequence[int], ends: frozenset[int]) -> None:
    found.tokens += tokens
    found.ended = bool(tokens) and tokens[-1] in ends
