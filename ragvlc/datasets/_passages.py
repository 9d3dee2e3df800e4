"""Passages that a question comes with, as documents named by title and content, so that equal ones are one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ragvlc.core.data import Document, Span

__all__ = ["Passages", "evidence_state", "joined_sentences", "spans_in"]


class Passages:
    """The passages of one question in their order; one that repeats is read once.

    Attributes:
        documents: in the order of the passages.
        repeated: number of passages that were there before.
    """

    def __init__(self) -> None:
        self.documents: list[Document] = []
        self.repeated = 0
        self._held: dict[str, Document] = {}

    def add(self, title: str, text: str, metadata: Mapping[str, Any] | None = None) -> Document:
        """Returns the document of a passage."""
        mark = hashlib.sha256(f"{title}\x00{text}".encode("utf-8", "surrogatepass")).hexdigest()[:8]
        name = f"{title or 'untitled'} [{mark}]"
        if name in self._held:
            self.repeated += 1
        else:
            self._held[name] = Document(name, text, title, metadata or {})
            self.documents.append(self._held[name])
        return self._held[name]


def joined_sentences(sentences: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Returns a paragraph and where each of its sentences is; white space around a sentence is not part of it.

    Sentences that bring their own blanks are joined as they are, others by a blank.
    """
    between = "" if any(one[:1].isspace() for one in sentences[1:]) else " "
    text, places = "", []
    for sentence in sentences:
        text += between if text and sentence else ""
        bare = sentence.strip()
        start = len(text) + len(sentence) - len(sentence.lstrip())
        places.append((start, start + len(bare)))
        text += sentence
    return text, places


def evidence_state(found: int, named: int) -> str:
    """Returns the tag `evidence`: how much of what the data set names is in the documents."""
    if not named:
        return "none"
    return "located" if found == named else "partly located" if found else "not located"


def spans_in(document: Document, places: Iterable[tuple[int, int]]) -> list[Span]:
    """Returns places that are not empty as spans of a document."""
    return [Span(document.id, start, end) for start, end in places if end > start]
