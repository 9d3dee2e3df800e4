"""A chunker as a LangChain `TextSplitter`."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ragvlc import config
from ragvlc.core.component import Component, part
from ragvlc.core.data import Document
from ragvlc.core.engines import Tokenizer
from ragvlc.core.families import Chunker, Generator

if TYPE_CHECKING:
    from langchain_core.documents import Document as LangChainDocument
    from langchain_text_splitters import TextSplitter

__all__ = ["as_text_splitter"]


class _Cutting(Component):
    chunker: Chunker = part("tokens")
    generator: Generator = part("scripted")


def as_text_splitter(
    chunker: Chunker | Mapping[str, Any] | str, tokenizer: Tokenizer | Generator | Mapping[str, Any] | str = "scripted"
) -> TextSplitter:
    """Returns a ragvlc chunker as a LangChain text splitter.

    Chunks are exact: nothing is stripped, and `start_index` is always in their metadata. Sizes are in tokens.

    Args:
        chunker: a part, a kind, or a mapping with `kind`.
        tokenizer: counts; or a generator (or its kind or mapping), whose tokenizer does; its weights are not loaded.
            Words and marks by default.

    Raises:
        ConfigError: for a chunker or generator that cannot be used.
    """
    counts = tokenizer if isinstance(tokenizer, Tokenizer) and not isinstance(tokenizer, Generator) else None
    given = {"chunker": chunker} | ({} if counts is not None else {"generator": tokenizer})
    parts = config.build(_Cutting, given, "as_text_splitter")
    return _splitter(parts.chunker, counts or parts.generator.tokenizer())


def _splitter(chunker: Chunker, tokenizer: Tokenizer) -> TextSplitter:
    from langchain_core.documents import Document as LangChainDocument
    from langchain_text_splitters import TextSplitter

    class ChunkerSplitter(TextSplitter):  # type: ignore[misc]  # the library's types are not followed
        def split_text(self, text: str) -> list[str]:
            return [chunk.text for chunk in chunker.split(Document("text", text), tokenizer)]

        def create_documents(
            self, texts: list[str], metadatas: list[dict[Any, Any]] | None = None
        ) -> list[LangChainDocument]:
            # Replaces the library's search for each chunk, which fails where text repeats.
            return [
                LangChainDocument(
                    page_content=chunk.text, metadata={**copy.deepcopy(metadata), "start_index": chunk.start}
                )
                for text, metadata in zip(texts, metadatas or [{}] * len(texts), strict=True)
                for chunk in chunker.split(Document("text", text), tokenizer)
            ]

    size, overlap = getattr(chunker, "size", None), getattr(chunker, "overlap", 0)
    return ChunkerSplitter(
        chunk_size=size if isinstance(size, int) else 2**31,
        chunk_overlap=overlap if isinstance(overlap, int) else 0,
        length_function=tokenizer.count,
        add_start_index=True,
        strip_whitespace=False,
    )
