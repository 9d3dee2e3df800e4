"""A run that offers what retrievers ask for, an embedder that counts words, and chunk sets from plain texts."""

from __future__ import annotations

import io
import zlib
from contextlib import contextmanager

import numpy as np
import pytest

from ragvlc.core.data import Chunk, ChunkSet, content_key


class WordEngine:
    """Embeds a text as its hashed word counts; reads `window` tokens: words and two special ones."""

    window = 6

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[str, ...]]] = []

    def embed(self, texts, *, side="passage"):
        self.calls.append((side, tuple(texts)))
        vectors = np.zeros((len(texts), 512), np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split()[: self.window - 2]:
                vectors[row, zlib.crc32(word.encode()) % 512] += 1
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)

    def lengths(self, texts):
        return [len(text.split()) + 2 for text in texts]

    def close(self) -> None:
        self.calls.clear()


class ToyRun:
    """Keeps arrays as a disk would: through an archive without pickle, read back as new arrays."""

    def __init__(self, engine=None) -> None:
        self.engine = engine
        self.archives: dict[str, bytes] = {}
        self.steps: list[tuple[str, dict]] = []
        self.builds = 0

    def embedder(self, role="main"):
        assert role == "main"
        return self.engine

    def cached_arrays(self, retriever, chunks, build):
        key = content_key([retriever.key, chunks.key])
        if key not in self.archives:
            self.builds += 1
            file = io.BytesIO()
            np.savez(file, allow_pickle=False, **build())
            self.archives[key] = file.getvalue()
        with np.load(io.BytesIO(self.archives[key]), allow_pickle=False) as kept:
            return {name: kept[name] for name in kept.files}

    @contextmanager
    def step(self, name, **facts):
        self.steps.append((name, facts))
        yield facts


def chunk_set(texts) -> ChunkSet:
    chunks = []
    start = 0
    for index, text in enumerate(texts):
        chunks.append(Chunk(document_id="d", index=index, start=start, end=start + len(text), text=text))
        start += len(text)
    return ChunkSet(content_key(list(texts)), tuple(chunks))


@pytest.fixture
def engine():
    return WordEngine()


@pytest.fixture
def run(engine):
    return ToyRun(engine)


@pytest.fixture(scope="session")
def make_run():
    return ToyRun


@pytest.fixture(scope="session")
def chunked():
    return chunk_set
