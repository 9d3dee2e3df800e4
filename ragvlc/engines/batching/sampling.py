"""Sampling distributions for draft and verify: turns logits into probabilities, and probabilities into tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["SamplingDistribution", "resize_logits", "sample_at", "token_probabilities"]


@dataclass(frozen=True, slots=True)
class SamplingDistribution:
    """Settings that turn a model's logits into the probabilities that tokens are sampled from.

    Speculative decoding accepts a drafted token by these probabilities, so they must be exactly those it was sampled
    from.

    Attributes:
        temperature: 0 is greedy.
        top_p: nucleus.
        width: the number of columns of a row of probabilities.
    """

    temperature: float
    top_p: float
    width: int

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Returns the probabilities that tokens are sampled from, float32 [rows, width]."""
        return token_probabilities(resize_logits(logits, self.width), self.temperature, self.top_p)


def token_probabilities(logits: torch.Tensor, temperature: float, top_p: float) -> torch.Tensor:
    """Returns the probabilities that tokens are sampled from, float32 in the shape of `logits`; each row sums to 1.

    Args:
        logits: [rows, width].
        temperature: 0 puts all probability on the first of the best tokens.
        top_p: the most probable tokens whose probabilities reach this sum stay, and are normalised again.
    """
    import torch

    if temperature == 0:
        best = logits.argmax(dim=-1, keepdim=True)
        return torch.zeros_like(logits, dtype=torch.float32).scatter_(-1, best, 1.0)
    rows = (logits.float() / temperature).softmax(dim=-1)
    if top_p < 1:
        # No boolean indexing and no .item(): this also runs inside a captured CUDA graph, where shapes are fixed.
        ordered, ids = rows.sort(dim=-1, descending=True, stable=True)
        beyond = ordered.cumsum(dim=-1) - ordered >= top_p
        rows = rows.masked_fill(torch.zeros_like(beyond).scatter_(-1, ids, beyond), 0.0)
        rows = rows / rows.sum(dim=-1, keepdim=True)
    return rows


def sample_at(row: torch.Tensor, point: float | torch.Tensor) -> torch.Tensor:
    """Returns the token [1] at which the cumulative probability of `row` [width] exceeds `point`, a number in [0, 1).

    The point may be on the device, float64 [1]. A token without probability is never sampled.
    """
    import torch

    # In float64: over a vocabulary of 150,000 a cumulative sum in float32 would move rare tokens. MPS has no float64.
    summed = (row.cpu() if row.device.type == "mps" else row).double().cumsum(dim=0)
    token = torch.searchsorted(summed, point * summed[-1:], right=True)
    last = torch.searchsorted(summed, summed[-1:])  # the last with any probability: rounding may point past it
    return torch.minimum(token, last).to(row.device)


def resize_logits(logits: torch.Tensor, width: int) -> torch.Tensor:
    """Returns logits [rows, width]: columns from `width` on are dropped, missing columns get probability 0."""
    import torch

    missing = width - logits.shape[-1]
    return logits[..., :width] if missing <= 0 else torch.nn.functional.pad(logits, (0, missing), value=-torch.inf)
