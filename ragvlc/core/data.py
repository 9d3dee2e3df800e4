"""Input data: documents, chunks, queries, and examples with the known facts about their right answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from ragvlc.core.official import OfficialPrompt
from ragvlc.core.surrogates import joined, joined_within

__all__ = [
    "Chunk",
    "ChunkSet",
    "Collection",
    "Document",
    "Example",
    "Form",
    "Hit",
    "Query",
    "Span",
    "content_key",
    "covered",
    "documents_key",
]

Form = Literal["question", "summary"]


_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def content_key(value: object) -> str:
    """Returns the SHA-256 of `value`'s canonical JSON in hex; equal values have equal keys on every machine."""
    return hashlib.sha256(_CANONICAL.encode(value).encode("utf-8", "surrogatepass")).hexdigest()


def _mend(data: Any, *names: str) -> None:  # noqa: ANN401 - frozen data
    """Joins or replaces surrogates in fields of frozen data: this is where text of files and ids enters."""
    for name in names:
        value = getattr(data, name)
        if value and (mended := joined_within(value)) is not value:
            object.__setattr__(data, name, mended)


_CHUNK_BYTES = 300
"""Of a chunk beside its characters."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text with an id, a title and metadata. `metadata` holds JSON values only."""

    id: str
    text: str
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    _key: list[str] = field(default_factory=list, init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        _mend(self, "id", "text", "title", "metadata")

    @property
    def key(self) -> str:
        """Content hash of everything in the document; computed once."""
        if not self._key:
            self._key.append(content_key([self.id, self.title, self.text, dict(self.metadata)]))
        return self._key[0]


class Collection(tuple[Document, ...]):
    """Documents that many questions share, with a key that is computed only once."""

    @cached_property
    def key(self) -> str:
        """Hash of all documents in the collection, in their order."""
        return content_key([document.key for document in self])


def documents_key(documents: Sequence[Document]) -> str:
    """Returns the hash of documents in their order; a `Collection` computes this hash only once."""
    return (documents if isinstance(documents, Collection) else Collection(documents)).key


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Characters `start` to `end` (exclusive) of a document's text."""

    document_id: str
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document; `text` always equals `document.text[start:end]`.

    Attributes:
        document_id: the document it is cut from.
        index: counts within the document.
        start: first character.
        end: one past the last character.
        text: the characters.
        document_index: place of the document among the question's documents; set by the run.
    """

    document_id: str
    index: int
    start: int
    end: int
    text: str
    document_index: int = 0

    @property
    def span(self) -> Span:
        """The position of the chunk in its document."""
        return Span(self.document_id, self.start, self.end)


@dataclass(frozen=True, slots=True)
class ChunkSet(Sequence[Chunk]):
    """The chunks of one question's documents in document order, with a hash of everything that determines them.

    Attributes:
        key: hash of chunker, tokenizer and documents; equal keys mean equal chunks.
        chunks: in (document, start) order.
        seconds: what cutting cost when it was first done.
    """

    key: str
    chunks: tuple[Chunk, ...]
    seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.chunks)

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 - the Sequence contract: an item or a slice
        return self.chunks[index]

    @property
    def nbytes(self) -> int:
        """The memory of the chunks, in bytes, by and large."""
        return sum(len(chunk.text) for chunk in self.chunks) + _CHUNK_BYTES * len(self.chunks)


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk with its score in a ranking; larger is better, and scores are comparable within one ranking only."""

    chunk: Chunk
    score: float


@dataclass(frozen=True, slots=True)
class Query:
    """A question, or a request for a summary, with the options of a multiple-choice question.

    Attributes:
        id: unique within a data set.
        text: the question, or for `form="summary"` the request.
        choices: options of a multiple-choice question, without letters; empty for an open question.
        form: whether an answer or a summary is wanted. Known to whoever asks, so not gold.
        official: how the authors of a benchmark ask it; None where the route's own prompts are used.
    """

    id: str
    text: str
    choices: tuple[str, ...] = ()
    form: Form = "question"
    official: OfficialPrompt | None = None

    def __post_init__(self) -> None:
        _mend(self, "id", "text", "choices")

    @property
    def search_text(self) -> str:
        """The text that retrieval searches for: the question with its answer options."""
        return "\n".join((self.text, *self.choices))


@dataclass(frozen=True, slots=True)
class Example:
    """A query with its documents and the gold: the known facts about the right answer.

    Attributes:
        query: what is asked.
        documents: what may be read, in their given order.
        references: accepted answers; for multiple choice the texts of the right options. None without `unanswerable`:
            nothing is known.
        answer_mode: `any` reference suffices, or `all` are required.
        unanswerable: the documents do not answer it; `references` is then empty or says so.
        evidence: where the answer stands; empty when not located or when only whole sections are known.
        relevant: grade by document id, for retrieval over a collection.
        cluster: what counts together in intervals and tests (questions over one document are not independent); empty:
            on its own.
        task: the data set's word for the kind of question. May give gold away: for reports, never for routes.
        tags: further facts for breaking results down.
        scoring: further gold that scorers of published benchmarks need, such as the names of all classes, the keywords
            of an answer, or ids of documents that are not to be counted; JSON values. Never for routes.
    """

    query: Query
    documents: tuple[Document, ...]
    references: tuple[str, ...] = ()
    answer_mode: Literal["any", "all"] = "any"
    unanswerable: bool = False
    evidence: tuple[Span, ...] = ()
    relevant: Mapping[str, float] = field(default_factory=dict)
    cluster: str = ""
    task: str = "qa"
    tags: Mapping[str, Any] = field(default_factory=dict)
    scoring: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _mend(self, "references", "relevant", "cluster", "task", "tags", "scoring")
        if any(joined(span.document_id) != span.document_id for span in self.evidence):
            mended = tuple(Span(joined(span.document_id), span.start, span.end) for span in self.evidence)
            object.__setattr__(self, "evidence", mended)

    @property
    def id(self) -> str:
        """The query's id."""
        return self.query.id

    @property
    def key(self) -> str:
        """Hash of query and documents; a stored answer is valid as long as this hash is unchanged."""
        query = self.query
        asked = [query.id, query.text, list(query.choices), query.form]
        asked += [query.official.facts()] if query.official else []
        return content_key([asked, documents_key(self.documents)])

    @property
    def gold_key(self) -> str:
        """Hash of the gold; scores, and answers of controls, are valid as long as this hash is unchanged."""
        spans = [[span.document_id, span.start, span.end] for span in self.evidence]
        right = [list(self.references), self.answer_mode, self.unanswerable]
        known = [right, spans, dict(self.relevant)]
        return content_key([*known, dict(self.scoring)] if self.scoring else known)


def covered(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Returns the union of `spans` as disjoint spans in (document, start) order."""
    merged: list[Span] = []
    for span in sorted(span for span in spans if len(span) > 0):
        last = merged[-1] if merged else None
        if last and last.document_id == span.document_id and span.start <= last.end:
            merged[-1] = Span(last.document_id, last.start, max(last.end, span.end))
        else:
            merged.append(span)
    return tuple(merged)
