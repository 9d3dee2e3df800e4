"""The batch being embedded, with the settings that the hooks of a context-window extension read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ExtendedBatch", "activate", "current_batch"]


@dataclass
class ExtendedBatch:
    """A batch with texts longer than the context window, and the extension's settings for each text.

    Settings are per text, so no vector depends on the rest of the batch.

    Attributes:
        lengths: the number of tokens of each text.
        positions: for position tables and rotary embeddings: float, [texts, width]; None uses the model's own.
        interpolated: whether fractional positions are looked up between the rows of a table.
        ntk_factors: factors of the rotary frequencies: float, [texts, frequencies].
        query_factors: factors of the queries: float, [texts].
        grouped: settings of `self_extend`; rotations are then applied in the attention, and none before it.
        attention_calls: the number of attention calls that have used `query_factors` or `grouped` so far.
        rotary_calls: the number of rotary embeddings that have been replaced so far.
    """

    lengths: tuple[int, ...]
    positions: Tensor | None = None
    interpolated: bool = False
    ntk_factors: Tensor | None = None
    query_factors: Tensor | None = None
    grouped: Any = None
    attention_calls: int = 0
    rotary_calls: int = 0


# A context variable, not an argument: between the engine and the hooks is the library's code. Other threads see None.
_CURRENT: ContextVar[ExtendedBatch | None] = ContextVar("ragvlc_embedder_pass", default=None)


def current_batch() -> ExtendedBatch | None:
    """Returns the batch that this thread embeds; None if the model runs without a context-window extension."""
    return _CURRENT.get()


@contextmanager
def activate(batch: ExtendedBatch | None) -> Iterator[None]:
    """Makes `batch` the current batch of this thread while the context is open."""
    token = _CURRENT.set(batch)
    try:
        yield
    finally:
        _CURRENT.reset(token)
