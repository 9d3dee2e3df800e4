"""LangChain's recursive splitter (`langchain_text_splitters.RecursiveCharacterTextSplitter`), with sizes in tokens.

It divides at the strongest separator present, divides the parts that are still too long at the next one, and packs
neighbouring parts up to the size. Differences from using it directly on the text:

- Sizes are tokens of the whole text. Counting each part with a tokenizer is slow (one call a word, or a character in a
  script without spaces) and adds up to more than the text has.
- Cuts fall between tokens, after a separator; the white space that a token opens with goes to the next chunk. Nothing
  is stripped, so the chunks' positions are known and need not be searched for (`add_start_index` finds the wrong one
  when text repeats).
- `overlap` is a plain repetition of that number of tokens. LangChain repeats only whole parts, and none between parts
  divided at different separators, so that its overlap is often nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from ragvlc.chunkers._windows import Cuts, SizedChunker, chunks_between, token_cuts
from ragvlc.core.data import Chunk, Document
from ragvlc.core.engines import Tokenizer
from ragvlc.core.errors import RagvlcError

Separators = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(max_length=64)]

_PRIVATE = 0xF0000  # private-use planes 15 and 16
_WEIGHTS = 256  # code points a separator; the place among them is the number of tokens


class Recursive(SizedChunker):
    """Splits documents at the strongest separators that give parts of at most `size` tokens.

    A part with none of the separators, such as a very long word, is divided between any two tokens. Parts of different
    depth are not packed together, as in LangChain, so chunks can be much shorter than `size`.

    Attributes:
        separators: literal texts, strongest first. The default is LangChain's with the full stops of Chinese and
            Japanese, which have no spaces to divide at.
    """

    separators: Separators = ("\n\n", "\n", "。", "！", "？", " ")

    def split(self, document: Document, tokenizer: Tokenizer) -> list[Chunk]:
        """Returns the document's chunks in order; without overlap, joining them gives the document's text."""
        cuts = token_cuts(document.text, tokenizer)
        ends = self._ends(_proxy(cuts, self._depths(document.text, cuts)))
        return chunks_between(document, cuts, _overlapping(cuts.tokens, ends, self.size, self.overlap))

    def _depths(self, text: str, cuts: Cuts) -> list[int]:
        """Returns, for each cut position, the index of the strongest separator before it, or their number if none."""
        depths = [len(self.separators)] * len(cuts.chars)
        for depth, separator in reversed(list(enumerate(self.separators))):
            for match in re.finditer(re.escape(separator), text):
                depths[cuts.nearest(match.end(), text)] = depth
        return depths

    def _ends(self, proxy: str) -> list[int]:
        """Returns the positions at which LangChain's splitter divides the encoded document, with start and end."""
        from langchain_text_splitters import RecursiveCharacterTextSplitter

        splitter = RecursiveCharacterTextSplitter(
            separators=[*(_class(depth) for depth in range(len(self.separators))), ""],
            is_separator_regex=True,
            keep_separator="start",
            chunk_size=self.size - self.overlap,
            chunk_overlap=0,
            length_function=_tokens,
            strip_whitespace=False,
        )
        ends = [0]
        for part in splitter.split_text(proxy):
            ends.append(ends[-1] + len(part))
        if ends[-1] != len(proxy):
            message = (
                f"langchain_text_splitters returned {ends[-1]} of {len(proxy)} tokens, so positions in the text are "
                "unknown. Install another version, or use another chunker."
            )
            raise RagvlcError(message)
        return ends


def _proxy(cuts: Cuts, depths: Sequence[int]) -> str:
    """Returns an encoded form of the document, with one character for each stretch between neighbouring cut positions.

    A character encodes the separator before the step and the number of tokens of the step. LangChain's splitter, which
    only searches and measures, then divides tokens as it would divide text.
    """
    steps = pairwise(cuts.tokens)
    return "".join(
        chr(_PRIVATE + depth * _WEIGHTS + min(after - before, _WEIGHTS - 1))
        for depth, (before, after) in zip(depths, steps, strict=False)
    )


def _class(depth: int) -> str:
    """Returns a regular expression for characters made by `_proxy` that follow the separator at index `depth`."""
    first = _PRIVATE + depth * _WEIGHTS
    return f"[{chr(first)}-{chr(first + _WEIGHTS - 1)}]"


def _tokens(part: str) -> int:
    """Returns the number of tokens that a part of the encoded document (see `_proxy`) represents."""
    return sum(ord(step) % _WEIGHTS for step in part)


def _overlapping(tokens: Sequence[int], ends: Sequence[int], size: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Yields the (first, last) positions of each part, after extending it backwards by up to `overlap` tokens.

    No part is made longer than `size`, nor begun where the one before it begins: it would contain that one.
    """
    earliest = 0
    for first, last in pairwise(ends):
        repeated = bisect_left(tokens, tokens[first] - overlap)
        fits_from = bisect_left(tokens, tokens[last] - size)
        begun = min(first, max(repeated, fits_from, earliest))
        yield begun, last
        earliest = begun + 1
