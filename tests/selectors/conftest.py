"""Rankings by score."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from ragvlc.core.data import Chunk, Hit


@pytest.fixture
def ranking() -> Callable[..., list[Hit]]:
    """Makes hits, best first, of these scores; the text of each has as many words as `lengths` says."""

    def make(scores: Sequence[float], lengths: Sequence[int] | None = None) -> list[Hit]:
        texts = [" ".join(["word"] * length) for length in lengths or [1] * len(scores)]
        return [
            Hit(Chunk("d", index, index * 100, index * 100 + len(text), text), score)
            for index, (score, text) in enumerate(zip(scores, texts, strict=True))
        ]

    return make
