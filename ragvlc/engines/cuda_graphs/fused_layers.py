"""Layers whose parts run as few kernels as they can, over whatever text the state on the device points to.

Measured on an H200 (bfloat16, 1B and 8B shapes): cuBLAS reads the weights of two rows and more at 80 to 99 % of the
memory's pace, and adds to the rows itself. What is left are Triton's programs (see
`engines.cuda_graphs.fused_kernels`): norms, gates, rotation together with writing to the cache, split attention, and
the products of a single row with their norms and gates inside.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ragvlc.engines.cuda_graphs.fused_kernels import HEAD, kernels
from ragvlc.engines.cuda_graphs.llama_layers import Llama

if TYPE_CHECKING:
    import torch

__all__ = ["MOST_ROWS", "MOST_STACKED", "FusedLayers", "why_not_fused"]

MOST_ROWS = 64
"""Rows of a pass."""
MOST_STACKED = 256
"""Rows times the heads of a group: attention keeps all of them in registers."""
_WAVES = 2
"""Pieces of attention for every processor."""
_LEAST_TILE = 16
"""Rows that tensor cores take at least."""


class FusedLayers:
    """`ragvlc.engines.cuda_graphs.llama_layers.Kernels` over the text that `state` points to.

    Args:
        llama: the model, on a device that Triton knows.
        state: int64, see `engines.cuda_graphs.fused_kernels`.
    """

    def __init__(self, llama: Llama, state: torch.Tensor) -> None:
        self._llama = llama
        self._state = state
        self._programs = kernels()
        self._splits = max(1, _WAVES * _processors(llama.embedding.device) // llama.shared)

    def projected(
        self, rows: torch.Tensor, norm: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Returns normed rows times a weight."""
        from torch.nn.functional import linear

        if _alone(rows):
            return self._vector(rows, weight, rows.new_empty((1, len(weight))), norm=norm, bias=bias)
        return linear(self._normed(rows, norm), weight, bias)

    def gated(self, rows: torch.Tensor, norm: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Returns silu(g) u, where g and u are normed rows times the halves of a weight."""
        from torch.nn.functional import linear

        n, half = len(rows), len(weight) // 2
        out = rows.new_empty((n, half))
        if _alone(rows):
            return self._vector(rows, weight, out, norm=norm, gated=True)
        both = linear(self._normed(rows, norm), weight)
        self._programs.gate[(n, -(-half // 1024))](both, out, N=half, BN=1024, num_warps=4)
        return out

    def add(self, rows: torch.Tensor, found: torch.Tensor, weight: torch.Tensor) -> None:
        """Adds `found` times a weight to the rows, in place."""
        if _alone(rows):
            self._vector(found, weight, rows, added=True)
        else:
            rows.addmm_(found, weight.t())

    def attended(self, layer: int, qkv: torch.Tensor, turns: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Puts the new keys and values behind the others and returns what the rows see there, [n, heads size]."""
        own, n = self._llama, len(qkv)
        norms = own.layers[layer].norms
        queries = qkv.new_empty((n, own.heads * own.size))
        self._programs.turn[(n, own.heads + 2 * own.shared)](
            qkv,
            qkv if norms is None else norms,
            *turns,
            self._state,
            queries,
            layer,
            own.eps,
            NORMED=norms is not None,
            FIRST=HEAD,
            num_warps=1,
            **self._sizes,
        )
        return self._mixed(layer, queries)

    @property
    def _sizes(self) -> dict[str, int]:
        return {"HEADS": self._llama.heads, "SHARED": self._llama.shared, "D": self._llama.size}

    def _mixed(self, layer: int, queries: torch.Tensor) -> torch.Tensor:
        import torch

        own, n, splits = self._llama, len(queries), self._splits
        stacked = n * own.heads // own.shared
        found = queries.new_empty((own.shared, splits, stacked, own.size), dtype=torch.float32)
        sums = queries.new_empty((own.shared, splits, stacked), dtype=torch.float32)
        self._programs.attend[(own.shared, splits)](
            queries,
            self._state,
            found,
            sums,
            layer,
            n,
            own.scaling / math.log(2),
            SPLITS=splits,
            FIRST=HEAD,
            **self._sizes,
            **_piece(stacked, own.size, queries.dtype.itemsize),
        )
        out = torch.empty_like(queries)
        self._programs.merge[(n, own.heads)](
            found, sums, out, n, SPLITS=splits, WIDE=_power(splits), num_warps=2, **self._sizes
        )
        return out

    def _normed(self, rows: torch.Tensor, norm: torch.Tensor) -> torch.Tensor:
        out = rows.new_empty(rows.shape)
        inputs = rows.shape[1]
        self._programs.norm[(len(rows),)](
            rows,
            norm,
            out,
            self._llama.eps,
            K=inputs,
            WIDE=_power(inputs),
            num_warps=8 if inputs > 2048 else 4,
        )
        return out

    def _vector(
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
        self._programs.vector[(-(-outputs // tile["BN"]),)](
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
    """Returns why Triton's programs do not run on `device`, or nothing."""
    if device.type != "cuda":
        return f"the device is {device.type}"
    try:
        kernels()
    except ImportError:
        return "Triton is not installed"
    return ""


def _tile(inputs: int, *, gated: bool) -> dict[str, int]:
    """Returns the block of outputs and inputs that one program takes at a time, and its warps.

    The best of twenty, or within 4 % of it, for every product of the 1B and the 8B shape.
    """
    most = min(1024 if gated else 2048, _power(inputs))
    return {"BN": 2 if gated else 4, "BK": most, "num_warps": 4 if gated else 8}


def _piece(stacked: int, size: int, itemsize: int) -> dict[str, int]:
    """Returns the tile of attention: rows, columns at a time, warps and stages."""
    tile = max(_LEAST_TILE, _power(stacked))
    small = size <= 128 and tile <= 128
    return {
        "M": tile,
        "BLOCK": (64 if small else 32) * 2 // itemsize,
        "num_warps": 4 if tile <= 64 else 8,
        "num_stages": 3 if itemsize == 2 and small else 2,
    }


def _alone(rows: torch.Tensor) -> bool:
    return len(rows) == 1


def _power(n: int) -> int:
    """The next power of two."""
    return 1 << (n - 1).bit_length()


def _processors(device: torch.device) -> int:
    import torch

    if device.type != "cuda":
        return 4  # Triton's interpreter
    found: Any = torch.cuda.get_device_properties(device)
    return int(found.multi_processor_count)
