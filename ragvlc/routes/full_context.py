"""Full context: all documents of the question in the prompt, in order, before the question.

Source: the long-context arm of LaRA (Li et al. 2025, arXiv 2502.09977), LongBench (Bai et al. 2023, arXiv 2308.14508)
and HELMET (Yen et al. 2024, arXiv 2410.02694). Differences: those cut the middle (or end) of the rendered prompt,
before or without regard to the chat template; here only document text is cut, inside the longest document, and the
rendered prompt with the answer always fits the window. With a server's prefix cache, questions about one document read
it anew only once; that is also called cache-augmented generation (CAG, Chan et al. 2024, arXiv 2412.15605).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from ragvlc.core.answer import Answer
from ragvlc.core.data import Document, Query
from ragvlc.core.run import Run
from ragvlc.reading.asking import Reading, whole
from ragvlc.reading.confidence import Confiding


class FullContext(Confiding, Reading):
    """Reads all documents, as far as they fit the window.

    Attributes:
        max_context_tokens: at most so many document tokens, whatever the window allows; None for all that fit.
    """

    reads_at_once: ClassVar[bool] = True
    gives: ClassVar[frozenset[str]] = frozenset({"answer", "context"})
    max_context_tokens: Annotated[int | None, Field(ge=1)] = None

    def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:
        """Returns the answer from the whole documents."""
        return self.read(query, documents, run, spans=whole(documents), limit=self.max_context_tokens)
