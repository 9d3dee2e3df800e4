"""Texts in the making: what routes that decode token by token ask of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ragvlc.core.answer import Timing, Usage

if TYPE_CHECKING:
    import torch

    Rows = torch.Tensor

__all__ = ["Draft", "Session"]


@dataclass(frozen=True, slots=True)
class Draft:
    """Tokens that a session has proposed.

    Attributes:
        tokens: ids, each drawn after the ones before it.
        rows: the probabilities that each was drawn from, float32 [tokens, width], where the model is.
    """

    tokens: tuple[int, ...]
    rows: Rows


class Session(Protocol):
    """One text in the making, token by token, with keys and values of its own. For one thread; `close` frees it.

    The text is the prompt and what has been taken on behind it. Probabilities are those that tokens are drawn from:
    after temperature and nucleus; for temperature 0 all of it is on the best token.
    """

    @property
    def width(self) -> int:
        """Columns of every row of probabilities: token ids below it."""
        ...

    @property
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer."""
        ...

    def propose(self, n: int, *, confident: float = 0.0) -> Draft:
        """Draws up to `n` tokens, one after another, and takes them on.

        It ends early behind a token that ends the answer, or whose own probability is below `confident`.
        """
        ...

    def verify(self, draft: Sequence[int]) -> Rows:
        """Takes `draft` on and returns what the model says to it, in one forward pass over the last token and it.

        Returns:
            float32 [len(draft) + 1, width]: the row before each token of the draft, and the row behind the last.
        """
        ...

    def peek(self) -> Rows:
        """Returns the row behind the text so far, float32 [1, width]; takes nothing on."""
        ...

    def extend(self, tokens: Sequence[int]) -> None:
        """Takes on tokens that were chosen elsewhere."""
        ...

    def rewind(self, n: int) -> None:
        """Takes the last `n` tokens back. The prompt stays."""
        ...

    def text(self, tokens: Sequence[int]) -> str:
        """Returns the text of generated ids without control tokens."""
        ...

    def plain_seconds(self, n: int) -> float:
        """Returns the seconds a token of plain decoding behind the prompt takes, over up to `n` tokens.

        The text stays as it is, and neither usage nor timing tells of it.
        """
        ...

    @property
    def usage(self) -> Usage:
        """Tokens so far, counted here. `drafted` are the proposed ones, `accepted` those not taken back."""
        ...

    @property
    def timing(self) -> Timing:
        """Seconds so far, by the phases prefill, draft and verify."""
        ...

    def close(self) -> None:
        """Frees the memory. The session is not used afterwards, but for its usage and timing."""
        ...
