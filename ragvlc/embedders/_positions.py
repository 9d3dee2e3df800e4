"""Absolute positions beyond a model's table, and the windows that a long text is cut into."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ragvlc.core.errors import EngineError
from ragvlc.embedders._passes import current

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Table", "enlarge_buffers", "mapped", "row_between", "spans_of", "table_of"]

_NAMES = ("position_embeddings", "position_embedding", "wpe", "embed_positions")


def spans_of(tokens: int, width: int) -> list[tuple[int, int]]:
    """Returns windows (start, end) of `width` tokens over a text, side by side; the last one ends with the text.

    A text that fits is one window, an empty one too. The last of several is moved left so that it is as long as the
    others, and shares tokens with the one before.
    """
    if tokens <= width:
        return [(0, tokens)]
    starts = range(0, tokens, width)
    return [(min(start, tokens - width), min(start + width, tokens)) for start in starts]


def mapped(strategy: str, lengths: Tensor, width: int, window: int) -> Tensor:
    """Returns the positions of tokens under `grouped`, `recurrent` or `interpolated`: float, [texts, width].

    Args:
        strategy: what to do beyond the window.
        lengths: tokens of each text, [texts]; those within the window keep their positions.
        width: tokens of the padded batch. Positions of padding are some that the model has.
        window: tokens that the model was trained for.
    """
    import torch

    place = torch.arange(width, device=lengths.device, dtype=torch.float64)[None, :]
    if strategy == "recurrent":
        return (place % window).expand(len(lengths), -1).float()
    scale = ((lengths + window - 1) // window).clamp(min=1)[:, None]
    found = torch.floor(place / scale) if strategy == "grouped" else place / scale
    return found.clamp(max=window - 1).float()


def row_between(rows: Tensor, positions: Tensor) -> Tensor:
    """Returns the rows of a table at positions that need not be whole; beyond the last row, the last row.

    Args:
        rows: [positions, size].
        positions: float, of any shape.

    Returns:
        That shape, and size: rows themselves at whole positions, points on the line between two rows elsewhere.
    """
    import torch
    from torch.nn.functional import embedding

    low = positions.floor()
    last = rows.shape[0] - 1
    below = embedding(low.long().clamp(max=last), rows)
    above = embedding((low.long() + 1).clamp(max=last), rows)
    return torch.lerp(below, above, (positions - low)[..., None].to(rows.dtype))


@dataclass
class Table:
    """A model's table of absolute positions, hooked so that a pass under way says which rows stand where.

    Attributes:
        name: where in the model it stands.
        embedding: the module; looks rows up by position.
        first: row of the first token (RoBERTa and relatives start after the padding's).
        seen: positions that the model asked for last, without the first row's; for the check when a model is opened.
    """

    name: str
    embedding: Any
    first: int
    seen: Any = field(default=None, repr=False)

    @property
    def window(self) -> int:
        """Tokens that have a row of their own."""
        return int(self.embedding.num_embeddings) - self.first

    def hook(self) -> None:
        """Puts the hooks in place."""
        self.embedding.register_forward_pre_hook(self._before)
        self.embedding.register_forward_hook(self._after)

    def _before(self, _module: object, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        under_way = current()
        if under_way is None or under_way.positions is None:
            self.seen = inputs[0] - self.first
            return None
        # Whatever the model counted; whole rows are right for all but `interpolated`, which looks again below.
        return (under_way.positions.long() + self.first,)

    def _after(self, module: Any, _inputs: object, output: Tensor) -> Tensor:  # noqa: ANN401 - torch's module
        under_way = current()
        if under_way is None or under_way.positions is None or not under_way.between:
            return output
        return row_between(module.weight[self.first :], under_way.positions)


def table_of(model: Any) -> Table | None:  # noqa: ANN401 - the library's class
    """Returns the model's table of absolute positions, if it has one."""
    import torch

    size = getattr(model.config, "max_position_embeddings", None)
    for name, module in model.named_modules():
        known = name.rpartition(".")[2] in _NAMES
        if known and isinstance(module, torch.nn.Embedding) and module.num_embeddings == size:
            first = 0 if module.padding_idx is None else module.padding_idx + 1
            return Table(name, module, first)
    return None


def enlarge_buffers(model: Any, table: Table, tokens: int, label: str) -> None:  # noqa: ANN401 - the library's class
    """Lengthens the buffers that a model cuts its positions and token types from.

    Raises:
        EngineError: such a buffer holds something else than known.
    """
    import torch

    rows = table.embedding.num_embeddings
    for module in model.modules():
        for name, buffer in list(module.named_buffers(recurse=False)):
            if name not in ("position_ids", "token_type_ids") or buffer.shape != (1, rows):
                continue
            longer = torch.arange(tokens + table.first, device=buffer.device, dtype=buffer.dtype)[None, :]
            if name == "token_type_ids":
                longer = torch.zeros_like(longer)
            if not torch.equal(longer[:, :rows], buffer):
                message = f"embedder '{label}': its buffer '{name}' is not known; use extension: parallel_windows."
                raise EngineError(message)
            setattr(module, name, longer)
