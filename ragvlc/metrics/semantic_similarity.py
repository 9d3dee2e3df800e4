"""Semantic similarity: cosine similarity of reply and reference in an embedding space.

Cosine of the two texts' vectors, best reference (the bi-encoder score of Risch et al. 2021, Semantic Answer Similarity,
arXiv 2108.06130). Differences: negative cosines count as 0, so the score is a share of 1 and not of 2; it is rounded to
six digits, beyond which 32-bit vectors say nothing. Both sides are embedded as passages. An empty or declined reply
scores 0. Where all references are required, they are joined in their order. Does not apply to unanswerable examples.

Read it as a rank and not as a share of truth: unrelated sentences of one subject easily reach 0.5, and a wrong number
or a `not` hardly lowers it. Texts longer than the model's window are cut by it; such rows are flagged `embedding_cut`.
"""

from __future__ import annotations

from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.component import part
from ragvlc.core.data import Example
from ragvlc.core.families import Embedder, Metric, Score
from ragvlc.core.run import Engines
from ragvlc.metrics._references import reply_text
from ragvlc.metrics._texts import texts_wanted


class SemanticSimilarity(Metric):
    """Cosine similarity of the reply and the best reference, from 0 to 1.

    Attributes:
        embedder: the model that embeds both.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})
    embedder: Embedder = part("sentence_transformer")

    def assess(self, answer: Answer, example: Example, engines: Engines) -> Score:
        """Returns the score; no value for unanswerable examples and those without references."""
        references = texts_wanted(example)
        if not references:
            return Score(None)
        reply = reply_text(answer).strip()
        if not reply:
            return Score(0.0)
        engine, texts = engines.vectors(self.embedder), (reply, *references)
        vectors = engine.embed(texts)
        best = max(float(vectors[0] @ vector) for vector in vectors[1:])
        flags = ("embedding_cut",) if max(engine.lengths(texts)) > engine.window else ()
        return Score(min(1.0, max(0.0, round(best, 6))), flags)

    def applies(self, example: Example) -> bool:
        """Returns whether the example has a reference to compare the reply with."""
        return bool(texts_wanted(example))
