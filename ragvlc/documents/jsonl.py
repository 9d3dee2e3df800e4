"""The documents of a JSON Lines data set, read once and shared by every example and every cell of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from ragvlc.core.data import Document
from ragvlc.core.errors import DatasetError
from ragvlc.core.texts import word_count
from ragvlc.documents.json_lines import Problems, Row, rows_of

__all__ = ["Documents", "documents_of"]

_KEPT_FILES = 8


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of one JSON Lines file.

    Attributes:
        by_id: in the file's order.
        words: white-space words of each, by id.
    """

    by_id: Mapping[str, Document]
    words: Mapping[str, int]


def documents_of(path: Path) -> Documents:
    """Returns the documents of a JSON Lines file. Raises `DatasetError` that lists every problem of the file."""
    return _documents(path, *_state(path))


def _state(path: Path) -> tuple[int, int]:
    try:
        facts = path.stat()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error
    return facts.st_mtime_ns, facts.st_size


@lru_cache(maxsize=_KEPT_FILES)
def _documents(path: Path, changed: int, size: int) -> Documents:  # noqa: ARG001 - part of the cache's key
    problems = Problems(path)
    documents: dict[str, Document] = {}
    lines: dict[str, int] = {}
    for row in rows_of(path, problems):
        document = _document(row)
        if document.id in documents:
            row.complain(f"document '{document.id}' stands in line {lines[document.id]} already.")
        elif row.sound:
            documents[document.id] = document
            lines[document.id] = row.line
    if not documents and not problems.sentences:
        problems.add("holds no documents.")
    problems.raise_any()
    words = {name: word_count(document.text) for name, document in documents.items()}
    return Documents(MappingProxyType(documents), MappingProxyType(words))


def _document(row: Row) -> Document:
    return Document(row.text("doc_id"), row.text("text"), row.text("title", default=""), row.mapping("meta"))
