"""No splitting: the document is one chunk, for ranking whole documents of a collection."""

from __future__ import annotations

from ragvlc.core.data import Chunk, Document
from ragvlc.core.engines import Tokenizer
from ragvlc.core.families import Chunker


class Whole(Chunker):
    """Makes one chunk of each document, of any length; an embedder reads only the part that fits its window."""

    def split(self, document: Document, tokenizer: Tokenizer) -> list[Chunk]:  # noqa: ARG002 - no size to count
        """Returns the whole document as one chunk, or no chunk if the document is empty."""
        if not document.text:
            return []
        return [Chunk(document.id, 0, 0, len(document.text), document.text)]
