"""Acceptance of drafted tokens in speculative decoding, and the distribution that replaces a rejected token.

For one place in the text, `p` is what the target says, `q` what the draft was drawn from, both after temperature and
nucleus. The target moved towards the draft is `p_hat = softmax(log p + eta (q - p))` (Chen et al. 2025, arXiv
2502.20330, equations 6 and 8: the same as logits moved by `eta T (q - p)`). A drafted token `x` is accepted with
probability `min(1, p_hat(x) / q(x))`; after the first that is not, a token is drawn from the residual.

What comes out (each checked by simulation in the tests):

- `eta` 0: p_hat is p, and every token follows p exactly, whatever the drafter and however long its drafts (Leviathan et
  al. 2022, arXiv 2211.17192).
- `paper`: residual `max(p - p_hat, p - q, 0)`, and p behind a fully accepted draft. The paper says that tokens follow p
  for every `eta`. They do not: with `a = min(q, p_hat)` they follow `a + (1 - sum a) residual`, which is neither p nor
  p_hat, and the token behind a full draft follows p, so that the law depends on `gamma`.
- `phat_exact`: residual `max(p_hat - q, 0)`, and p_hat behind a full draft, which costs the drafter one more step:
  every token follows p_hat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

__all__ = ["AcceptanceRule", "Mode", "Tail"]

Mode = Literal["paper", "phat_exact"]
Tail = Literal["paper", "code"]


@dataclass(frozen=True, slots=True)
class AcceptanceRule:
    """The acceptance rule of one speculative route; all tensors are float32 with the vocabulary as last dimension.

    Attributes:
        eta: how far the target moves towards the draft; 0 is lossless.
        mode: what is drawn where the draft ends; see the module.
        tail: which tokens do not move. `paper`: those with p_hat below `threshold` times its largest; they get back
            their p, and the paper's mode does not weigh the row anew. `code`: those with q below `threshold` times its
            largest; the others are weighed with them.
        threshold: 0 moves all.
    """

    eta: float = 0.0
    mode: Mode = "paper"
    tail: Tail = "paper"
    threshold: float = 0.1

    @property
    def follows_draft(self) -> bool:
        """Whether the token after a fully accepted draft is sampled from a distribution that the drafter influences."""
        return self.eta > 0 and self.mode == "phat_exact"

    def moved(self, p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        """Returns the target's probabilities `p` after moving them towards the draft's probabilities `q`."""
        if self.eta == 0:
            return p
        shift = self.eta * (q - p)
        if self.tail == "code":
            return (p.log() + shift.masked_fill(_small(q, self.threshold), 0.0)).softmax(dim=-1)
        p_hat = (p.log() + shift).softmax(dim=-1)
        p_hat = p_hat.where(~_small(p_hat, self.threshold), p)
        return p_hat / p_hat.sum(dim=-1, keepdim=True) if self.mode == "phat_exact" else p_hat

    def residual(self, p: torch.Tensor, q: torch.Tensor, p_hat: torch.Tensor) -> torch.Tensor:
        """Returns the normalised distribution that a token is drawn from after a rejection.

        A rejection in a place where rounding leaves nothing falls back on the law that is aimed at.
        """
        import torch

        exact = self.mode == "phat_exact"
        left = p_hat - q if exact else torch.maximum(p - p_hat, p - q)
        left = left.clamp(min=0.0)
        total = left.sum(dim=-1, keepdim=True)
        return torch.where(total > 0, left / total.clamp(min=torch.finfo(left.dtype).tiny), p_hat if exact else p)

    def accepted(self, p_hat: torch.Tensor, q: torch.Tensor, tokens: torch.Tensor, points: torch.Tensor) -> int:
        """Returns the number of drafted tokens before the first rejected one.

        Args:
            p_hat: [drafted, width].
            q: [drafted, width].
            tokens: ids [drafted].
            points: a random number from 0 to below 1 for each.
        """
        places = tokens.unsqueeze(-1)
        ratios = (p_hat.gather(-1, places) / q.gather(-1, places)).squeeze(-1)
        return int((points.to(ratios) < ratios).long().cumprod(dim=0).sum())


def _small(rows: torch.Tensor, share: float) -> torch.Tensor:
    return rows < share * rows.amax(dim=-1, keepdim=True)
