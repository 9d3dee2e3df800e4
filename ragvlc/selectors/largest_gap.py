"""Adaptive-k: cuts the ranking at the largest drop in scores, so that each question gets its own k.

Paper: Taguchi, Maekawa, Bhutani, "Efficient Context Selection for Long-Context QA: No Tuning, No Iteration, Just
Adaptive-k", EMNLP 2025, https://arxiv.org/abs/2506.08479. Defaults and index arithmetic follow the authors' code.

Differences from the paper:

- The paper looks at the cosine similarities of all chunks; here the ranking ends at the retriever's `candidates`, so
  set that above the number of chunks for the paper's method. `ignore_last` is a share of what is seen.
- Scores of any retriever are taken as they are. BM25 scores and reciprocal ranks fall steeply at the top: expect few
  passages.
- `ignore_first` is 0 as in the paper's factoid questions; its aggregation questions use 0.05.
- Added: `minimum`, and rankings of no or one hit, which the authors' code refuses, are returned as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from ragvlc.core.data import Hit
from ragvlc.core.engines import Tokenizer
from ragvlc.core.families import Selector

Share = Annotated[float, Field(ge=0, lt=1)]


class LargestGap(Selector):
    """Selects the hits before the largest drop between neighbouring scores, and `buffer` hits after it.

    Of equal drops, the first counts.

    Attributes:
        ignore_first: share of the drops, from the top, at which the ranking is not cut.
        ignore_last: share of the drops, from the bottom, at which it is not cut.
        buffer: number of hits to keep after the drop.
        minimum: the least number of hits to keep, if there are enough.
    """

    ignore_first: Share = 0.0
    ignore_last: Share = 0.1
    buffer: Annotated[int, Field(ge=0)] = 5
    minimum: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _leaves_something(self) -> Self:
        if self.ignore_first + self.ignore_last >= 1:
            problem = f"ignore_first {self.ignore_first} and ignore_last {self.ignore_last} must add up to less than 1."
            raise PydanticCustomError("shares", "{problem}", {"problem": problem})
        return self

    def select(self, hits: Sequence[Hit], tokenizer: Tokenizer) -> list[Hit]:  # noqa: ARG002 - looks at scores
        """Returns the hits before the largest drop, plus the buffer."""
        drops = [better.score - worse.score for better, worse in pairwise(hits)]
        first, last = int(len(drops) * self.ignore_first), int(len(drops) * self.ignore_last)
        places = range(first, len(drops) - last)
        cut = max(places, key=drops.__getitem__, default=0)
        return list(hits[: max(cut + 1 + self.buffer, self.minimum)])
