"""Base class of filters: each examines a question for one fault, or says that it cannot judge.

A filter is a file in `ragvlc/questions/filters`; your own is a class of your own module, named `module:Class` in YAML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ragvlc.core.component import Component
from ragvlc.core.run import Engines
from ragvlc.questions.examiner import Asked, Examiner
from ragvlc.questions.item import FilterFinding, GeneratedQuestion

__all__ = ["QuestionFilter"]


class QuestionFilter(Component):
    """Examines a question for one fault. A subclass overrides `check`, or `against` to compare it with others."""

    family: ClassVar[str] = "questions.filters"
    compares: ClassVar[bool] = False
    """Whether it compares questions with those before them, after all other filters."""

    def check(self, examiner: Examiner) -> FilterFinding:  # noqa: ARG002 - filters that compare have none
        """Returns the finding about one question."""
        return self.passed()

    def against(self, item: GeneratedQuestion, others: Sequence[GeneratedQuestion], engines: Engines) -> FilterFinding:  # noqa: ARG002
        """Returns the finding about a question beside those that come before it in the set."""
        return self.passed()

    def passed(self, **facts: Any) -> FilterFinding:  # noqa: ANN401 - JSON values
        """Returns that there is no fault."""
        return FilterFinding(self.kind, "passed", facts=facts)

    def dropped(self, reason: str, **facts: Any) -> FilterFinding:  # noqa: ANN401 - JSON values
        """Returns that there is a fault."""
        return FilterFinding(self.kind, "dropped", reason, facts)

    def skipped(self, reason: str) -> FilterFinding:
        """Returns that the filter does not apply to the question."""
        return FilterFinding(self.kind, "skipped", reason)

    def by_reply(self, asked: Asked, reason: str, *, right: bool, **facts: Any) -> FilterFinding:  # noqa: ANN401
        """Returns that the question is dropped for `reason` unless the reply is, or is not, right as it must be."""
        if asked.outcome == "unsure":
            return self.unsure(asked, **facts)
        if (asked.outcome == "right") != right:
            return self.dropped(reason, **facts, **asked.facts())
        return self.passed(**facts, **asked.facts())

    def unsure(self, asked: Asked, **facts: Any) -> FilterFinding:  # noqa: ANN401 - JSON values
        """Returns that the filter's model could not be judged by, and why."""
        found: Mapping[str, Any] = {**facts, **asked.facts()}
        return FilterFinding(self.kind, "marked", asked.why or "the reply could not be judged", found)
