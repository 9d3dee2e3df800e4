"""Conversion of the lines of a questions file to examples; every invalid value is reported with its line number."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from ragvlc.core.data import Collection, Document, Example, Query, Span
from ragvlc.core.errors import nearest
from ragvlc.core.paths import walk
from ragvlc.documents.json_lines import Problems, Row
from ragvlc.documents.jsonl import Documents
from ragvlc.documents.tables.columns import likely_answers

__all__ = ["QuestionReader", "examples_of"]

_SUMMARIES = ("summarization", "query_summarization")
_COARSE = ("whole section", "whole story")


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


_SCORING: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("classes", "excluded", "judged", "keywords", "labels", "nodes"), (_texts, "a list of texts")),
    **dict.fromkeys(
        ("answer_keywords", "answer_type", "fact", "prefix", "question_type"),
        (lambda value: isinstance(value, str), "a text"),
    ),
    "depths": (lambda value: isinstance(value, list), "a list"),
    "evidence_texts": (lambda value: isinstance(value, list) and all(map(_texts, value)), "a list of lists of texts"),
    "masks": (lambda value: isinstance(value, dict), "an object"),
    "order": (
        lambda value: isinstance(value, list) and all(type(one) is int and one > 0 for one in value),
        "a list of whole numbers from 1",
    ),
}
"""What metrics of published benchmarks read of `Example.scoring`, and its form; further fields are for your own."""


@dataclass(frozen=True)
class QuestionReader:
    """Converts question rows to examples over one set of documents.

    Attributes:
        documents: of the set.
        cluster: the data set's rule.
        language: of the whole set, or empty where it has several or does not say.
        lenient: questions may name no documents (they are asked over all) and have no answers (nothing is known).
    """

    documents: Documents
    cluster: str = "document"
    language: str = ""
    lenient: bool = False
    _corpora: dict[object, tuple[Document, ...]] = field(default_factory=dict)

    def example(self, row: Row) -> Example:
        """Converts a row to an example, which is usable only if `row.sound` is true after the call."""
        task = row.text("task", default="qa")
        ids = self._document_ids(row)
        by_id = self.documents.by_id
        known = tuple(by_id[name] for name in ids if name in by_id) if ids or not self.lenient else self._everything
        documents = self._corpus(row, ids) if task == "retrieval" else known
        choices = _choices(row, task)
        unanswerable = row.flag("unanswerable")
        answers = self._answers(row, unanswerable=unanswerable)
        evidence, standing = self._evidence(row, documents)
        tags = {**self._tags(row, known, documents), "evidence": standing}
        if unanswerable and answers:
            tags["said_instead"] = answers[0]
        asked = not unanswerable and task != "retrieval"
        within = ids or tuple(dict.fromkeys(span.document_id for span in evidence))
        return Example(
            query=Query(
                row.text("question_id"), row.text("question"), choices, "summary" if task in _SUMMARIES else "question"
            ),
            documents=documents,
            references=(_right_options(row, choices, answers) if choices else answers) if asked else (),
            answer_mode=_answer_mode(row),
            unanswerable=unanswerable,
            evidence=evidence,
            relevant=dict.fromkeys(within, 1.0) if task == "retrieval" or not ids else {},
            cluster=self._cluster(row, within),
            task=task,
            tags=tags,
            scoring=_scoring(row),
        )

    def _document_ids(self, row: Row) -> tuple[str, ...]:
        ids = row.texts("doc_ids")
        one = row.text("doc_id", default="")
        if one and ids and ids != (one,):
            row.complain(f"'doc_id' is '{one}', but 'doc_ids' names {', '.join(ids)}.")
        ids = ids or ((one,) if one else ())
        if not ids and row.sound and not self.lenient:
            row.complain("'doc_ids' names no document.")
        if len(set(ids)) < len(ids):
            row.complain(f"'doc_ids' names a document twice: {', '.join(ids)}.")
        for name in ids:
            if name not in self.documents.by_id:
                row.complain(f"no document has the id '{name}'.{nearest(name, self.documents.by_id)}")
        return ids

    def _corpus(self, row: Row, ids: tuple[str, ...]) -> tuple[Document, ...]:
        """Returns the documents that a retrieval query searches: all, or those whose length is the query's."""
        length = row.mapping("meta").get("length")
        key = length if isinstance(length, (str, int, float)) and self._has_lengths else None
        if key not in self._corpora:
            self._corpora[key] = Collection(
                document
                for document in self.documents.by_id.values()
                if key is None or document.metadata.get("length") == key
            )
        corpus = self._corpora[key]
        for name in ids:
            if name in self.documents.by_id and self.documents.by_id[name] not in corpus:
                row.complain(f"'meta.length' is {length!r}, but the relevant document '{name}' has another.")
        return corpus

    @cached_property
    def _has_lengths(self) -> bool:
        return any("length" in document.metadata for document in self.documents.by_id.values())

    def _answers(self, row: Row, *, unanswerable: bool) -> tuple[str, ...]:
        answers = row.texts("answers")
        known = unanswerable or self.lenient or row.values.get("answer_index") is not None
        if not answers and not known and row.sound:
            likely = likely_answers(
                [name for name in row.values if not name.startswith("answer_") and name != "answers"]
            )
            hint = f" If '{likely}' holds the answers, call it 'answers'." if likely else ""
            row.complain(f"'answers' is empty, and the question is not marked 'unanswerable'.{hint}")
        return answers

    def _evidence(self, row: Row, documents: tuple[Document, ...]) -> tuple[tuple[Span, ...], str]:
        """Returns the located evidence spans, and a label for how much was located, such as `partly located`."""
        given = row.mappings("evidence")
        texts = {document.id: document.text for document in documents}
        spans = [_span(row, number, one, texts) for number, one in enumerate(given) if one.get("start") is not None]
        kind = row.mapping("meta").get("evidence_kind")
        if kind in _COARSE:
            return (), str(kind)
        if not given:
            return (), "none"
        found = tuple(dict.fromkeys(span for span in spans if span))
        return found, "located" if len(spans) == len(given) else "partly located" if spans else "not located"

    def _tags(self, row: Row, known: tuple[Document, ...], documents: tuple[Document, ...]) -> dict[str, Any]:
        tags = _scalars(row.mapping("meta"))
        for name, value in _scalars(known[0].metadata if known and known is not self._everything else {}).items():
            if all(document.metadata.get(name) == value for document in known[1:]):
                tags[f"document.{name}"] = value
        if source := row.text("source", default=""):
            tags["source"] = source
        if language := tags.get("language") or tags.get("lang") or tags.get("document.lang") or self.language:
            tags["language"] = language
        if documents is self._everything:
            return {**tags, **self._totals}
        return {**tags, **self._sizes(documents)}

    def _sizes(self, documents: tuple[Document, ...]) -> dict[str, int]:
        return {
            "documents": len(documents),
            "document_words": sum(self.documents.words[document.id] for document in documents),
            "document_characters": sum(len(document.text) for document in documents),
        }

    @cached_property
    def _everything(self) -> tuple[Document, ...]:
        return Collection(self.documents.by_id.values())

    @cached_property
    def _totals(self) -> dict[str, int]:
        return self._sizes(self._everything)

    def _cluster(self, row: Row, ids: tuple[str, ...]) -> str:
        name = row.text("question_id", default="")
        if self.cluster == "document" and (ids or not self.lenient):
            return "+".join(ids)
        if self.cluster in ("document", "question"):
            return name
        if self.cluster == "id_prefix":
            return name.partition("@")[0]
        wanted = self.cluster.removeprefix("meta.")
        meta = _scalars(row.mapping("meta"))
        if wanted not in meta:
            row.complain(f"'cluster: {self.cluster}' needs a 'meta.{wanted}', which is absent.{nearest(wanted, meta)}")
        return str(meta.get(wanted, ""))


