"""The specification of a set of generated questions, as described by a YAML file or built by the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from ragvlc import config
from ragvlc.core.budget import Budget
from ragvlc.core.component import Component, Execution, part
from ragvlc.core.errors import ConfigError, nearest
from ragvlc.core.families import Chunker, Generator, Retriever
from ragvlc.core.given_paths import path_of
from ragvlc.core.paths import Base
from ragvlc.documents.dataset import Dataset
from ragvlc.questions.filter import QuestionFilter
from ragvlc.questions.kind import QuestionKind
from ragvlc.roles import Models

__all__ = ["FILTERS", "KINDS", "READER", "WRITER", "QuestionSpec"]

WRITER, READER = "writer", "reader"

KINDS: tuple[Mapping[str, Any], ...] = (
    {"kind": "one_place", "share": 6},
    {"kind": "numbers", "share": 3},
    {"kind": "several_places", "share": 3},
    {"kind": "across_documents", "share": 2},
    {"kind": "comparison", "share": 2},
    {"kind": "unanswerable", "share": 3},
    {"kind": "summary", "share": 1},
)
FILTERS = (
    *("names_subject", "refers_to_text", "answer_in_question", "shared_words"),
    *("evidence_alone", "closed_book", "wrong_passage", "ambiguous", "unanswered", "duplicate"),
)


class QuestionSpec(Component):
    """A set of questions to be written from documents.

    Attributes:
        dataset: whose documents are asked about; its own questions, if it has any, are not read.
        generators: models by role: `writer` writes questions, `reader` answers them for the filters (the writer by
            default); filters may name others.
        count: number of questions wanted.
        seed: of what is drawn.
        kinds: of questions, with their shares.
        filters: that examine each question, in this order; a question is dropped at the first that finds a fault.
        chunker: cuts documents into the passages that filters compare with.
        retriever: finds passages that share words with a question or a passage.
        in_steps: for models too small to follow a form or to quote: the model is shown one sentence, which is the
            evidence, and asked for a question, then for its answer. Kinds without prompts for that are written in one
            reply all the same.
        question_tokens: tokens that the reply of the writer may have.
        answer_tokens: tokens that an answer of a reader may have.
        summary_tokens: tokens that a summary of a reader may have.
        decline: the word with which a reader may say that the text does not answer.
        quote_letters: letters and digits that a quote must have; a third of it in Chinese and Japanese.
        attempts: attempts for each wanted question of a kind, at most.
        concurrency: number of attempts in work at the same time.
        budget: limits of what the set may take; no attempt begins beyond them.
        cache: reuse greedy replies of earlier runs from disk.
    """

    dataset: Annotated[Dataset, Execution]  # its documents enter the key of an attempt by their content
    generators: dict[str, Generator]
    count: Annotated[int, Field(ge=1), Execution] = 50
    seed: int = 0
    kinds: Annotated[tuple[QuestionKind, ...], Field(min_length=1)] = Field(default=KINDS)  # type: ignore[arg-type]
    filters: tuple[QuestionFilter, ...] = Field(default=FILTERS)  # type: ignore[arg-type]
    chunker: Chunker = Field(default={"kind": "sentences", "size": 160})  # type: ignore[assignment]
    retriever: Retriever = part("bm25")
    in_steps: bool = False
    question_tokens: Annotated[int, Field(ge=16)] = 384
    answer_tokens: Annotated[int, Field(ge=1)] = 64
    summary_tokens: Annotated[int, Field(ge=1)] = 192
    decline: Annotated[str, Field(pattern=r"^\w+$")] = "UNANSWERABLE"
    quote_letters: Annotated[int, Field(ge=1)] = 12
    attempts: Annotated[int, Field(ge=1), Execution] = 4
    concurrency: Annotated[int, Field(ge=1), Execution] = 16
    budget: Annotated[Budget | None, Execution] = None
    cache: Annotated[bool, Execution] = True

    @model_validator(mode="after")
    def _whole(self) -> Self:
        known = self.generators
        if WRITER not in known:
            raise ValueError(
                f"generators needs a '{WRITER}', the model that writes the questions.{nearest(WRITER, known)}"
            )
        roles = {role for one in self.filters for table, role, _ in one.roles() if table == "generators"}
        for role in sorted(roles - {READER, *known}):
            raise ValueError(f"filters: no generator has the role '{role}'. Known: {', '.join(known)}.")
        for what, parts in (("kinds", self.kinds), ("filters", self.filters)):
            names = [one.kind for one in parts]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what}: {', '.join(twice)} is there twice.")
        return self

    @property
    def models(self) -> Models:
        """The models by role."""
        return Models({READER: self.generators[WRITER], **self.generators}, {})

    @classmethod
    def load(cls, path: str | Path, overrides: Mapping[str, Any] | None = None) -> Self:
        """Returns the specification in a YAML file, with settings overridden by dotted path. Raises `ConfigError`."""
        file = path_of(path)
        if not file.is_file():
            raise ConfigError(f"{file}: no such file.")
        data = dict(config.read_yaml(file))
        config.override(cls, data, overrides or {}, Base(Path.cwd(), file.parent), str(file))
        return config.build(cls, data, str(file), file.parent)
