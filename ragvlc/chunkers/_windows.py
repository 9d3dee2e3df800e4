"""Positions where a text may be cut, and windows of tokens between them: code for all chunkers with a token size.

A text is tokenised once, as a whole. Sizes are counted in those tokens, so cutting never counts a text twice. A chunk
tokenised again on its own may come out a token or two longer or shorter, because tokens at its edges can join or part.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from ragvlc.core.data import Chunk, Document
from ragvlc.core.engines import Tokenizer
from ragvlc.core.families import Chunker
from ragvlc.core.token_spans import numbers

__all__ = ["Cuts", "SizedChunker", "chunks_between", "token_cuts", "windows"]


class SizedChunker(Chunker):
    """Base class of chunkers whose chunks have at most `size` tokens and may overlap.

    Attributes:
        size: the most tokens of a chunk, counted in the tokens of the whole text. Only a single character that takes
            more tokens than this makes a longer chunk.
        overlap: tokens that a chunk repeats from the one before it; less than `size`.
    """

    size: Annotated[int, Field(ge=1)] = 256
    overlap: Annotated[int, Field(ge=0)] = 0

    @field_validator("overlap")
    @classmethod
    def _below_size(cls, overlap: int, info: ValidationInfo) -> int:
        size = info.data.get("size")
        if size is not None and overlap >= size:
            problem = f"overlap {overlap} must be less than the size {size}. Use at most {size - 1}."
            raise PydanticCustomError("overlap", "{problem}", {"problem": problem})
        return overlap


@dataclass(frozen=True, slots=True)
class Cuts:
    """Positions where a text may be cut, including its start and end, each counted in characters and in tokens.

    Attributes:
        chars: number of characters before each position, from 0 to the length of the text.
        tokens: number of tokens before each position, from 0.
    """

    chars: Sequence[int]
    tokens: Sequence[int]

    def only(self, places: Sequence[int]) -> Cuts:
        """Returns the cut positions at the given indexes, which must be in ascending order."""
        return Cuts(numbers(self.chars[place] for place in places), numbers(self.tokens[place] for place in places))

    def nearest(self, char: int, text: str) -> int:
        """Returns the index of the allowed cut position that is used for a wanted cut before the character `char`.

        A token that spans `char` goes to the text after the cut if it starts with white space before `char`, as in
        " The", and otherwise to the text before it. Two characters are inspected: a token can be very long.
        """
        place = bisect_left(self.chars, char)
        if self.chars[place] != char and text[self.chars[place - 1]].isspace() and text[char - 1].isspace():
            return place - 1
        return place


def token_cuts(text: str, tokenizer: Tokenizer) -> Cuts:
    """Returns the positions where the text may be cut: between tokens that do not share a character.

    A byte-level tokenizer gives one emoji several tokens with the same span, and a token may have no characters at
    all: each of them counts, none is cut off from its character. A character is a Unicode code point, so an accent that
    has its own token may still be parted from its letter.
    """
    if not text:
        return Cuts((0,), (0,))
    chars, tokens, reach, count = numbers([0]), numbers([0]), 0, 0
    for start, end in tokenizer.spans(text):
        if count and max(reach, chars[-1] + 1) <= start < len(text):
            chars.append(start)
            tokens.append(count)
        reach = max(reach, end)
        count += 1
    chars.append(len(text))
    tokens.append(max(count, 1))
    return Cuts(chars, tokens)


def windows(tokens: Sequence[int], size: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Yields (first, last) positions of windows of at most `size` tokens; neighbours share at most `overlap` tokens.

    Each window is as long as possible; starts and ends are strictly increasing. The text between two neighbouring
    positions is never divided: it is a window of its own if it is too long, and is repeated whole or not at all. Where
    every step is one token, neighbours share exactly `overlap` tokens.
    """
    first, final = 0, len(tokens) - 1
    while first < final:
        last = max(bisect_right(tokens, tokens[first] + size) - 1, first + 1)
        yield first, last
        if last == final:
            return
        repeated = bisect_left(tokens, tokens[last] - overlap)
        fits_from = bisect_left(tokens, tokens[last + 1] - size)  # the next step fits from here on
        first = max(repeated, min(fits_from, last))


def chunks_between(document: Document, cuts: Cuts, places: Iterable[tuple[int, int]]) -> list[Chunk]:
    """Returns one chunk of the document for each (first, last) pair of positions."""
    chunks = []
    for index, (first, last) in enumerate(places):
        start, end = cuts.chars[first], cuts.chars[last]
        chunks.append(Chunk(document.id, index, start, end, document.text[start:end]))
    return chunks
