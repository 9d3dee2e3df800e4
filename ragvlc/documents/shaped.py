"""What every data set can do with its examples: ask over the whole set, over contexts of one length, or a part."""

from __future__ import annotations

import random
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ragvlc import packaged
from ragvlc.core.component import Execution, FilePath
from ragvlc.core.data import Collection, Document, Example
from ragvlc.core.errors import DatasetError, nearest
from ragvlc.core.families import Dataset, Examples
from ragvlc.core.paths import at, walk
from ragvlc.documents.padding import Padding, own_documents
from ragvlc.documents.sources import documents_at
from ragvlc.documents.tokenizing import data_tokenizer

__all__ = ["Shaped"]

Share = Annotated[float, Field(ge=0, le=1)]


class Shaped(Dataset):
    """Examples of a source, asked over its documents as they are, over all of them, or over contexts of one length.

    The order is: read, choose `limit` questions, change what they are asked over. So the same questions are asked at
    every length; those whose own documents are longer than `pad_to_tokens` are left out and counted, and may differ
    from length to length: compare lengths question by question, as reports do.

    Attributes:
        scope: `example` asks over the question's own documents, `corpus` over all documents of the set, in its order.
            The own documents are then the relevant ones. A question that the own documents leave unanswered may be
            answered by others. Questions that search a collection already stay as they are.
        group_by: name of a field in the documents' metadata, dotted inside: `corpus` and `pad_to_tokens` then take
            documents only whose value is that of the question's documents. Changes nothing otherwise.
        pad_to_tokens: ask over contexts of so many tokens, or up to 2 % fewer: the own documents, uncut, among others
            that hold none of the references (of four letters or more; two in Chinese and Japanese: shorter ones stand
            nearly everywhere), are no other form of them (same title, or same id before "@"), and come in an order
            seeded by question. The last one is cut at the end of a sentence. Of two lengths, the shorter one's other
            documents begin the longer one's.
        pad_tokenizer: whose tokens are counted: `packaged:NAME`, a folder, or a hub id. Needed by `pad_to_tokens`.
        pad_depth: share of the other documents' tokens that stands before the own ones, as nearly as whole documents
            allow; `spread` goes evenly from 0 to 1 over the questions, each with the same depth at every length;
            `scatter` gives each own document a place by chance, their order kept.
        pad_from: other documents to fill up with, in place of the set's: a documents file or a folder.
        pad_document_tokens: take at most so many tokens of one other document, so that many stand beside the own ones;
            None for whole documents.
        pad_seed: of the order of the other documents and of scattered places.
    """

    scope: Literal["example", "corpus"] = "example"
    group_by: str = ""
    pad_to_tokens: Annotated[int, Field(ge=1)] | None = None
    pad_tokenizer: Annotated[packaged.Model, Execution] = ""
    pad_depth: Literal["spread", "scatter"] | Share = "spread"
    pad_from: Annotated[FilePath | None, Execution] = None
    pad_document_tokens: Annotated[int, Field(ge=1)] | None = None
    pad_seed: int = 0

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        if self.pad_to_tokens and self.scope == "corpus":
            raise ValueError("pad_to_tokens and scope: corpus both say what a question is asked over. Choose one.")
        return self

    @property
    def name(self) -> str:
        """The source's name, with what its questions are asked over where that was changed."""
        words = [self.source]
        if self.scope == "corpus":
            words.append(f"corpus by {self.group_by}" if self.group_by else "corpus")
        if self.pad_to_tokens:
            words.append(f"{self.pad_to_tokens} tokens")
        return ", ".join(words)

    @property
    def source(self) -> str:
        """The name of what is read."""
        return self.kind

    def identity(self) -> Mapping[str, Any]:
        """Returns names of what contexts are padded with; the texts are hashed example by example."""
        if not self.pad_to_tokens:
            return {}
        names = {"pad_tokenizer": self.pad_tokenizer, "pad_from": self.pad_from}
        return {name: "/".join(Path(value).parts[-2:]) for name, value in names.items() if value}

    @abstractmethod
    def collection(self) -> Sequence[Document]:
        """Returns every document of the set, before any filter on questions. Raises `DatasetError`."""

    def load(self) -> Examples:
        """Returns the examples to ask, with how many were left out and why. Raises `DatasetError`."""
        found = self.read()
        skipped = Counter(found.skipped if isinstance(found, Examples) else {})
        places = list(range(len(found)))
        random.Random(self.seed).shuffle(places)  # noqa: S311 - the permutation of `limited`
        ranks = {place: rank for rank, place in enumerate(places[: self.limit])}
        examples: Iterable[Example] = [found[place] for place in sorted(ranks)]
        if self.scope == "corpus":
            examples = self._over_corpus(examples)
        elif self.pad_to_tokens:
            chosen = [(found[place], ranks[place]) for place in sorted(ranks)]
            examples = self._padded(chosen, self._padding(self.pad_to_tokens), skipped)
        return Examples(examples, skipped)

    def _over_corpus(self, examples: Iterable[Example]) -> list[Example]:
        groups = _Groups(self.collection(), self.group_by)
        return [example if example.relevant else groups.asked_over(example) for example in examples]

    def _padding(self, tokens: int) -> Padding:
        if not self.pad_tokenizer:
            raise DatasetError(
                f"{self.source}: pad_to_tokens needs pad_tokenizer, the model whose tokens are counted, such as "
                "packaged:smollm2-135m-instruct."
            )
        pool = documents_at(self.pad_from, "padding/") if self.pad_from else self.collection()
        whole = [document for document in pool if document.text.strip()]
        tokenizer = data_tokenizer(self.pad_tokenizer)
        return Padding(tokens, tokenizer, whole, self.pad_depth, self.pad_seed, self.pad_document_tokens)

    def _padded(self, chosen: Sequence[tuple[Example, int]], padding: Padding, skipped: Counter[str]) -> list[Example]:
        groups = _Groups(padding.pool, self.group_by)
        reason = f"own documents longer than {padding.tokens} tokens"
        found = []
        for example, rank in chosen:
            allowed = groups.members(own_documents(example)) if self.group_by else None
            padded = padding.padded(example, rank, allowed)
            if padded is None:
                skipped[reason] += 1
            else:
                found.append(_counted(padded))
        if chosen and not found:
            least = min(sum(map(padding.tokenizer.size, own_documents(example))) for example, _ in chosen)
            raise DatasetError(
                f"{self.name}: the documents of each of the {len(chosen)} questions are longer than that; the shortest "
                f"have {least:,} tokens. Raise pad_to_tokens."
            )
        return found