def _choices(row: Row, task: str) -> tuple[str, ...]:
    choices = row.texts("choices") or (("True", "False") if task == "true_false" else ())
    if not choices and row.sound:
        if task == "multiple_choice":
            row.complain("a multiple_choice question needs 'choices'.")
        elif row.values.get("answer_index") is not None:
            row.complain("'answer_index' is given, but no 'choices'.")
    return choices


def _scoring(row: Row) -> Mapping[str, Any]:
    given = row.mapping("scoring")
    for name, value in given.items():
        fits, form = _SCORING.get(name, (None, ""))
        if fits and not fits(value):
            row.complain(f"'scoring.{name}' must be {form}, not {str(value)[:60]!r}.")
    return given


def _answer_mode(row: Row) -> Literal["any", "all"]:
    mode = row.values.get("answer_mode")
    if mode not in (None, "any", "all"):
        row.complain(f"'answer_mode' must be any or all, not {mode!r}.")
    return "all" if mode == "all" else "any"


def _right_options(row: Row, choices: tuple[str, ...], answers: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the texts of the right options, named by `answer_index` or by the answers (letters or texts)."""
    named = [_option(row, choices, answer) for answer in answers]
    index = row.values.get("answer_index")
    if index is None:
        return tuple(choices[place] for place in dict.fromkeys(named) if place is not None)
    if isinstance(index, float) and index.is_integer():
        index = int(index)
    if type(index) is not int or not 0 <= index < len(choices):
        row.complain(f"'answer_index' must be a whole number from 0 to {len(choices) - 1}, not {index!r}.")
        return ()
    if row.sound and named and index not in named:
        row.complain(f"'answer_index' is {index}, but 'answers' says {', '.join(answers)}.")
    return tuple(choices[place] for place in dict.fromkeys([index, *named]) if place is not None)


def _option(row: Row, choices: tuple[str, ...], answer: str) -> int | None:
    """Returns the index of the option that `answer` names; letters are tried before texts."""
    letter = answer.strip()
    letters = string.ascii_uppercase[: len(choices)]
    if len(letter) == 1 and letter in letters:
        return letters.index(letter)
    texts = [choice.strip().casefold() for choice in choices]
    if letter.casefold() in texts:
        return texts.index(letter.casefold())
    row.complain(f"the answer '{answer}' is no letter from A to {letters[-1:]} and no option of 'choices'.")
    return None


def _span(row: Row, number: int, given: Mapping[str, Any], texts: Mapping[str, str]) -> Span | None:
    """Returns the span that `evidence[number]` gives, checked against the document; None if it is invalid."""
    where = f"evidence[{number}]"
    name, start, end, quoted = (given.get(key) for key in ("doc_id", "start", "end", "text"))
    if name is None and len(texts) == 1:
        name = next(iter(texts))
    if not isinstance(name, str) or name not in texts:
        if texts:
            row.complain(f"{where} is in document {name!r}, which is not asked over.{nearest(str(name), texts)}")
        return None
    text = texts[name]
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= len(text):
        row.complain(f"{where} runs from {start!r} to {end!r}; document '{name}' has characters 0 to {len(text)}.")
        return None
    if quoted is not None and text[start:end] != quoted:
        row.complain(f"{where} says {str(quoted)[:60]!r}, but document '{name}' has {text[start:end][:60]!r} there.")
        return None
    return Span(name, start, end)


def _scalars(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the texts, numbers and booleans of an object; those inside nested objects get dotted names."""
    return {path: value for path, value in walk(values) if isinstance(value, (str, int, float))}


def examples_of(rows: Iterable[Row], reader: QuestionReader, problems: Problems) -> list[Example]:
    """Returns an example for each row of a questions file. Raises `DatasetError` that lists every problem."""
    examples: list[Example] = []
    lines: dict[str, int] = {}
    for row in rows:
        example = reader.example(row)
        if example.id in lines:
            row.complain(f"question '{example.id}' stands in line {lines[example.id]} already.")
        elif example.id:
            lines[example.id] = row.line
        examples.append(example)
    if not examples and not problems.sentences:
        problems.add("holds no questions.")
    problems.raise_any()
    return examples
