"""The rules in the table of the `rules` router."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ragvlc.core.component import Component
from ragvlc.core.data import Document
from ragvlc.routing.declared_metadata import declared, refuse_gold

__all__ = ["Question", "Rule", "Strength"]

Strength = Literal["strong", "weak"]


@dataclass(frozen=True, slots=True)
class Question:
    """The facts about a question that rules test.

    Attributes:
        kind: the question's class.
        length: of its documents; None where no rule asks for it.
        model: how strong the model is declared to be.
        documents: for their metadata.
    """

    kind: str
    length: int | None
    model: Strength
    documents: Sequence[Document]


class Rule(Component):
    """One rule of the table; a rule without conditions always applies.

    Attributes:
        route: to take where everything below holds.
        classes: the question is of one of these classes.
        longer_than: the documents together are longer.
        up_to: the documents together are at most so long.
        model: the model is declared to be so.
        metadata: every document has these values in its metadata.
    """

    key_name: ClassVar[str] = "ragvlc.routers._rule_table:Rule"
    route: str
    classes: tuple[str, ...] = ()
    longer_than: Annotated[int | None, Field(ge=0)] = None
    up_to: Annotated[int | None, Field(ge=0)] = None
    model: Strength | None = None
    metadata: Mapping[str, str | bool | int | float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _conditions_are_open(self) -> Self:
        refuse_gold(list(self.metadata))
        if self.longer_than is not None and self.up_to is not None and self.longer_than >= self.up_to:
            raise ValueError(f"no length is above {self.longer_than} and at most {self.up_to}")
        return self

    def applies(self, to: Question) -> bool:
        """Returns whether the question meets every condition of the rule."""
        if self.classes and to.kind not in self.classes:
            return False
        if to.length is not None and self.longer_than is not None and to.length <= self.longer_than:
            return False
        if to.length is not None and self.up_to is not None and to.length > self.up_to:
            return False
        if self.model and self.model != to.model:
            return False
        facts = declared(to.documents, tuple(self.metadata))
        return not self.metadata or (bool(facts) and all(dict(self.metadata) == fact for fact in facts))

    def words(self) -> str:
        """Returns the conditions of the rule as text for a trace."""
        said: list[str] = []
        if self.classes:
            said.append(" or ".join(self.classes))
        if self.longer_than is not None:
            said.append(f"longer than {self.longer_than}")
        if self.up_to is not None:
            said.append(f"up to {self.up_to}")
        if self.model:
            said.append(f"{self.model} model")
        said += [f"{name}={value}" for name, value in self.metadata.items()]
        return ", ".join(said) or "any question"
