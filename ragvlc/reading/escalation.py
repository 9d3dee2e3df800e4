"""Wrapper routes: one route answers; if the verdict on its answer demands it, a second route answers again.

A verdict is made of a finished answer, live or stored. The work of both routes is charged.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from ragvlc.core.answer import Answer
from ragvlc.core.component import Component
from ragvlc.core.data import Document, Query
from ragvlc.core.families import Route
from ragvlc.core.run import Run

__all__ = ["Outcome", "Verdict", "Wrapper", "held", "setting_of"]

Outcome = Literal["kept", "replaced", "both_declined"]
"""What became of a question: the first answer stood, the second took its place, or neither route gave one."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A wrapper's decision about the first answer.

    Attributes:
        escalate: whether the second route is asked.
        reason: in a few words.
        signals: what it was decided on; scalars. A continuous one is called `score`: larger speaks for the second
            route.
    """

    escalate: bool
    reason: str
    signals: Mapping[str, Any] = field(default_factory=dict)


class Wrapper(Route):
    """A route that asks a second route if the first route's answer is not good enough. A subclass defines `verdict`.

        class AgainIfShort(Wrapper):
            words: int = 3

            def verdict(self, answer: Answer) -> Verdict:
                found = len(answer.text.split())
                return Verdict(found < self.words, f"{found} words", {"score": -found})

    In YAML: `{kind: "my_package:AgainIfShort", first: retrieve, then: full_context}`.

    Attributes:
        first: answers every question.
        then: answers again where the first answer does not do; the first one's text plays no part in it.
    """

    first: Route
    then: Route

    @model_validator(mode="after")
    def _routes_can_be_held(self) -> Self:
        wrong: list[str] = []
        for name in ("first", "then"):
            route = getattr(self, name)
            if route.uses_gold:
                wrong.append(f"{name}: {route.kind} reads the gold; a control answers alone.")
            if route.ranks_only:
                wrong.append(f"{name}: {route.kind} writes no answer.")
        wrong += self.objections()
        if wrong:
            raise PydanticCustomError("several", "{text}", {"text": " ".join(wrong), "each": tuple(wrong)})
        return self

    def objections(self) -> list[str]:
        """Returns a sentence for each reason why these two routes cannot be combined."""
        return []

    def provides(self) -> frozenset[str]:
        """Returns what the answers of either route have for metrics to score."""
        return self.first.provides() | self.then.provides()

    @abstractmethod
    def verdict(self, answer: Answer) -> Verdict:
        """Returns the verdict on the first answer. Raises `EngineError` if the answer lacks the facts to decide."""

    def outcome(self, verdict: Verdict, then: Answer | None) -> Outcome:
        """Returns the question's outcome: the first answer used, replaced by the second, or both declined."""
        if not verdict.escalate:
            return "kept"
        return "both_declined" if self.both_declined(verdict, then) else "replaced"

    def both_declined(self, verdict: Verdict, then: Answer | None) -> bool:  # noqa: ARG002 - most cannot tell
        """Returns whether both routes declined to answer."""
        return False

    def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:
        """Returns the first or the second route's answer, with the usage and time of all calls."""
        with run.step("first", route=self.first.kind) as facts:
            answer = self.first.answer(query, documents, run)
            verdict = self.verdict(answer)
            facts.update({"escalate": verdict.escalate, "verdict": verdict.reason, **verdict.signals})
            if not verdict.escalate:
                facts["outcome"] = self.outcome(verdict, None)
        if not verdict.escalate:
            return answer
        with run.step("then", route=self.then.kind) as facts:
            answer = self.then.answer(query, documents, run)
            facts["outcome"] = self.outcome(verdict, answer)
        return answer


def held(kind: str, **settings: Any) -> Any:  # noqa: ANN401 - a field default that pydantic builds
    """Returns a pydantic field whose default is the route `kind` with the given settings."""
    return Field(default={"kind": kind, **settings})


def setting_of(part: Component, name: str) -> object:
    """Returns the value of a component's setting, or None if it has no setting of that name."""
    return getattr(part, name) if name in type(part).model_fields else None
