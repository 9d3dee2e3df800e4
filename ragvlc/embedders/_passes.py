"""What the hooks in a model need to know of the batch that is on its way through it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Pass", "current", "under_way"]


@dataclass
class Pass:
    """A batch of texts beyond the window. Everything is by text, so that neither padding nor batch mates count.

    Attributes:
        lengths: tokens of each text.
        positions: for tables and rotations: float, [texts, width]; None leaves the model's own.
        between: positions that are not whole are looked up between the rows of a table.
        slowing: for rotations, what each frequency is multiplied by: float, [texts, frequencies].
        factors: what queries are multiplied by: float, [texts].
        far: what `self_extend` needs; rotations then happen in the attention, and none before it.
        scaled: attentions that have used `factors` or `far` so far.
        rotated: rotations that have been replaced so far.
    """

    lengths: tuple[int, ...]
    positions: Tensor | None = None
    between: bool = False
    slowing: Tensor | None = None
    factors: Tensor | None = None
    far: Any = None
    scaled: int = 0
    rotated: int = 0


_CURRENT: ContextVar[Pass | None] = ContextVar("ragvlc_embedder_pass", default=None)


def current() -> Pass | None:
    """Returns the pass of this thread, or None: the model then works by itself."""
    return _CURRENT.get()


@contextmanager
def under_way(batch: Pass | None) -> Iterator[None]:
    """Makes `batch` the current pass of this thread."""
    token = _CURRENT.set(batch)
    try:
        yield
    finally:
        _CURRENT.reset(token)