class _Groups:
    """The documents of a set by the value of a metadata field; one group of all without a field."""

    def __init__(self, documents: Sequence[Document], field: str) -> None:
        self._field = field
        self._documents = tuple(documents)
        self._values = [self._value(document) for document in documents] if field else []
        self._made: dict[frozenset[object], tuple[Document, ...]] = {}
        self._tags: dict[int, dict[str, int]] = {}
        known = {name for document in documents for name, _ in walk(document.metadata)} if field else set()
        if field and field not in known:
            listing = ", ".join(sorted(known)) or "none"
            raise DatasetError(f"group_by: no document has '{field}'. Known: {listing}.{nearest(field, known)}")

    def members(self, own: Sequence[Document]) -> list[bool]:
        """Returns which documents have a value that one of `own` has."""
        wanted = frozenset(self._value(document) for document in own)
        return [value in wanted for value in self._values]

    def asked_over(self, example: Example) -> Example:
        """Returns the example over its group; one tuple is shared by all examples of a group."""
        wanted = frozenset(self._value(document) for document in example.documents)
        if wanted not in self._made:
            members = zip(self._documents, self._values or [None] * len(self._documents), strict=True)
            self._made[wanted] = Collection(document for document, value in members if value in wanted)
        corpus = self._made[wanted]
        own = {document.id: 1.0 for document in example.documents}
        relevant = {} if example.unanswerable or len(own) >= len(corpus) else own
        if id(corpus) not in self._tags:
            self._tags[id(corpus)] = _counts(corpus)
        tags = _with_counts(example.tags, self._tags[id(corpus)])
        return replace(example, documents=corpus, relevant=relevant, tags=tags)

    def _value(self, document: Document) -> object:
        try:
            value = at(document.metadata, self._field) if self._field else None
        except KeyError:
            return None
        return str(value) if isinstance(value, (list, dict)) else value


def _counts(documents: Sequence[Document]) -> dict[str, int]:
    return {
        "documents": len(documents),
        "document_words": sum(len(document.text.split()) for document in documents),
        "document_characters": sum(len(document.text) for document in documents),
    }


def _counted(example: Example) -> Example:
    if "documents" not in example.tags:
        return example
    return replace(example, tags=_with_counts(example.tags, _counts(example.documents)))


def _with_counts(tags: Mapping[str, Any], counts: Mapping[str, int]) -> dict[str, Any]:
    """Returns the tags, with today's counts of documents and words where the source gives any."""
    return {**tags, **{name: count for name, count in counts.items() if name in tags}}
