"""Numeric features of a question, its documents and a ranking, for learned and rule-based routers.

None of them reads more than a router may: the question's words, the documents' texts and a ranking. Lengths are in
words, which mean the same whatever model's tokens are used. Scores of a ranking compare only within one retriever, so
that a learned rule belongs to the retriever it was learned with.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from ragvlc.core.data import Document, Hit, Query
from ragvlc.routing.lengths import length_of
from ragvlc.routing.question_classes import CLASSES, guessed_class
from ragvlc.text.normalising import words

__all__ = ["MEASURES", "Measure", "known_features", "measured", "measured_scores"]

_BEST = 5
"""Hits that are looked at."""

Measure = Literal["top", "mean", "margin", "concentration", "coverage"]


def measured(query: Query, documents: Sequence[Document], ranking: Sequence[Hit], chunks: int) -> dict[str, float]:
    """Returns the values of all features, by name.

    Args:
        query: what is asked.
        documents: to be read.
        ranking: of their chunks, best first.
        chunks: how many there are.
    """
    found = {
        "log_document_words": math.log1p(length_of(documents, "words")),
        "log_documents": math.log(max(1, len(documents))),
        **_of_question(query),
        **measured_scores(query, ranking),
        "spread": _spread(ranking[:_BEST], chunks),
        "first_place": _place(ranking[0], chunks) if ranking else 0.0,
    }
    return {name: float(value) for name, value in found.items()}


def known_features() -> tuple[str, ...]:
    """Returns the names of all features, in their order."""
    return tuple(measured(Query("", ""), (), (), 0))


def measured_scores(query: Query, ranking: Sequence[Hit]) -> dict[str, float]:
    """Returns measures of how well the best hits of a ranking are likely to answer the question.

    - `top`: the best score.
    - `mean`: of the five best.
    - `margin`: how far the best is above the fifth, as a share of the best; 0 to 1.
    - `concentration`: share that the five best have of all scores above 0; 0 to 1.
    - `coverage`: share of the question's longer words that stand in the five best hits; 0 to 1.
    """
    return {name: measure(query, ranking) for name, measure in MEASURES.items()}


def _of_question(query: Query) -> dict[str, float]:
    asked = words(query.text)
    guess = guessed_class(query)
    return {
        "log_question_words": math.log1p(len(asked)),
        "choices": float(bool(query.choices)),
        "numbers": sum(any(map(str.isdigit, word)) for word in asked),
        "names": len(re.findall(r"(?<!^)(?<![.?!] )\b[A-Z]\w+", query.text)),
        "questions": float(len(re.findall(r"[?？؟]", query.text)) > 1 or ", and " in query.text),
        **{f"is_{name}": float(guess == name) for name in CLASSES[:-1]},
    }


def _top(query: Query, ranking: Sequence[Hit]) -> float:  # noqa: ARG001 - one form for all
    return ranking[0].score if ranking else 0.0


def _mean(query: Query, ranking: Sequence[Hit]) -> float:  # noqa: ARG001
    return statistics.fmean(hit.score for hit in ranking[:_BEST]) if ranking else 0.0


def _margin(query: Query, ranking: Sequence[Hit]) -> float:  # noqa: ARG001
    best = ranking[:_BEST]
    if not best or best[0].score <= 0:
        return 0.0
    return min(1.0, (best[0].score - best[-1].score) / best[0].score)


def _concentration(query: Query, ranking: Sequence[Hit]) -> float:  # noqa: ARG001
    scores = [max(0.0, hit.score) for hit in ranking]
    total = sum(scores)
    return sum(scores[:_BEST]) / total if total else 0.0


def _coverage(query: Query, ranking: Sequence[Hit]) -> float:
    asked = {word for word in words(query.search_text) if len(word) > 3 or not word.isascii()}
    if not asked:
        return 0.0
    read = {word for hit in ranking[:_BEST] for word in words(hit.chunk.text)}
    return len(asked & read) / len(asked)


MEASURES: Mapping[str, Callable[[Query, Sequence[Hit]], float]] = {
    "top": _top,
    "mean": _mean,
    "margin": _margin,
    "concentration": _concentration,
    "coverage": _coverage,
}


def _place(hit: Hit, chunks: int) -> float:
    return hit.chunk.index / max(1, chunks - 1)


def _spread(best: Sequence[Hit], chunks: int) -> float:
    """Returns the standard deviation of the best hits' positions, as a share of the text."""
    return statistics.pstdev([_place(hit, chunks) for hit in best]) if len(best) > 1 else 0.0
