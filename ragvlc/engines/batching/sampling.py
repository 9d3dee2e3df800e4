"""From logits to probabilities, and from probabilities to a token: the one law that sessions propose and check by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["Law", "cut", "drawn", "probabilities"]


@dataclass(frozen=True, slots=True)
class Law:
    """What makes probabilities of a session's logits.

    Attributes:
        temperature: 0 is greedy.
        top_p: nucleus.
        width: columns of a row.
    """

    temperature: float
    top_p: float
    width: int

    def rows(self, logits: torch.Tensor) -> torch.Tensor:
        """Returns what tokens are drawn from, float32 [rows, width]."""
        return probabilities(cut(logits, self.width), self.temperature, self.top_p)


def probabilities(logits: torch.Tensor, temperature: float, top_p: float) -> torch.Tensor:
    """Returns what tokens are drawn from, float32 of the shape of `logits`, each row adding up to 1.

    Args:
        logits: [rows, width].
        temperature: 0 puts all probability on the first of the best tokens.
        top_p: the most probable tokens are kept until they reach so much, and weighed anew.
    """
    import torch

    if temperature == 0:
        best = logits.argmax(dim=-1, keepdim=True)
        return torch.zeros_like(logits, dtype=torch.float32).scatter_(-1, best, 1.0)
    rows = (logits.float() / temperature).softmax(dim=-1)
    if top_p < 1:
        ordered, ids = rows.sort(dim=-1, descending=True, stable=True)
        beyond = ordered.cumsum(dim=-1) - ordered >= top_p
        rows = rows.masked_fill(torch.zeros_like(beyond).scatter_(-1, ids, beyond), 0.0)
        rows = rows / rows.sum(dim=-1, keepdim=True)
    return rows


def drawn(row: torch.Tensor, point: float | torch.Tensor) -> torch.Tensor:
    """Returns the token [1] at `point`, from 0 to below 1, of the running sum of `row` [width], whatever its total.

    The point may be on the device, float64 [1]. A token without probability is never drawn. The sum is in double
    precision: over a vocabulary of 150,000, single precision would move rare tokens.
    """
    import torch

    summed = (row.cpu() if row.device.type == "mps" else row).double().cumsum(dim=0)
    found = torch.searchsorted(summed, point * summed[-1:], right=True)
    last = torch.searchsorted(summed, summed[-1:])  # the last with any: rounding may lead behind it
    return torch.minimum(found, last).to(row.device)


def cut(logits: torch.Tensor, width: int) -> torch.Tensor:
    """Returns logits [rows, width]: tokens from `width` on are left out, missing ones have no probability."""
    import torch

    missing = width - logits.shape[-1]
    return logits[..., :width] if missing <= 0 else torch.nn.functional.pad(logits, (0, missing), value=-torch.inf)
