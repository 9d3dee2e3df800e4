"""By length: short documents are read whole, long ones through retrieval.

The rule that most systems have without calling it one. Source of the finding behind it: in LaRA (Li et al. 2025, arXiv
2502.09977) eleven models gain 2.4 points by reading everything at 32,000 tokens, and lose 3.7 at 128,000; one model
that breaks down there makes nearly all of that loss, so the limit is one's own to find: `axes: {router.limit: [...]}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from ragvlc.core.component import Role
from ragvlc.core.data import Document, Query
from ragvlc.core.families import Choice, Route
from ragvlc.core.run import Run
from ragvlc.routing.lengths import Unit, length_of
from ragvlc.routing.two_routes import Two


class ByLength(Two):
    """Takes `full` for documents up to a total length, and `rag` for longer documents.

    Attributes:
        limit: of all documents of a question together; None takes what fits the generator's window, less `reserve`.
        unit: in which lengths are counted: `tokens` of the generator, `words`, or `characters`. A Chinese or Japanese
            character is a word.
        reserve: tokens of the window kept free for instructions, question and answer, where `limit` is None.
        generator: role of the model whose tokens, or whose window, count.
    """

    limit: Annotated[int | None, Field(ge=0)] = None
    unit: Unit = "tokens"
    reserve: Annotated[int, Field(ge=0)] = 512
    generator: Annotated[str, Role("generators")] = "main"

    @model_validator(mode="after")
    def _window_is_in_tokens(self) -> Self:
        if self.limit is None and self.unit != "tokens":
            raise ValueError(f"limit: needs a number of {self.unit}; without one the window counts, which is in tokens")
        return self

    def roles(self) -> frozenset[tuple[str, str, str]]:
        """Returns the models needed; none if words or characters are counted."""
        return super().roles() if self.unit == "tokens" else frozenset()

    def choose(self, query: Query, documents: Sequence[Document], routes: Mapping[str, Route], run: Run) -> Choice:  # noqa: ARG002
        """Returns `full` if the documents are within the limit, otherwise `rag`."""
        length = length_of(documents, self.unit, run, self.generator)
        limit = run.generator(self.generator).window - self.reserve if self.limit is None else self.limit
        short = length <= limit
        reason = f"{length} {self.unit}, {'at most' if short else 'more than'} {limit}"
        signals = {"score": length, "favours": self.rag, "limit": limit}
        return Choice(self.full if short else self.rag, reason, signals)
