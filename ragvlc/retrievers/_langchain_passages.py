"""The index over a LangChain store, and the mapping of its passages to the question's chunks."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ragvlc.core.data import Chunk, ChunkSet, Hit, Query
from ragvlc.core.errors import EngineError
from ragvlc.retrievers._langchain_stores import Source

if TYPE_CHECKING:
    from langchain_core.documents import Document

__all__ = ["CorpusPassages", "FilledPassages", "StoreIndex"]

log = logging.getLogger("ragvlc")

_GAP = "\0"  # white space that a chunker omitted: its characters are unknown, so no passage may span it


@dataclass(frozen=True, slots=True)
class FilledPassages:
    """Maps passages back to the chunks that were stored under the name of this index.

    Attributes:
        chunks: in the order in which they were stored.
        name: of this filling.
        source: name of the store, for errors.
    """

    chunks: Sequence[Chunk]
    name: str
    source: str

    def metadata(self) -> list[dict[str, Any]]:
        """Returns the metadata to store with each text."""
        return [
            {
                "filled": self.name,
                "place": place,
                "document_id": chunk.document_id,
                "start": chunk.start,
                "end": chunk.end,
            }
            for place, chunk in enumerate(self.chunks)
        ]

    def __call__(self, document: Document) -> Chunk:
        """Returns the chunk of a passage. Raises `EngineError` for a passage that was not stored by this index."""
        if document.metadata.get("filled") != self.name:
            raise EngineError(
                f"{self.source} returned a passage that is none of the question's chunks: the store was not empty, "
                "or other chunks are in it too. Put {index} into the name of its collection, index or folder, so "
                "that each set of chunks has its own; or set `existing: true` for a corpus that is already there."
            )
        return self.chunks[int(document.metadata["place"])]


class CorpusPassages:
    """Locates passages of an existing corpus in the texts of a question's documents, rebuilt from their chunks.

    A passage's metadata give its position (`document_id`, or LangChain's `source`; `start` or LangChain's
    `start_index`), and its text must be there. Otherwise its text is searched for, in the named document or else in
    all of them, and the first occurrence counts.
    """

    def __init__(self, chunks: ChunkSet) -> None:
        self._documents = {
            name: _Text.of(list(group)) for name, group in groupby(chunks.chunks, key=lambda chunk: chunk.document_id)
        }

    def __call__(self, document: Document) -> Chunk | None:
        """Returns the passage as a chunk with its position in the document, or None if no document contains it."""
        text, metadata = document.page_content, document.metadata
        if not text.strip():
            return None
        start = metadata.get("start", metadata.get("start_index"))
        for candidate in self._named(metadata):
            for wanted in (text, text.strip()):
                place = candidate.find(wanted, start)
                if place >= 0:
                    return candidate.chunk(place, wanted)
        return None

    def _named(self, metadata: Mapping[str, Any]) -> Iterator[_Text]:
        name, source = metadata.get("document_id"), metadata.get("source")
        if name is not None:  # named another document: the same words here would be another passage
            yield from [self._documents[name]] if name in self._documents else []
        elif isinstance(source, str) and source in self._documents:
            yield self._documents[source]
        else:
            yield from self._documents.values()


@dataclass(frozen=True, slots=True)
class _Text:
    chunks: Sequence[Chunk]
    starts: Sequence[int]
    text: str

    @classmethod
    def of(cls, chunks: Sequence[Chunk]) -> _Text:
        parts, reached = [], 0
        for chunk in chunks:
            parts.append(_GAP * (chunk.start - reached))
            parts.append(chunk.text[max(0, reached - chunk.start) :])
            reached = max(reached, chunk.end)
        return cls(chunks, [chunk.start for chunk in chunks], "".join(parts))

    def find(self, text: str, start: object) -> int:
        """Returns the position of `text`: `start` if the text is there, else its first occurrence, or -1."""
        if isinstance(start, (int, float)) and start >= 0 and self.text.startswith(text, int(start)):
            return int(start)
        return self.text.find(text)

    def chunk(self, start: int, text: str) -> Chunk:
        """Returns the passage as a chunk, with the index of the original chunk in which it starts."""
        begun = self.chunks[max(0, bisect_right(self.starts, start) - 1)]
        return Chunk(begun.document_id, begun.index, start, start + len(text), text, begun.document_index)


@dataclass(frozen=True, slots=True)
class StoreIndex:
    """An index over an open store, which maps the store's passages to chunks.

    Attributes:
        source: the opened store.
        place: maps a passage to its chunk, or to None.
        most: the most passages to request for one question.
    """

    source: Source
    place: Callable[[Document], Chunk | None]
    most: int

    def search(self, query: Query, n: int) -> list[Hit]:
        """Returns at most `n` hits, best first; equal scores in chunk order.

        Raises:
            EngineError: if the source fails, or if none of its passages is in the question's documents.
        """
        n = min(n, self.most)
        if n <= 0:
            return []
        asked = min(n + 1, self.most)
        while True:
            found = self.source.search(query.search_text, asked)
            hits = self._hits(found)
            # A store returns any of the passages that tie at the cut, so search deeper until the tie has ended.
            enough = len(hits) > n and hits[n - 1].score > hits[n].score
            if enough or len(found) < asked or asked == self.most:
                break
            asked = min(2 * asked, self.most)
        if found and not hits:
            raise EngineError(
                f"{self.source.name}: none of {len(found)} passages is in the question's documents. Passages need "
                "the metadata document_id and start, or the documents' exact text; the documents must be part of the "
                "corpus; `depth` sets the number of passages to search."
            )
        return hits[:n]

    def _hits(self, found: Sequence[tuple[Document, float]]) -> list[Hit]:
        hits: dict[tuple[str, int, int], Hit] = {}
        lost = 0
        for document, score in found:
            chunk = self.place(document)
            if chunk is None:
                lost += 1
            else:
                hits.setdefault((chunk.document_id, chunk.start, chunk.end), Hit(chunk, score))
        if lost:
            log.info("%s: %d of %d passages are of other documents", self.source.name, lost, len(found))
        return sorted(hits.values(), key=_best_first)


def _best_first(hit: Hit) -> tuple[float, int, int, int]:
    return -hit.score, hit.chunk.document_index, hit.chunk.start, hit.chunk.end
