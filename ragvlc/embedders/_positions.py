"""Absolute positions for texts longer than a model's position table, and the windows of a long text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ragvlc.core.errors import EngineError
from ragvlc.embedders._extended_batch import current_batch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "PositionTable",
    "enlarge_buffers",
    "extended_positions",
    "interpolated_rows",
    "position_table_of",
    "window_spans",
]

_NAMES = ("position_embeddings", "position_embedding", "wpe", "embed_positions")


def window_spans(tokens: int, width: int) -> list[tuple[int, int]]:
    """Divides a text into windows (start, end) of `width` tokens; the last one ends where the text ends.

    A text that fits is one window, an empty one too. The last of several is moved left so that it is as long as the
    others, and overlaps the one before.
    """
    if tokens <= width:
        return [(0, tokens)]
    starts = range(0, tokens, width)
    return [(min(start, tokens - width), min(start + width, tokens)) for start in starts]


def extended_positions(strategy: str, scales: Tensor, width: int, window: int) -> Tensor:
    """Returns token positions, float [texts, width], by the strategy `grouped`, `recurrent` or `interpolated`.

    Args:
        strategy: the name of the extension's strategy.
        scales: the windows that each text fills, or the fixed scale, [texts]; texts of scale 1 keep their positions.
        width: the number of tokens of the padded batch. Padding gets valid positions, too.
        window: the number of tokens that the model was trained for.
    """
    import torch

    place = torch.arange(width, device=scales.device, dtype=torch.float64)[None, :]
    if strategy == "recurrent":
        return (place % window).expand(len(scales), -1).float()
    scale = scales[:, None]
    found = torch.floor(place / scale) if strategy == "grouped" else place / scale
    return found.clamp(max=window - 1).float()


def interpolated_rows(rows: Tensor, positions: Tensor) -> Tensor:
    """Returns the table's rows at fractional positions by interpolation; positions beyond the table get its last row.

    Args:
        rows: [positions, size].
        positions: float, of any shape.

    Returns:
        That shape, and size: rows themselves at whole positions, linear interpolation between two rows elsewhere.
    """
    import torch
    from torch.nn.functional import embedding

    low = positions.floor()
    last = rows.shape[0] - 1
    below = embedding(low.long().clamp(max=last), rows)
    above = embedding((low.long() + 1).clamp(max=last), rows)
    return torch.lerp(below, above, (positions - low)[..., None].to(rows.dtype))


@dataclass
class PositionTable:
    """A model's absolute position embedding, with hooks that look up the positions of the current batch.

    Attributes:
        name: its name in the model.
        embedding: the module; looks rows up by position.
        first: row of the first token (RoBERTa and relatives start after the padding's).
        counted: positions that the model has used last, without the offset of the first row; checked when a model is
            opened.
    """

    name: str
    embedding: Any
    first: int
    counted: Any = field(default=None, repr=False)

    @property
    def window(self) -> int:
        """The number of token positions that the table covers."""
        return int(self.embedding.num_embeddings) - self.first

    def hook(self) -> None:
        """Registers the hooks on the model's position embedding."""
        self.embedding.register_forward_pre_hook(self._before)
        self.embedding.register_forward_hook(self._after)

    def _before(self, _module: object, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        batch = current_batch()
        if batch is None or batch.positions is None:
            self.counted = inputs[0] - self.first
            return None
        # In place of the model's own positions. Rounded down, which `interpolated` corrects after the look-up.
        return (batch.positions.long() + self.first,)

    def _after(self, module: Any, _inputs: object, output: Tensor) -> Tensor:  # noqa: ANN401 - torch's module
        batch = current_batch()
        if batch is None or batch.positions is None or not batch.interpolated:
            return output
        return interpolated_rows(module.weight[self.first :], batch.positions)


def position_table_of(model: Any) -> PositionTable | None:  # noqa: ANN401 - the library's class
    """Returns the model's table of absolute positions; None if it has none."""
    import torch

    size = getattr(model.config, "max_position_embeddings", None)
    for name, module in model.named_modules():
        known = name.rpartition(".")[2] in _NAMES
        if known and isinstance(module, torch.nn.Embedding) and module.num_embeddings == size:
            first = 0 if module.padding_idx is None else module.padding_idx + 1
            return PositionTable(name, module, first)
    return None


def enlarge_buffers(model: Any, table: PositionTable, tokens: int, label: str) -> None:  # noqa: ANN401 - the library's class
    """Enlarges a model's buffers of position ids and token type ids to hold `tokens` tokens.

    Raises:
        EngineError: such a buffer has other content than expected.
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
