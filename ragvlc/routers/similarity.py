"""By similarity: matching passages are read if the ranking shows a good match, otherwise everything is read.

The similarity routers of the survey by Varangot-Reille et al. 2025 (Doing More with Less, arXiv 2502.00409), applied to
retrieval: the signal is how well the question's own documents match it, before anything is generated. Its weakness is
known: a passage may match in words and not answer, so compare it with `by_length` and `random` at equal shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from ragvlc.core.component import Role, part
from ragvlc.core.data import Document, Query
from ragvlc.core.families import Choice, Chunker, Retriever, Route
from ragvlc.core.run import Run
from ragvlc.routing.features import MEASURES, Measure
from ragvlc.routing.ranking_signals import look
from ragvlc.routing.two_routes import Two


class Similarity(Two):
    """Takes `rag` if the ranking is good enough, otherwise `full`.

    Attributes:
        measure: of the ranking: `top` (best score) and `mean` (of the five best) are on the retriever's own scale, such
            as cosines; `margin` (best above fifth, as a share of the best), `concentration` (share of the five best in
            all scores) and `coverage` (share of the question's longer words that the five best have) are from 0 to 1
            with any retriever.
        threshold: `rag` is taken from here on.
        chunker: cuts the documents.
        retriever: ranks the chunks.
        generator: role of the model whose tokens measure chunks.
    """

    chunker: Chunker = part("tokens")
    retriever: Retriever = part("bm25")
    generator: Annotated[str, Role("generators")] = "main"
    measure: Measure = "coverage"
    threshold: float = 0.6

    def choose(self, query: Query, documents: Sequence[Document], routes: Mapping[str, Route], run: Run) -> Choice:  # noqa: ARG002
        """Returns `rag` if the measure reaches the threshold, otherwise `full`."""
        _, ranking = look(self.chunker, self.retriever, query, documents, run, role=self.generator)
        value = float(MEASURES[self.measure](query, ranking))
        near = value >= self.threshold
        reason = f"{self.measure} {value:.3g} {'reaches' if near else 'is below'} {self.threshold:g}"
        return Choice(self.rag if near else self.full, reason, {"score": value, "favours": self.rag})
