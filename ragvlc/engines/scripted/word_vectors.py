"""Text vectors without a model: counts of hashed words."""

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
    """Returns unit-length vectors of word counts, float32 [texts, dimensions]; checksums map words to dimensions."""
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
    """An embedding engine without a model; it records the texts that it embeds.

    Attributes:
        embedded: (side, text) of every text, in the order of arrival.
    """

    def __init__(self) -> None:
        self.embedded: list[tuple[str, str]] = []

    @property
    def window(self) -> int:
        """Always `sys.maxsize`, because no text is truncated."""
        return sys.maxsize

    def embed(self, texts: Sequence[str], *, side: str = "passage") -> Vectors:
        """Returns unit-length vectors of 257 numbers, one row for each text."""
        self.embedded += [(side, text) for text in texts]
        return vectors_of_words(texts)

    def embed_spans(
        self, texts: Sequence[str], spans: Sequence[Sequence[tuple[int, int]]], *, side: str = "passage"
    ) -> list[Vectors]:
        """Returns one array per text, with one row per span (start, end): the vector of the words in the span."""
        return [self.embed([text[a:b] for a, b in own], side=side) for text, own in zip(texts, spans, strict=True)]

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Returns each text's number of words and punctuation marks."""
        return [WordTokenizer().count(text) for text in texts]

    def close(self) -> None:
        """Does nothing, because there is no memory to free."""
