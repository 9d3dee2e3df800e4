"""Fixed windows of tokens, regardless of sentences; OP-RAG uses 128 tokens without overlap (arXiv 2409.01666)."""

from __future__ import annotations

from ragvlc.chunkers._windows import SizedChunker, chunks_between, token_cuts, windows
from ragvlc.core.data import Chunk, Document
from ragvlc.core.engines import Tokenizer


class Tokens(SizedChunker):
    """Cuts chunks of exactly `size` tokens (the last may be shorter); neighbours share exactly `overlap` tokens.

    Both may fall short where a character takes several tokens, as an emoji does in a byte-level vocabulary: a character
    is never cut.
    """

    def split(self, document: Document, tokenizer: Tokenizer) -> list[Chunk]:
        """Returns the document's chunks in order; without overlap, joining them gives the document's text."""
        cuts = token_cuts(document.text, tokenizer)
        return chunks_between(document, cuts, windows(cuts.tokens, self.size, self.overlap))
