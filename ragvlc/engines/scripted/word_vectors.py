"""Vectors without a model: a text is its hashed words, counted."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING
from zlib import crc32

from ragvlc.engines.scripted.word_tokenizer import WordTokenizer

if TYPE_CHECKING:
    from ragvlc.core.engines import Vectors

__all__ = ["WordVectors", "vectors_of_words"]


def vectors_of_words(texts: Sequence[str], dimensions: int = 257) -> Vectors:
    """Returns unit-length vectors, float32 [texts, dimensions]: the number of words by their checksum."""
    import numpy as np

    vectors = np.zeros((len(texts), dimensions), np.float32)
    vectors[:, -1] = 0.1  # a text without words has a direction too
    for row, text in enumerate(texts):
        words = re.findall(r"\w+", text.casefold())
        places = [crc32(word.encode("utf-8", "surrogatepass")) % (dimensions - 1) for word in words]
        np.add.at(vectors[row], places, 1.0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


class WordVectors:
    """An embedding engine without a model. Notes what it embeds.

    Attributes:
        embedded: (side, text) of every text, in the order of arrival.
    """

    def __init__(self) -> None:
        self.embedded: list[tuple[str, str]] = []

    @property
    def window(self) -> int:
        """Tokens beyond which a text is cut: none is."""
        return sys.maxsize

    def embed(self, texts: Sequence[str], *, side: str = "passage") -> Vectors:
        """Returns unit-length vectors of 257 numbers, one row for each text."""
        self.embedded += [(side, text) for text in texts]
        return vectors_of_words(texts)

    def embed_spans(
        self, texts: Sequence[str], spans: Sequence[Sequence[tuple[int, int]]], *, side: str = "passage"
    ) -> list[Vectors]:
        """Returns for each text one row for each (start, end) in it: the words there."""
        return [self.embed([text[a:b] for a, b in own], side=side) for text, own in zip(texts, spans, strict=True)]

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Returns each text's length in words and marks."""
        return [WordTokenizer().count(text) for text in texts]

    def close(self) -> None:
        """Frees nothing."""
