"""Documents of a data set by a field of their metadata, and questions over such a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ragvlc.core.data import Collection, Document, Example
from ragvlc.core.errors import DatasetError, nearest
from ragvlc.core.paths import at, walk

__all__ = ["Groups", "counted"]


class Groups:
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


def counted(example: Example) -> Example:
    """Returns the example with its counts of documents and words as they are now, where its source gives any."""
    if "documents" not in example.tags:
        return example
    return replace(example, tags=_with_counts(example.tags, _counts(example.documents)))


def _with_counts(tags: Mapping[str, Any], counts: Mapping[str, int]) -> dict[str, Any]:
    """Returns the tags, with today's counts of documents and words where the source gives any."""
    return {**tags, **{name: count for name, count in counts.items() if name in tags}}
