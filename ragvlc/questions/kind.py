"""Base class of kinds of questions: what the model is shown, what it is asked to write, and when an answer is right.

A kind is a file in `ragvlc/questions/kinds`; your own is a class of your own module, named `module:Class` in YAML.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ragvlc.core.component import Component, Execution
from ragvlc.core.engines import placeholders
from ragvlc.core.families import Metric
from ragvlc.core.prompts import Template
from ragvlc.questions.item import Level
from ragvlc.questions.written import NOTHING

__all__ = ["EXAMPLE", "FORM", "IN_STEPS", "PAIR", "RULES", "Places", "QuestionKind"]

Places = Literal["one", "same_document", "other_document"]
"""Passages that the model is shown: one, two of a document, or two of different documents."""

RULES = """Rules:
- A reader who has never seen this text must understand the question: name people, places and things. Never write "the \
text", "the passage" or "above".
- Write question and answer in the language of the text.
- The question must not contain its answer.
- Copy every quote from the text word for word: whole sentences that prove the answer.
- If the text holds no such question, reply with the single word """
RULES += f"{NOTHING}."

FORM = "Reply in exactly this form, which here is about another text:"
EXAMPLE = f"""{FORM}
QUESTION: In which year did the harbour of Oldmoor open?
ANSWER: 1902
QUOTE: The harbour of Oldmoor opened in 1902."""
PAIR = f"""{FORM}
QUESTION: How many years after its harbour did the school of Oldmoor open?
ANSWER: 6 years
QUOTE: The harbour of Oldmoor opened in 1902.
QUOTE: A school for the children of Oldmoor followed in 1908."""


ASK = """{passages}

Write one short question about a fact in the text above. Name people, places and things. Reply with the \
question only."""
ANSWER = """{passages}

Based on the text above, answer this question in a few words.

{question}"""
IN_STEPS = (ASK, ANSWER)


class QuestionKind(Component):
    """A kind of question.

    Attributes:
        share: of the set, relative to the shares of the other kinds.
        prompt: for the model that writes; `{passages}` is what it is shown.
        steps: prompts for the question and for its answer, for sets that are written in steps; empty where a kind has
            none.
        lengths: tokens of the passages shown, used alternately.
        metrics: that compare a reply with the answer; a reply is right if any of them says so.
        right: score from which a reply is right.
        wrong: score up to which a reply is wrong; between the two nothing is decided.
    """

    family: ClassVar[str] = "questions.kinds"
    level: ClassVar[Level] = "passage"
    places: ClassVar[Places] = "one"
    answered: ClassVar[bool] = True
    """Whether the documents answer it."""
    form: ClassVar[Literal["question", "summary"]] = "question"
    names_options: ClassVar[bool] = False
    """Whether the question may name its answer, as in `which is older, A or B`."""

    share: Annotated[float, Field(gt=0, le=1e6), Execution] = 1.0
    prompt: Annotated[str, Template({"passages"})]
    steps: tuple[str, ...] = ()
    lengths: Annotated[tuple[Annotated[int, Field(ge=8)], ...], Field(min_length=1)] = (96, 192, 384)
    metrics: Annotated[tuple[Metric, ...], Field(min_length=1)] = Field(default=("contains", "token_f1"))  # type: ignore[arg-type]
    right: Annotated[float, Field(gt=0, le=1)] = 0.6
    wrong: Annotated[float, Field(ge=0, le=1)] = 0.2

    @model_validator(mode="after")
    def _two_steps(self) -> QuestionKind:
        if self.steps and [set(placeholders(one)) for one in self.steps] != [{"passages"}, {"passages", "question"}]:
            raise ValueError(
                "steps needs two prompts: for the question with {passages}, and for its answer with {passages} and "
                "{question}."
            )
        return self

    @model_validator(mode="after")
    def _ordered(self) -> QuestionKind:
        if self.wrong >= self.right:
            raise ValueError(f"wrong is {self.wrong}, which must be below right, {self.right}.")
        return self

    def suits(self, text: str) -> bool:  # noqa: ARG002 - most take any
        """Returns whether a passage can give such a question."""
        return True

    def objection(self, answer: str) -> str:  # noqa: ARG002 - most have none
        """Returns why an answer is not one to this kind of question, as it is counted; empty if it is."""
        return ""
