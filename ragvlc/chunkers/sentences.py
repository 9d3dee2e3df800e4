"""Chunks of whole sentences up to a size; DOS RAG uses about 100 tokens (Laitenberger et al. 2025, arXiv 2506.03989).

A cut falls between two tokens. Where a token holds the space before a sentence and its first word, the space goes to
the new sentence.
"""

from __future__ import annotations

from ragvlc.chunkers._windows import Cuts, SizedChunker, chunks_between, token_cuts, windows
from ragvlc.core.data import Chunk, Document
from ragvlc.core.engines import Tokenizer
from ragvlc.text.sentences import sentence_ends


class Sentences(SizedChunker):
    """Packs as many whole sentences into each chunk as fit in `size` tokens.

    A sentence longer than `size` is divided at tokens: it fills up the chunk before it, and its rest is packed with
    what follows. Overlap repeats whole sentences, at most `overlap` tokens of them, so it is often less; tokens of a
    divided sentence are repeated one by one.
    """

    def split(self, document: Document, tokenizer: Tokenizer) -> list[Chunk]:
        """Returns the document's chunks in order; without overlap, joining them gives the document's text."""
        cuts = token_cuts(document.text, tokenizer)
        units = cuts.only(self._places(document.text, cuts))
        return chunks_between(document, units, windows(units.tokens, self.size, self.overlap))

    def _places(self, text: str, cuts: Cuts) -> list[int]:
        """Returns the indexes of the cut positions between sentences, and of those inside sentences over `size`."""
        places = [0]
        for end in sentence_ends(text):
            place = cuts.nearest(end, text)
            last = places[-1]
            if cuts.tokens[place] - cuts.tokens[last] > self.size:
                places.extend(range(last + 1, place + 1))
            elif place > last:
                places.append(place)
        return places
