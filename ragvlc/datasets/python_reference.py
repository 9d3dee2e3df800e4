"""Questions written for ragvlc over Python's language reference, which is part of CPython (`pydoc_data.topics`).

The documents need no download and differ a little between Python versions: an example's content key covers its text,
so results of two versions are not mixed. Questions and answers hold for CPython 3.11 to 3.13. Evidence is found by its
words, whatever the line breaks; where a later release has reworded it, the example keeps no evidence and the tag
`evidence: not located`, and may no longer be answerable. Padding and `scope: corpus` draw on all of its topics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ragvlc.core.data import Document, Example, Query, Span, content_key
from ragvlc.core.errors import DatasetError, nearest
from ragvlc.documents.dataset import Dataset
from ragvlc.text.matching import locate

FILE = "_python_reference/questions.yaml"

Length = Literal["short", "medium", "long"]
Kind = Literal["short_answer", "multiple_choice", "true_false", "several_answers", "unanswerable"]
Text = Annotated[str, Field(min_length=1)]


class PythonReference(Dataset):
    """Asks questions about topics of Python's language reference.

    Attributes:
        topics: keep questions over these topics only; all if empty.
        lengths: keep documents of these lengths only: `short` (under 1,500 tokens), `medium` (2,000 to 6,500), `long`
            (12,000 to 16,000: more than SmolLM2's window of 8,192).
    """

    version: ClassVar[int] = 1
    later_fields: ClassVar[frozenset[str]] = frozenset()
    topics: tuple[str, ...] = ()
    lengths: tuple[Length, ...] = ()

    def identity(self) -> Mapping[str, Any]:
        """Returns a hash of all examples, because their documents depend on the Python version."""
        return {
            "examples": content_key([[example.key, example.gold_key] for example in _examples()]),
        }

    def collection(self) -> Sequence[Document]:
        """Returns all topics of the reference in order of their names, without duplicates."""
        return _collection()

    def read(self) -> Sequence[Example]:
        """Returns the examples that pass the filters, with the shortest documents first. Raises `DatasetError`."""
        known = {example.cluster for example in _examples()}
        for topic in self.topics:
            if topic not in known:
                raise DatasetError(
                    f"python_reference: no question is about the topic '{topic}'. "
                    f"Known: {', '.join(sorted(known))}.{nearest(topic, known)}"
                )
        chosen = [
            example
            for example in _examples()
            if (not self.topics or example.cluster in self.topics)
            and (not self.lengths or example.tags["length"] in self.lengths)
        ]
        if not chosen:
            raise DatasetError("python_reference: none of the topics has one of the lengths. Loosen the filters.")
        return chosen


class _Question(BaseModel):
    """One question of the file; each piece of evidence is a text, or a list of alternative wordings of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Text
    kind: Kind
    question: Text
    answers: tuple[Text, ...] = ()
    choices: tuple[Text, ...] = ()
    evidence: tuple[Text | tuple[Text, ...], ...] = ()

    def problem(self) -> str:
        """Returns which fields of the question contradict each other, or an empty text."""
        answerable = self.kind != "unanswerable"
        if bool(self.answers) != answerable or bool(self.evidence) != answerable:
            return "needs answers and evidence, unless it is unanswerable; then neither"
        if bool(self.choices) != (self.kind in ("multiple_choice", "true_false")):
            return "needs choices if, and only if, it is a choice between them"
        if self.choices and not (len(self.answers) == 1 and self.answers[0] in self.choices):
            return "needs one of its choices as its only answer"
        return ""


class _Topic(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    length: Length
    questions: Annotated[tuple[_Question, ...], Field(min_length=1)]


@cache
def _examples() -> tuple[Example, ...]:
    return _build(files("ragvlc.datasets").joinpath(FILE).read_text(encoding="utf-8"), _topics())


def _topics() -> Mapping[str, str]:
    topics: Mapping[str, str] = import_module("pydoc_data.topics").topics
    return topics


@cache
def _collection() -> tuple[Document, ...]:
    once = {text: name for name, text in sorted(_topics().items(), reverse=True)}  # some topics are copies of others
    return tuple(_document(name, text) for text, name in reversed(once.items()))


def _document(name: str, text: str) -> Document:
    return Document(f"python-{name}", text, text.strip().partition("\n")[0])


def _build(source: str, texts: Mapping[str, str]) -> tuple[Example, ...]:
    """Returns the examples of a questions file over the topics in `texts`."""
    topics = _parse(source)
    seen: set[str] = set()
    examples = []
    for name, topic in topics.items():
        if name not in texts:
            first = topic.questions[0].id
            raise DatasetError(f"{FILE}: question '{first}': this Python has no topic '{name}'.{nearest(name, texts)}")
        text = texts[name]
        document = _document(name, text)
        for question in topic.questions:
            if problem := question.problem():
                raise DatasetError(f"{FILE}: question '{question.id}' of topic '{name}' {problem}.")
            if question.id in seen:
                raise DatasetError(f"{FILE}: question '{question.id}' of topic '{name}' has an id that stands above.")
            seen.add(question.id)
            examples.append(_example(name, topic.length, question, document))
    return tuple(examples)


def _parse(source: str) -> dict[str, _Topic]:
    try:
        given = yaml.safe_load(source)
    except yaml.YAMLError as error:
        raise DatasetError(f"{FILE}: is not YAML: {error}") from error
    if not isinstance(given, dict):
        raise DatasetError(f"{FILE}: must be a mapping of topics.")
    topics = {}
    for name, value in given.items():
        try:
            topics[str(name)] = _Topic.model_validate(value)
        except ValidationError as error:
            raise DatasetError(f"{FILE}: topic '{name}': {_first_problem(error, value)}") from error
    return topics


def _first_problem(error: ValidationError, value: object) -> str:
    """Returns the place of the first validation error and its message; questions are named by id, not by number."""
    first = error.errors()[0]
    match first["loc"], value:
        case ("questions", int(number), *_), {"questions": list(questions)} if isinstance(questions[number], dict):
            where = f"question '{questions[number].get('id', number)}', {'.'.join(map(str, first['loc'][2:]))}"
        case _:
            where = ".".join(map(str, first["loc"])) or "entry"
    return f"{where}: {first['msg']}."


def _example(topic: str, length: Length, question: _Question, document: Document) -> Example:
    found = [_locate(piece, document) for piece in question.evidence]
    # Part of the evidence would make recall look better than it is: all of it, or none.
    evidence = tuple(span for span in found if span) if all(found) else ()
    standing = "none" if not found else "located" if evidence else "not located"
    return Example(
        query=Query(f"python-{question.id}", question.question, question.choices),
        documents=(document,),
        references=question.answers,
        answer_mode="all" if question.kind == "several_answers" else "any",
        unanswerable=question.kind == "unanswerable",
        evidence=evidence,
        cluster=topic,
        task=question.kind,
        tags={
            "topic": topic,
            "length": length,
            "evidence": standing,
            "source": "CPython language reference",
            "language": "en",
        },
    )


def _locate(wordings: str | tuple[str, ...], document: Document) -> Span | None:
    """Returns the span of the first wording that occurs, in any typography."""
    for wording in (wordings,) if isinstance(wordings, str) else wordings:
        if place := locate(wording, document.text):
            return Span(document.id, *place)
    return None
