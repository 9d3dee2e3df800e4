"""Token budget: the best passages within a number of tokens, which makes chunk sizes and retrievers comparable.

Matched budgets are the comparison that DOS RAG asks for (Laitenberger, Manning, Liu 2025, arXiv 2506.03989).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from ragvlc.core.data import Hit
from ragvlc.core.engines import Tokenizer
from ragvlc.core.families import Selector


class TokenBudget(Selector):
    """The best hits, up to the first one that would exceed the token budget.

    It stops there and does not skip to a shorter, worse hit: the selection is always a prefix of the ranking, and a
    larger budget selects at least as much. The best hit is kept even if it alone exceeds the budget; a prompt that is
    too long for the model is truncated later. Titles and separators that a prompt adds come on top.

    Attributes:
        tokens: the sum of the passages' tokens, each counted on its own.
    """

    tokens: Annotated[int, Field(ge=1)] = 1024

    def select(self, hits: Sequence[Hit], tokenizer: Tokenizer) -> list[Hit]:
        """Returns the longest prefix of `hits` within the budget, at least one hit if there is any."""
        kept: list[Hit] = []
        spent = 0
        for hit in hits:
            spent += tokenizer.count(hit.chunk.text)
            if kept and spent > self.tokens:
                break
            kept.append(hit)
        return kept
