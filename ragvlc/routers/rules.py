"""A table of rules on the class of the question, the length of the documents and the strength of the model.

Source of the default table: LaRA (Li et al. 2025, arXiv 2502.09977), read model by model from its published scores.
Full context minus retrieval, mean of eleven models in points, at 32,000 and 128,000 tokens: comparison +15.2 and +14.3;
reasoning +4.7 and -1.4 (+2.0 without the one model that breaks down at that length, so for strong models only); one
place +0.1 and -5.3 (a tie that goes to the cheaper route); questions without an answer -10.4 and -22.4. Per kind of
question the better route is worth 1.7 points over the better fixed one at 32,000 tokens and 3.0 at 128,000: expect no
more of a table.

Differences: LaRA knows the kind of each of its questions. Here it is guessed from the words (see
`routing.question_classes`), never read from a label; questions without an answer cannot be told by their words, so the
rule for them (`class: unanswerable`) only applies where `words` has expressions for it. Questions about the whole text,
which LaRA has none of, go to the full context.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from ragvlc.core.component import Role
from ragvlc.core.data import Document, Query
from ragvlc.core.errors import nearest
from ragvlc.core.families import Choice, Route, Router
from ragvlc.core.run import Run
from ragvlc.routing.lengths import Unit, length_of
from ragvlc.routing.question_classes import CLASSES, WORDS, Words, guessed_class
from ragvlc.routing.rule_table import Question, Rule, Strength

__all__ = ["LARA", "Rules"]

_LONG = 64_000
"""Tokens: between the two lengths that LaRA has."""

LARA: Any = (
    {"classes": ("unanswerable",), "route": "rag"},
    {"classes": ("comparison", "whole"), "route": "full"},
    {"classes": ("reasoning",), "up_to": _LONG, "route": "full"},
    {"classes": ("reasoning",), "model": "strong", "route": "full"},
)


class Rules(Router):
    """Takes the route of the first rule that applies.

    Attributes:
        rules: the table, from the top. The default is LaRA's, with the routes `rag` and `full`.
        otherwise: route for questions to which no rule applies.
        words: regular expressions by class of question, the first class with a match wins; a class named here replaces
            the one of that name in the lists of `routing.question_classes`, or comes before them.
        model: how strong the pipeline's model is at long contexts. Weak: it answers clearly worse at the lengths asked
            than at short ones. Small open models are, in general.
        unit: in which lengths are counted: `tokens` of the generator, `words` or `characters`.
        generator: role of the model whose tokens count.
    """

    version: ClassVar[int] = 1
    rules: tuple[Rule, ...] = Field(default=LARA)
    otherwise: str = "rag"
    words: Words = Field(default_factory=dict)
    model: Strength = "weak"
    unit: Unit = "tokens"
    generator: Annotated[str, Role("generators")] = "main"

    @model_validator(mode="after")
    def _classes_are_known(self) -> Self:
        known = {*CLASSES, *self.words, "unanswerable"}
        for name in sorted({name for rule in self.rules for name in rule.classes} - known):
            raise ValueError(
                f"rules: no class '{name}'. Known: {', '.join(sorted(known))}.{nearest(name, known)} Others come with "
                "their expressions in `words`."
            )
        return self

    def identity(self) -> Mapping[str, Any]:
        """Returns the classes and their regular expressions in order, because a mapping's hash ignores the order."""
        return {"classes": [[name, list(patterns)] for name, patterns in self._words().items()]}

    def roles(self) -> frozenset[tuple[str, str, str]]:
        """Returns the models needed: a tokenizer, if any rule counts tokens."""
        return super().roles() if self.unit == "tokens" and self._counts() else frozenset()

    def targets(self, routes: Mapping[str, Route]) -> frozenset[str]:  # noqa: ARG002 - the table names them
        """Returns the routes in the table, and the default route."""
        return frozenset({self.otherwise, *(rule.route for rule in self.rules)})

    def choose(self, query: Query, documents: Sequence[Document], routes: Mapping[str, Route], run: Run) -> Choice:  # noqa: ARG002
        """Returns the route of the first rule that applies, otherwise the default route."""
        length = length_of(documents, self.unit, run, self.generator) if self._counts() else None
        asked = Question(guessed_class(query, self._words()), length, self.model, documents)
        signals = {"class": asked.kind, "length": length}
        for number, rule in enumerate(self.rules, start=1):
            if rule.applies(asked):
                return Choice(rule.route, f"rule {number}: {rule.words()}", signals)
        return Choice(self.otherwise, "no rule applies", signals)

    def _words(self) -> dict[str, tuple[str, ...]]:
        return {**{name: own for name, own in self.words.items() if name not in WORDS}, **WORDS, **self.words}

    def _counts(self) -> bool:
        return any(rule.longer_than is not None or rule.up_to is not None for rule in self.rules)
