"""Top k: a fixed number of passages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from ragvlc.core.data import Hit
from ragvlc.core.engines import Tokenizer
from ragvlc.core.families import Selector


class TopK(Selector):
    """The `k` best hits, or all if there are fewer.

    Attributes:
        k: number of hits to keep.
    """

    k: Annotated[int, Field(ge=1)] = 5

    def select(self, hits: Sequence[Hit], tokenizer: Tokenizer) -> list[Hit]:  # noqa: ARG002 - counts hits
        """Returns the first `k` hits."""
        return list(hits[: self.k])
