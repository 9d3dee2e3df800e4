"""Llama layers computed by few kernel launches, with the KV cache's addresses in a tensor on the device.

Measured on an H200 (bfloat16, 1B and 8B shapes): cuBLAS reads the weights of two rows and more at 80 to 99 % of the
memory bandwidth, and adds to the rows itself. The other operations are Triton kernels (see
`engines.cuda_graphs.fused_kernels`): norms, gates, rotary embedding fused with writing to the cache, split attention,
and the products of a single row fused with their norms and gates.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ragvlc.engines.cuda_graphs.fused_kernels import STATE_HEADER, fused_kernels
from ragvlc.engines.cuda_graphs.llama_layers import LlamaWeights

if TYPE_CHECKING:
    import torch

__all__ = ["MAX_ROWS", "MAX_STACKED", "FusedLayers", "why_not_fused"]

MAX_ROWS = 64
"""Largest number of rows of a pass."""
MAX_STACKED = 256
"""Largest number of rows times the heads of a group: attention has all of them in registers."""
_WAVES = 2
"""Splits of attention for every multiprocessor."""
_MIN_TILE = 16
"""Smallest number of rows that tensor cores take."""


class FusedLayers:
    """Layer operations by fused kernels, with the KV cache's addresses in `state` (see `llama_layers.LayerOps`).

    Args:
        llama: the model, on a device that Triton knows.
        state: int64, see `engines.cuda_graphs.fused_kernels`.
    """

    def __init__(self, llama: LlamaWeights, state: torch.Tensor) -> None:
        self._llama = llama
        self._state = state
        self._kernels = fused_kernels()
        # A fixed number, whatever the text's length: a captured grid cannot change. Splits without keys weigh nothing.
        self._splits = max(1, _WAVES * _multiprocessors(llama.embedding.device) // llama.kv_heads)

    def norm_linear(
        self, rows: torch.Tensor, norm: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Returns the product of the normed rows and `weight`, plus `bias` if given."""
        from torch.nn.functional import linear

        if _is_single_row(rows):
            return self._gemv(rows, weight, rows.new_empty((1, len(weight))), norm=norm, bias=bias)
        return linear(self._normed(rows, norm), weight, bias)

    def norm_swiglu(self, rows: torch.Tensor, norm: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Returns silu(g) * u, where g and u are the products of the normed rows and the two halves of `weight`."""
        from torch.nn.functional import linear

        n, half = len(rows), len(weight) // 2
        out = rows.new_empty((n, half))
        if _is_single_row(rows):
            return self._gemv(rows, weight, out, norm=norm, gated=True)
        both = linear(self._normed(rows, norm), weight)
        self._kernels.swiglu[(n, -(-half // 1024))](both, out, N=half, BN=1024, num_warps=4)
        return out

    def add_linear(self, rows: torch.Tensor, inputs: torch.Tensor, weight: torch.Tensor) -> None:
        """Adds the product of `inputs` and `weight` to the rows, in place."""
        if _is_single_row(rows):
            self._gemv(inputs, weight, rows, added=True)
        else:
            rows.addmm_(inputs, weight.t())

    def attention(self, layer: int, qkv: torch.Tensor, rotary: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Appends new keys and values to the KV cache; returns the rows' attention output, [n, heads * head_dim]."""
        own, n = self._llama, len(qkv)
        norms = own.layers[layer].head_norms
        queries = qkv.new_empty((n, own.heads * own.head_dim))
        self._kernels.rotary_and_store[(n, own.heads + 2 * own.kv_heads)](
            qkv,
            qkv if norms is None else norms,  # a kernel needs some pointer; without NORMED it is not read
            *rotary,
            self._state,
            queries,
            layer,
            own.eps,
            NORMED=norms is not None,
            FIRST=STATE_HEADER,
            num_warps=1,
            **self._sizes,
        )
        return self._split_attention(layer, queries)

    @property
    def _sizes(self) -> dict[str, int]:
        return {"HEADS": self._llama.heads, "KV_HEADS": self._llama.kv_heads, "D": self._llama.head_dim}

    def _split_attention(self, layer: int, queries: torch.Tensor) -> torch.Tensor:
        import torch

        own, n, splits = self._llama, len(queries), self._splits
        stacked = n * own.heads // own.kv_heads
        found = queries.new_empty((own.kv_heads, splits, stacked, own.head_dim), dtype=torch.float32)
        sums = queries.new_empty((own.kv_heads, splits, stacked), dtype=torch.float32)
        self._kernels.split_attention[(own.kv_heads, splits)](
            queries,
            self._state,
            found,
            sums,
            layer,
            n,
            own.scaling / math.log(2),  # the kernel computes powers of 2, as the hardware does
            SPLITS=splits,
            FIRST=STATE_HEADER,
            **self._sizes,
            **_attention_tile(stacked, own.head_dim, queries.dtype.itemsize),
        )
        out = torch.empty_like(queries)
        self._kernels.merge_splits[(n, own.heads)](
            found, sums, out, n, SPLITS=splits, WIDE=_next_power_of_two(splits), num_warps=2, **self._sizes
        )
        return out

    def _normed(self, rows: torch.Tensor, norm: torch.Tensor) -> torch.Tensor:
        out = rows.new_empty(rows.shape)
        inputs = rows.shape[1]
        self._kernels.rms_norm[(len(rows),)](
            rows,
            norm,
            out,
            self._llama.eps,
            K=inputs,
            WIDE=_next_power_of_two(inputs),
            num_warps=8 if inputs > 2048 else 4,
        )
        return out

    def _gemv(
        self,
        row: torch.Tensor,
        weight: torch.Tensor,
        out: torch.Tensor,
        *,
        norm: torch.Tensor | None = None,
        bias: torch.Tensor | None = None,
        added: bool = False,
        gated: bool = False,
    ) -> torch.Tensor:
        inputs, outputs = weight.shape[1], len(weight) // (2 if gated else 1)
        tile = _tile(inputs, gated=gated)
        self._kernels.gemv[(-(-outputs // tile["BN"]),)](
            row,
            row if norm is None else norm,
            weight,
            row if bias is None else bias,
            out,
            self._llama.eps,
            K=inputs,
            N=outputs,
            NORMED=norm is not None,
            BIASED=bias is not None,
            ADDED=added,
            GATED=gated,
            **tile,
        )
        return out


def why_not_fused(device: torch.device) -> str:
    """Returns the reason why Triton's kernels do not run on `device`; empty if they do."""
    if device.type != "cuda":
        return f"the device is {device.type}"
    try:
        fused_kernels()
    except ImportError:
        return "Triton is not installed"
    return ""


def _tile(inputs: int, *, gated: bool) -> dict[str, int]:
    """Returns the launch settings of the kernel of matrix products: outputs, inputs per step, and warps.

    The best of twenty settings, or within 4 % of it, for every product of the 1B and the 8B shape.
    """
    most = min(1024 if gated else 2048, _next_power_of_two(inputs))
    return {"BN": 2 if gated else 4, "BK": most, "num_warps": 4 if gated else 8}


def _attention_tile(stacked: int, size: int, itemsize: int) -> dict[str, int]:
    """Returns the launch settings of the attention kernel: rows, slots per step, warps and pipeline stages."""
    tile = max(_MIN_TILE, _next_power_of_two(stacked))
    small = size <= 128 and tile <= 128
    return {
        "M": tile,
        "BLOCK": (64 if small else 32) * 2 // itemsize,
        "num_warps": 4 if tile <= 64 else 8,
        "num_stages": 3 if itemsize == 2 and small else 2,
    }


def _is_single_row(rows: torch.Tensor) -> bool:
    return len(rows) == 1


def _next_power_of_two(n: int) -> int:
    """Returns the smallest power of two that is at least `n`."""
    return 1 << (n - 1).bit_length()


def _multiprocessors(device: torch.device) -> int:
    import torch

    if device.type != "cuda":
        return 4  # Triton's interpreter
    found: Any = torch.cuda.get_device_properties(device)
    return int(found.multi_processor_count)
