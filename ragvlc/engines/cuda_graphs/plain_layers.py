"""Llama layers in plain PyTorch, for devices without Triton and as a reference for the fused layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragvlc.engines.batching.shared_prefix import SharedPrefix
from ragvlc.engines.cuda_graphs.llama_layers import LlamaWeights
from ragvlc.engines.cuda_graphs.split_key_attention import split_attention

if TYPE_CHECKING:
    import torch

__all__ = ["PlainLayers"]


class PlainLayers:
    """Layer operations in plain PyTorch, over one KV buffer (see `llama_layers.LayerOps`).

    Args:
        llama: the model.
        prefix: the buffer.
        start: slot of the first row; the others follow it.
    """

    def __init__(self, llama: LlamaWeights, prefix: SharedPrefix, start: int) -> None:
        self._llama = llama
        self._prefix = prefix
        self._start = start

    def norm_linear(
        self, rows: torch.Tensor, norm: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Returns the product of the normed rows and `weight`, plus `bias` if given."""
        from torch.nn.functional import linear

        return linear(self._normed(rows, norm), weight, bias)

    def norm_swiglu(self, rows: torch.Tensor, norm: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Returns silu(g) * u, where g and u are the products of the normed rows and the two halves of `weight`."""
        from torch.nn.functional import linear, silu

        gates, ups = linear(self._normed(rows, norm), weight).chunk(2, dim=-1)
        return silu(gates) * ups

    def add_linear(self, rows: torch.Tensor, inputs: torch.Tensor, weight: torch.Tensor) -> None:
        """Adds the product of `inputs` and `weight` to the rows, in place."""
        from torch.nn.functional import linear

        rows += linear(inputs, weight)

    def attention(self, layer: int, qkv: torch.Tensor, rotary: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Appends new keys and values to the KV cache; returns the rows' attention output, [n, heads * head_dim]."""
        import torch

        own, n = self._llama, len(qkv)
        heads = qkv.reshape(n, -1, own.head_dim)
        queries, keys, values = torch.split(heads, [own.heads, own.kv_heads, own.kv_heads], dim=1)
        norms = own.layers[layer].head_norms
        if norms is not None:
            queries, keys = self._normed(queries, norms[0]), self._normed(keys, norms[1])
        queries, keys = _rotated(queries, rotary), _rotated(keys, rotary)
        cached = self._prefix.write(layer, self._start, *(one.transpose(0, 1).unsqueeze(0) for one in (keys, values)))
        return split_attention(queries, cached[0][0], cached[1][0], own.scaling).reshape(n, -1)

    def _normed(self, rows: torch.Tensor, norm: torch.Tensor) -> torch.Tensor:
        # Rounded where the library rounds: before the product with the weight, not after it.
        wide = rows.float()
        scale = (wide.square().mean(dim=-1, keepdim=True) + self._llama.eps).rsqrt()
        return norm * (wide * scale).to(rows.dtype)


def _rotated(heads: torch.Tensor, rotary: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    import torch

    cos, sin = (one.unsqueeze(1) for one in rotary)
    a, b = heads.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)
