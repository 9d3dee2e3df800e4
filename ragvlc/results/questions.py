"""The questions of one data set as stored in a results folder, with what all cells over them share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from ragvlc.core.data import Span, content_key, covered

__all__ = ["StoredQuestions", "stored_row_key"]


class StoredQuestions:
    """Stored facts of questions, in order.

    Attributes:
        facts: of each question.
        ids: of the questions.
    """

    def __init__(self, facts: Sequence[Mapping[str, Any]]) -> None:
        self.facts = facts
        self.ids = [str(one["id"]) for one in facts]

    def __len__(self) -> int:
        return len(self.facts)

    @cached_property
    def by_id(self) -> dict[str, Mapping[str, Any]]:
        """The facts of each question, by its id."""
        return dict(zip(self.ids, self.facts, strict=True))

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each question, by its id."""
        return {name: place for place, name in enumerate(self.ids)}

    @cached_property
    def evidence(self) -> list[tuple[Span, ...]]:
        """Where the evidence of each question is, without overlaps; of what is not located, nothing."""
        return [covered(Span(*span) for span in one.get("evidence") or ()) for one in self.facts]

    @cached_property
    def lengths(self) -> list[tuple[tuple[str, int], ...]]:
        """Id and characters of the documents of each question; nothing where not all of them are named."""
        return [_lengths(one) for one in self.facts]

    def row_keys(self, *, control: bool) -> list[str]:
        """Returns the key that a row of each question must have."""
        return self._gold_keys if control else self._keys

    @cached_property
    def _keys(self) -> list[str]:
        return [stored_row_key(one, control=False) for one in self.facts]

    @cached_property
    def _gold_keys(self) -> list[str]:
        return [stored_row_key(one, control=True) for one in self.facts]


def _lengths(facts: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    names, sizes = facts.get("documents", ()), facts.get("characters", ())
    whole = len(names) == len(sizes) == facts.get("document_count", len(names))
    return tuple(zip(names, sizes, strict=True)) if whole else ()


def stored_row_key(facts: Mapping[str, Any], *, control: bool) -> str:
    """Returns the key that a row of an example must have, computed from the example's stored facts."""
    return content_key([facts["key"], facts["gold_key"]]) if control else str(facts["key"])
