"""Texts as vectors, as retrievers keep them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragvlc.core.engines import VectorEngine

if TYPE_CHECKING:
    from ragvlc.core.engines import Arrays

__all__ = ["embedded"]


def embedded(texts: Sequence[str], engine: VectorEngine) -> Arrays:
    """Returns vectors (float32, one row for each distinct text) and what the embedder's window cut off.

    Equal texts are embedded once: beside other batch mates they could differ in the last bits and stop being ties.
    """
    import numpy as np

    over = [max(0, length - engine.window) for length in engine.lengths(texts)]
    return {
        "vectors": engine.embed(list(dict.fromkeys(texts)), side="passage"),
        "cut_chunks": np.array(sum(1 for tokens in over if tokens)),
        "dropped_tokens": np.array(sum(over)),
    }
