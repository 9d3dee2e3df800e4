"""Drops questions that another question of the set asks already, in the same words or in others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from ragvlc.core import interruption
from ragvlc.core.component import part
from ragvlc.core.families import Embedder
from ragvlc.core.run import Engines
from ragvlc.core.texts import first_line
from ragvlc.questions.filter import QuestionFilter
from ragvlc.questions.item import FilterFinding, GeneratedQuestion
from ragvlc.questions.overlap import likeness, shared

if TYPE_CHECKING:
    from ragvlc.core.engines import VectorEngine


class DuplicateFilter(QuestionFilter):
    """Compares a question with those before it, by words and by meaning.

    By meaning, only questions whose answers share a word that carries meaning are the same: `when was the mill built`
    and `when was the bridge built` are near each other.

    Attributes:
        words: share of words in common from which two questions are the same.
        meaning: cosine of two questions' vectors from which they are the same.
        embedder: whose vectors; None compares words alone.
    """

    compares: ClassVar[bool] = True
    words: Annotated[float, Field(gt=0, le=1)] = 0.9
    meaning: Annotated[float, Field(gt=0, le=1)] = 0.92
    embedder: Embedder | None = part("sentence_transformer")

    def against(self, item: GeneratedQuestion, others: Sequence[GeneratedQuestion], engines: Engines) -> FilterFinding:
        """Returns whether an earlier question asks the same."""
        for other in others:
            if likeness(item.question, other.question) >= self.words:
                return self.dropped("asks what another asks, in the same words", of=other.id)
        others = [other for other in others if _same_answer(item, other)]
        if self.embedder is None or not others:
            return self.passed()
        try:
            vectors = engines.opened(self, _Vectors)
            embedder = engines.vectors(self.embedder)
            own, *rest = (vectors.of(one.question, embedder) for one in (item, *others))
        except Exception as error:  # noqa: BLE001 - whatever a model's library raises: nothing is concluded from it
            interruption.check()
            return FilterFinding(
                self.kind, "marked", f"the embedder failed: {type(error).__name__}", {"error": first_line(error)}
            )
        cosines = [float(own @ vector) for vector in rest]
        best = max(range(len(cosines)), key=lambda place: cosines[place])
        if cosines[best] >= self.meaning:
            return self.dropped("asks what another asks", of=others[best].id, cosine=round(cosines[best], 3))
        return self.passed()


def _same_answer(one: GeneratedQuestion, other: GeneratedQuestion) -> bool:
    if one.unanswerable or other.unanswerable:
        return one.unanswerable == other.unanswerable
    return any(shared(answer, given) for answer in one.answers for given in other.answers)


class _Vectors:
    """Vectors of questions, each computed once and alone, so that they do not depend on what else is embedded."""

    def __init__(self) -> None:
        self._found: dict[str, Any] = {}

    def of(self, question: str, engine: VectorEngine) -> Any:  # noqa: ANN401 - an array
        """Returns the vector of a question."""
        if question not in self._found:
            self._found[question] = engine.embed([question])[0]
        return self._found[question]

    def close(self) -> None:
        """Forgets the vectors; the pool closes the engine."""
        self._found.clear()
