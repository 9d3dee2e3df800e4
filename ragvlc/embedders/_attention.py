"""Attention over packed texts; also returns log-sum-exps of the scores, by which partial results are merged exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    WithLse = tuple[Tensor, Tensor]

__all__ = ["PackedTexts", "attend", "reference_attention"]

_BLOCK = 512
"""Queries whose scores are in memory at once, where no kernel avoids storing them."""


@dataclass(frozen=True)
class PackedTexts:
    """Texts packed into one sequence, without padding (varlen).

    Attributes:
        sizes: the number of tokens of each.
        boundaries: the start of each, and the end of the last: int32, [texts + 1], on the device.
    """

    sizes: tuple[int, ...]
    boundaries: Any

    @classmethod
    def of(cls, sizes: Sequence[int], device: object) -> PackedTexts:
        """Returns the layout of packed texts that have the given numbers of tokens."""
        import torch

        boundaries = torch.tensor([0, *sizes]).cumsum(0).to(device=device, dtype=torch.int32)  # type: ignore[call-overload]
        return cls(tuple(sizes), boundaries)


def attend(
    query: Tensor, key: Tensor, value: Tensor, packed: PackedTexts, *, left: int | None, right: int | None, scale: float
) -> WithLse:
    """Returns each token's attention output over nearby tokens of its text, and the log-sum-exp of its scores.

    Args:
        query: [packed, heads, d].
        key: likewise, the same number of heads.
        value: likewise.
        packed: the texts.
        left: token i sees those from i - left on; None is from the first.
        right: token i sees those up to i + right; None is to the last.
        scale: of the scores.

    Returns:
        The output, [packed, heads, d], and the log-sum-exp, float32, [packed, heads].
    """
    kernel = _kernel(query.device.type, query.dtype, query.shape[-1])
    return kernel(query, key, value, packed, left, right, scale)


def reference_attention(
    query: Tensor, key: Tensor, value: Tensor, packed: PackedTexts, left: int | None, right: int | None, scale: float
) -> WithLse:
    """Computes the same as `attend` in plain PyTorch, block by block, on any device and in any dtype."""
    return _by_blocks(query, key, value, packed, (left, right), scale, _scores)


def _by_blocks(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    packed: PackedTexts,
    reach: tuple[int | None, int | None],
    scale: float,
    one: Callable[[Tensor, Tensor, Tensor, Tensor | None, float], WithLse],
) -> WithLse:
    import torch

    left, right = reach
    outputs, lses = [], []
    start = 0
    for size in packed.sizes:
        queries, keys, values = (states[start : start + size].transpose(0, 1)[None] for states in (query, key, value))
        start += size
        for top in range(0, size, _BLOCK):
            end = min(top + _BLOCK, size)
            first = 0 if left is None else max(0, top - left)
            last = size if right is None else min(size, end + right)
            rows = torch.arange(top, end, device=query.device)[:, None]
            columns = torch.arange(first, last, device=query.device)[None, :]
            hidden = torch.zeros(end - top, last - first, dtype=torch.bool, device=query.device)
            if left is not None:
                hidden |= columns < rows - left
            if right is not None:
                hidden |= columns > rows + right
            bias = torch.zeros_like(hidden, dtype=query.dtype).masked_fill_(hidden, -math.inf)
            narrow = slice(first, last)  # no query of the block sees other keys
            out, lse = one(queries[:, :, top:end], keys[:, :, narrow], values[:, :, narrow], bias, scale)
            outputs.append(out[0].transpose(0, 1))
            lses.append(lse[0].transpose(0, 1))
    return torch.cat(outputs), torch.cat(lses)


def _scores(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, scale: float) -> WithLse:
    scores = (query @ key.transpose(-1, -2)).float() * scale
    if bias is not None:
        scores = scores + bias
    lse = scores.logsumexp(dim=-1)
    return (scores - lse[..., None]).exp().to(value.dtype) @ value, lse


def _fused_on_cpu(
    query: Tensor, key: Tensor, value: Tensor, packed: PackedTexts, left: int | None, right: int | None, scale: float
) -> WithLse:
    import torch

    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # noqa: SLF001 - checked before use

    def one(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, scale: float) -> WithLse:
        mask = None if bias is None else bias[None, None]
        out, lse = fused(query, key, value, 0.0, False, attn_mask=mask, scale=scale)
        return out, lse.float()

    return _by_blocks(query, key, value, packed, (left, right), scale, one)


def _flash_on_gpu(
    query: Tensor, key: Tensor, value: Tensor, packed: PackedTexts, left: int | None, right: int | None, scale: float
) -> WithLse:
    from torch.nn.attention.varlen import AuxRequest, varlen_attn

    longest = max(packed.sizes)
    out, lse = varlen_attn(
        query.contiguous(),
        key.contiguous(),
        value.contiguous(),
        packed.boundaries,
        packed.boundaries,
        longest,
        longest,
        return_aux=AuxRequest(lse=True),
        scale=scale,
        window_size=(-1 if left is None else left, -1 if right is None else right),
    )
    return out, lse.transpose(0, 1)


def _flash_operator_on_gpu(
    query: Tensor, key: Tensor, value: Tensor, packed: PackedTexts, left: int | None, right: int | None, scale: float
) -> WithLse:
    """Calls PyTorch's internal flash-attention operator, for versions whose public function cannot limit the window."""
    import torch

    flash = torch.ops.aten._flash_attention_forward  # noqa: SLF001 - checked before use
    causal, longest = left is None and right == 0, max(packed.sizes)
    out, lse, *_ = flash(
        query.contiguous(),
        key.contiguous(),
        value.contiguous(),
        packed.boundaries,
        packed.boundaries,
        longest,
        longest,
        0.0,
        causal,
        False,
        scale=scale,
        window_size_left=-1 if left is None else left,
        window_size_right=0 if causal else -1 if right is None else right,
    )
    return out, lse.transpose(0, 1)


@cache
def _kernel(device: str, dtype: Any, size: int) -> Callable[..., WithLse]:  # noqa: ANN401 - torch's type
    """Returns the fastest kernel that agrees with `reference_attention` on this device and version of torch."""
    import torch

    half = dtype in (torch.float16, torch.bfloat16)
    known = {"cpu": [_fused_on_cpu], "cuda": [_flash_on_gpu, _flash_operator_on_gpu] if half else []}.get(device, [])
    for kernel in known:
        if _agrees(kernel, device, dtype, size):
            return kernel
    return reference_attention


def _agrees(kernel: Callable[..., WithLse], device: str, dtype: Any, size: int) -> bool:  # noqa: ANN401 - torch's type
    import torch

    drawn = torch.Generator().manual_seed(0)
    packed = PackedTexts.of([70, 3, 40], device)
    q, k, v = (torch.randn(113, 2, size, generator=drawn).to(device=device, dtype=dtype) for _ in range(3))
    near = 1e-4 if dtype == torch.float32 else 5e-2
    for left, right in ((9, 9), (9, 0), (None, 0), (0, None)):
        want = reference_attention(q, k, v, packed, left, right, 0.3)
        try:
            got = kernel(q, k, v, packed, left, right, 0.3)
        except (RuntimeError, TypeError, ValueError, AttributeError, ImportError):
            return False
        pairs = zip(got, want, strict=True)
        if not all(a.shape == b.shape and torch.allclose(a.float(), b.float(), atol=near) for a, b in pairs):
            return False
    return True
