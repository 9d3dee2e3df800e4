"""Learned: a logistic regression over features of question, documents and ranking, trained by `ragvlc fit-router`.

A supervised router in the words of the survey by Varangot-Reille et al. 2025 (Doing More with Less, arXiv 2502.00409),
with a model small enough to be read: `ragvlc fit-router` prints its weights, and what it is worth on documents that it
has not seen, which may be nothing. A rule learned on one corpus, model or retriever does not hold for another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from ragvlc.core.component import Component, Execution, FilePath, Role
from ragvlc.core.data import Document, Query
from ragvlc.core.families import Choice, Route, Router
from ragvlc.core.run import Run
from ragvlc.routing.features import measured
from ragvlc.routing.learned_rule import LearnedRule
from ragvlc.routing.ranking_signals import look, metadata_numbers


class Learned(Router):
    """Takes the route that a learned rule predicts to do better.

    The file says which two routes, with which features, and which chunker and retriever they come from.

    Attributes:
        model: the file that `ragvlc fit-router` wrote; a relative path is seen from the YAML file. Part of the key by
            what it holds.
        threshold: the file's second route is taken from this probability on; None takes the file's own threshold.
        generator: role of the model whose tokens measure chunks.
    """

    version: ClassVar[int] = 1
    model: Annotated[FilePath, Execution]
    threshold: Annotated[float | None, Field(ge=0, le=1)] = None
    generator: Annotated[str, Role("generators")] = "main"

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        _ = self.rule
        return self

    @cached_property
    def rule(self) -> LearnedRule:
        """The learned rule, with the configured threshold."""
        found = LearnedRule.load(self.model)
        return found if self.threshold is None else found.model_copy(update={"threshold": self.threshold})

    def identity(self) -> Mapping[str, Any]:
        """Returns the contents of the rule's file that affect choices, without its training notes."""
        plain = self.rule.model_dump(mode="json", exclude={"chunker", "retriever", "made", "estimate"})
        return {"rule": plain, "chunker": self.rule.chunker.key, "retriever": self.rule.retriever.key}

    def parts(self) -> tuple[Component, ...]:
        """Returns the chunker and the retriever named in the learned rule's file."""
        return (self.rule.chunker, self.rule.retriever)

    def targets(self, routes: Mapping[str, Route]) -> frozenset[str]:  # noqa: ARG002 - the file names them
        """Returns the two routes named in the learned rule's file."""
        return frozenset(self.rule.routes)

    def choose(self, query: Query, documents: Sequence[Document], routes: Mapping[str, Route], run: Run) -> Choice:  # noqa: ARG002
        """Returns the route that the learned rule predicts to do better."""
        rule = self.rule
        chunks, ranking = look(rule.chunker, rule.retriever, query, documents, run, role=self.generator)
        found = measured(query, documents, ranking, len(chunks)) | metadata_numbers(documents, rule.metadata)
        probability = rule.probability(found)
        route = rule.routes[int(probability >= rule.threshold)]
        reason = f"'{rule.routes[1]}' does better with a probability of {probability:.2f}"
        return Choice(route, reason, {"score": probability, "favours": rule.routes[1]})
