"""Layers in plain PyTorch, for devices without Triton and as what the fused ones are held against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragvlc.engines.batching.shared_prefix import Trunk
from ragvlc.engines.cuda_graphs.llama_layers import Llama
from ragvlc.engines.cuda_graphs.split_key_attention import split_attention

if TYPE_CHECKING:
    import torch

__all__ = ["PlainLayers"]


class PlainLayers:
    """`ragvlc.engines.cuda_graphs.llama_layers.Kernels` over one trunk.

    Args:
        llama: the model.
        trunk: whose columns from `at` on are written.
        at: column of the first row.
    """

    def __init__(self, llama: Llama, trunk: Trunk, at: int) -> None:
        self._llama = llama
        self._trunk = trunk
        self._at = at

    def projected(
        self, rows: torch.Tensor, norm: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Returns normed rows times a weight."""
        from torch.nn.functional import linear

        return linear(self._normed(rows, norm), weight, bias)

    def gated(self, rows: torch.Tensor, norm: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Returns silu(g) u, where g and u are normed rows times the halves of a weight."""
        from torch.nn.functional import linear, silu

        gates, ups = linear(self._normed(rows, norm), weight).chunk(2, dim=-1)
        return silu(gates) * ups

    def add(self, rows: torch.Tensor, found: torch.Tensor, weight: torch.Tensor) -> None:
        """Adds `found` times a weight to the rows, in place."""
        from torch.nn.functional import linear

        rows += linear(found, weight)

    def attended(self, layer: int, qkv: torch.Tensor, turns: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Puts the new keys and values behind the others and returns what the rows see there, [n, heads size]."""
        import torch

        own, n = self._llama, len(qkv)
        heads = qkv.reshape(n, -1, own.size)
        queries, keys, values = torch.split(heads, [own.heads, own.shared, own.shared], dim=1)
        norms = own.layers[layer].norms
        if norms is not None:
            queries, keys = self._normed(queries, norms[0]), self._normed(keys, norms[1])
        queries, keys = _turned(queries, turns), _turned(keys, turns)
        there = self._trunk.write(layer, self._at, *(one.transpose(0, 1).unsqueeze(0) for one in (keys, values)))
        return split_attention(queries, there[0][0], there[1][0], own.scaling).reshape(n, -1)

    def _normed(self, rows: torch.Tensor, norm: torch.Tensor) -> torch.Tensor:
        wide = rows.float()
        scale = (wide.square().mean(dim=-1, keepdim=True) + self._llama.eps).rsqrt()
        return norm * (wide * scale).to(rows.dtype)


def _turned(heads: torch.Tensor, turns: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    import torch

    cos, sin = (one.unsqueeze(1) for one in turns)
    a, b = heads.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)
