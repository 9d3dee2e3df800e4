"""Protocol of a decode state, with which a model drafts, verifies and removes tokens of one text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ragvlc.core.answer import Timing, Usage

if TYPE_CHECKING:
    import torch

    Probabilities = torch.Tensor

__all__ = ["DecodeState", "Draft"]


@dataclass(frozen=True, slots=True)
class Draft:
    """Draft tokens proposed by a decode state, with the distributions that they were sampled from.

    Attributes:
        tokens: ids, each sampled after the ones before it.
        probabilities: the distribution that each was sampled from, float32 [tokens, width], on the model's device.
    """

    tokens: tuple[int, ...]
    probabilities: Probabilities


class DecodeState(Protocol):
    """One text that is generated token by token, with its own KV cache. Not thread-safe; `close` frees its memory.

    The text is the prompt and the tokens appended to it. Probabilities are those that tokens are sampled from: after
    temperature and nucleus; at temperature 0 all probability is on the best token.
    """

    @property
    def width(self) -> int:
        """The length of each probability distribution, which covers the token ids from 0 to `width` - 1."""
        ...

    @property
    def end_ids(self) -> frozenset[int]:
        """Ids of the tokens that end an answer."""
        ...

    def propose(self, n: int, *, min_probability: float = 0.0) -> Draft:
        """Samples up to `n` tokens, one after another, and appends them to the text.

        The draft ends early with a token that ends the answer, or whose own probability is below `min_probability`.
        """
        ...

    def verify(self, draft: Sequence[int]) -> Probabilities:
        """Appends `draft` and returns the model's distributions for its tokens, computed in one forward pass.

        Returns:
            float32 [len(draft) + 1, width]: one row before each token of the draft, and one after the last.
        """
        ...

    def peek(self) -> Probabilities:
        """Returns the distribution of the next token, a float32 array of shape [1, width]; appends no token."""
        ...

    def extend(self, tokens: Sequence[int]) -> None:
        """Appends the given tokens, which were chosen elsewhere, to the text."""
        ...

    def rewind(self, n: int) -> None:
        """Removes the last `n` tokens after the prompt."""
        ...

    def text(self, tokens: Sequence[int]) -> str:
        """Decodes generated token ids to text, without control tokens."""
        ...

    def plain_seconds(self, n: int) -> float:
        """Returns the seconds per token of plain decoding after the prompt, measured over up to `n` tokens.

        The text stays as it is, and neither usage nor timing includes the measurement.
        """
        ...

    @property
    def usage(self) -> Usage:
        """Token counts so far: `drafted` counts proposed tokens, and `accepted` counts those that were not removed."""
        ...

    @property
    def timing(self) -> Timing:
        """Seconds spent so far in each phase: prefill, draft and verify."""
        ...

    def close(self) -> None:
        """Frees the memory. Afterwards, only the state's usage and timing may be read."""
        ...
