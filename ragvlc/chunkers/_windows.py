"""Where a text may be cut, and windows over those places: the arithmetic that every sized chunker shares.

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

__all__ = ["Cuts", "SizedChunker", "chunks_between", "token_cuts", "windows"]


class SizedChunker(Chunker):
    """A chunker with a size and an overlap.

    Attributes:
        size: at most so many tokens a chunk, as counted in the tokens of the whole text. Only a single character that
            takes more tokens than this is longer.
        overlap: tokens that a chunk repeats from the one before it; less than `size`.
    """

    size: Annotated[int, Field(ge=1)] = 256
    overlap: Annotated[int, Field(ge=0)] = 0

    @field_validator("overlap")
    @classmethod
    def _below_size(cls, overlap: int, info: ValidationInfo) -> int:
        size = info.data.get("size")
        if size is not None and overlap >= size:
            problem = f"overlap {overlap} leaves nothing new in a chunk of size {size}. Use at most {size - 1}."
            raise PydanticCustomError("overlap", "{problem}", {"problem": problem})
        return overlap


@dataclass(frozen=True, slots=True)
class Cuts:
    """Places where a text may be cut, its beginning and end included. Both sequences rise strictly.

    Attributes:
        chars: characters before each place, from 0 to the length of the text.
        tokens: tokens before each place, from 0.
    """

    chars: Sequence[int]
    tokens: Sequence[int]

    def only(self, places: Sequence[int]) -> Cuts:
        """Returns these of the places, given by their rising numbers."""
        return Cuts([self.chars[place] for place in places], [self.tokens[place] for place in places])

    def nearest(self, char: int, text: str) -> int:
        """Returns the number of the place to cut at, where a cut is wanted before `char`.

        A token that reaches over `char` goes with what follows if white space opens it and stands before `char`, as in
        " The", and otherwise with what comes before. Two characters are looked at: a token can be very long.
        """
        place = bisect_left(self.chars, char)
        if self.chars[place] != char and text[self.chars[place - 1]].isspace() and text[char - 1].isspace():
            return place - 1
        return place


def token_cuts(text: str, tokenizer: Tokenizer) -> Cuts:
    """Returns the places between tokens that do not share a character.

    A byte-level tokenizer gives one emoji several tokens with the same span, and a token may have no characters at
    all: each of them counts, none is cut off from its character. A character is a Unicode code point, so an accent that
    has its own token may still be parted from its letter.
    """
    if not text:
        return Cuts((0,), (0,))
    chars, tokens, reach, count = [0], [0], 0, 0
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
    """Yields (first, last) places of windows of at most `size` tokens that repeat at most `overlap` tokens.

    Each window is as long as it can be; beginnings and ends rise strictly. What stands between two neighbouring places
    is never divided: it makes a window of its own if it is too long, and is repeated whole or not at all. Where every
    step is one token, neighbours share exactly `overlap` tokens.
    """
    first, final = 0, len(tokens) - 1
    while first < final:
        last = max(bisect_right(tokens, tokens[first] + size) - 1, first + 1)
        yield first, last
        if last == final:
            return
        repeated = bisect_left(tokens, tokens[last] - overlap)
        room = bisect_left(tokens, tokens[last + 1] - size)  # from here on, the next step fits too
        first = max(repeated, min(room, last))


def chunks_between(document: Document, cuts: Cuts, places: Iterable[tuple[int, int]]) -> list[Chunk]:
    """Returns one chunk for each (first, last) pair of places."""
    chunks = []
    for index, (first, last) in enumerate(places):
        start, end = cuts.chars[first], cuts.chars[last]
        chunks.append(Chunk(document.id, index, start, end, document.text[start:end]))
    return chunks
