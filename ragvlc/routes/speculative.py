"""Speculative decoding: a drafter that also reads the documents proposes tokens; the target verifies them.

Papers: Leviathan, Kalman, Matias, "Fast Inference from Transformers via Speculative Decoding", ICML 2023,
https://arxiv.org/abs/2211.17192; Chen et al., "Accelerating Large Language Model Decoding with Speculative Sampling",
2023, https://arxiv.org/abs/2302.01318.

The control of `rapid`: what its drafter gains by reading passages instead of everything, or of the first and last part
of everything.

Differences from the papers:

- The drafter may be given fewer tokens of the documents than the target (`draft_context_tokens`).
- A draft may end early (`confidence`), and ends behind a token that ends the answer. Both depend on drafted tokens
  only, so every token of the answer still follows the target's probabilities exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from ragvlc.core.answer import Answer
from ragvlc.core.data import Document, Query
from ragvlc.core.run import Run
from ragvlc.reading.acceptance_rules import AcceptanceRule
from ragvlc.reading.asking import whole
from ragvlc.reading.context import ContextBudget, fit
from ragvlc.reading.speculation import Read, Speculating


class Speculative(Speculating):
    """Answers as `full_context` does, but a drafter proposes the tokens.

    Attributes:
        draft_context_tokens: at most so many document tokens for the drafter; None for all that fit its window.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"answer", "context"})
    draft_context_tokens: Annotated[int | None, Field(ge=1)] = None

    def draft_reads(self, tokens: int) -> int:
        """Returns the number of document tokens that the drafter reads, at most `tokens`."""
        return min(tokens, self.draft_context_tokens or tokens)

    def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:
        """Returns the target's answer from the whole documents."""
        read = self.read_whole(query, documents, run)
        budget = ContextBudget(self.max_tokens(query), self.truncation, self.draft_context_tokens)
        drafter = run.generator(self.draft)
        own = fit(whole(documents), documents, drafter, lambda text: self.prompt(query, text), budget)
        return self.decode(Read(read, own), AcceptanceRule(), query, run)
