"""Groups of a data set's documents by a metadata field, and questions with such a group as context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ragvlc.core.data import Collection, Document, Example
from ragvlc.core.errors import DatasetError, nearest
from ragvlc.core.paths import at, walk
from ragvlc.core.texts import word_count

__all__ = ["Groups", "counted"]


class Groups:
    """The documents of a data set, grouped by the value of a metadata field; without a field, they form one group."""

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
        """Returns, for each document of the set, whether it is in the same group as a document in `own`."""
        wanted = frozenset(self._value(document) for document in own)
        return [value in wanted for value in self._values]

    def asked_over(self, example: Example) -> Example:
        """Returns the example with its whole group as context; examples of a group share one collection object."""
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
        "document_words": sum(word_count(document.text) for document in documents),
        "document_characters": sum(len(document.text) for document in documents),
    }


def counted(example: Example) -> Example:
    """Returns the example with its tags for the numbers of documents and words updated, if it has such tags."""
    if "documents" not in example.tags:
        return example
    return replace(example, tags=_with_counts(example.tags, _counts(example.documents)))


def _with_counts(tags: Mapping[str, Any], counts: Mapping[str, int]) -> dict[str, Any]:
    """Returns the tags with the numbers of documents and words updated, if there are such tags."""
    return {**tags, **{name: count for name, count in counts.items() if name in tags}}
