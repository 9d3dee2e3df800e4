"""Attention that can be put together from parts: each comes with the log of the weight it stands for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    Part = tuple[Tensor, Tensor]

__all__ = ["Packed", "attend", "plainly"]

BLOCK = 512
"""Queries whose scores are held at once where no kernel does without."""


@dataclass(frozen=True)
class Packed:
    """Texts one behind the other, without padding.

    Attributes:
        sizes: tokens of each.
        ends: where each starts, and the end of the last: int32, [texts + 1], on the device.
    """

    sizes: tuple[int, ...]
    ends: Any

    @classmethod
    def of(cls, sizes: Sequence[int], device: object) -> Packed:
        """Returns texts of these sizes."""
        import torch

        ends = torch.tensor([0, *sizes]).cumsum(0).to(device=device, dtype=torch.int32)  # type: ignore[call-overload]
        return cls(tuple(sizes), ends)


def attend(
    query: Tensor, key: Tensor, value: Tensor, packed: Packed, *, left: int | None, right: int | None, scale: float
) -> Part:
    """Returns what each token takes from those near it in its text.

    Args:
        query: [packed, heads, d].
        key: likewise, the same number of heads.
        value: likewise.
        packed: the texts.
        left: token i sees those from i - left on; None: from the first.
        right: token i sees those up to i + right; None: to the last.
        scale: of the scores.

    Returns:
        The output, [packed, heads, d], and the log of the sum of the weights, float32, [packed, heads].
    """
    kernel = _kernel(query.device.type, query.dtype, query.shape[-1])
    return kernel(query, key, value, packed, left, right, scale)


def plainly(
    query: Tensor, key: Tensor, value: Tensor, packed: Packed, left: int | None, right: int | None, scale: float
) -> Part:
    """Returns the same as `attend`, by blocks of scores: for any device and type."""
    return _by_blocks(query, key, value, packed, (left, right), scale, _scores)


def _by_blocks(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    packed: Packed,
    reach: tuple[int | None, int | None],
    scale: float,
    one: Callable[[Tensor, Tensor, Tensor, Tensor | None, float], Part],
) -> Part:
    import torch

    left, right = reach
    outputs, weights = [], []
    start = 0
    for size in packed.sizes:
        asking, asked, told = (states[start : start + size].transpose(0, 1)[None] for states in (query, key, value))
        start += size
        for top in range(0, size, BLOCK):
            end = min(top + BLOCK, size)
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
            narrow = slice(first, last)
            out, weight = one(asking[:, :, top:end], asked[:, :, narrow], told[:, :, narrow], bias, scale)
            outputs.append(out[0].transpose(0, 1))
            weights.append(weight[0].transpose(0, 1))
    return torch.cat(outputs), torch.cat(weights)


def _scores(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, scale: float) -> Part:
    scores = (query @ key.transpose(-1, -2)).float() * scale
    if bias is not None:
        scores = scores + bias
    weight = scores.logsumexp(dim=-1)
    return (scores - weight[..., None]).exp().to(value.dtype) @ value, weight


def _fused_on_cpu(
    query: Tensor, key: Tensor, value: Tensor, packed: Packed, left: int | None, right: int | None, scale: float
) -> Part:
    import torch

    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # noqa: SLF001 - checked before use

    def one(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, scale: float) -> Part:
        mask = None if bias is None else bias[None, None]
        out, weight = fused(query, key, value, 0.0, False, attn_mask=mask, scale=scale)
        return out, weight.float()

    return _by_blocks(query, key, value, packed, (left, right), scale, one)


def _flash_on_gpu(
    query: Tensor, key: Tensor, value: Tensor, packed: Packed, left: int | None, right: int | None, scale: float
) -> Part:
    from torch.nn.attention.varlen import AuxRequest, varlen_attn

    longest = max(packed.sizes)
    out, weight = varlen_attn(
        query.contiguous(),
        key.contiguous(),
        value.contiguous(),
        packed.ends,
        packed.ends,
        longest,
        longest,
        return_aux=AuxRequest(lse=True),
        scale=scale,
        window_size=(-1 if left is None else left, -1 if right is None else right),
    )
    return out, weight.transpose(0, 1)


def _flash_operator_on_gpu(
    query: Tensor, key: Tensor, value: Tensor, packed: Packed, left: int | None, right: int | None, scale: float
) -> Part:
    """Returns the same from the operator beneath, for versions whose function takes no window."""
    import torch

    flash = torch.ops.aten._flash_attention_forward  # noqa: SLF001 - checked before use
    causal, longest = left is None and right == 0, max(packed.sizes)
    out, weight, *_ = flash(
        query.contiguous(),
        key.contiguous(),
        value.contiguous(),
        packed.ends,
        packed.ends,
        longest,
        longest,
        0.0,
        causal,
        False,
        scale=scale,
        window_size_left=-1 if left is None else left,
        window_size_right=0 if causal else -1 if right is None else right,
    )
    return out, weight.transpose(0, 1)


@cache
def _kernel(device: str, dtype: Any, size: int) -> Callable[..., Part]:  # noqa: ANN401 - torch's type
    """Returns the fastest way that gives here what the plain one gives: kernels differ between versions and devices."""
    import torch

    half = dtype in (torch.float16, torch.bfloat16)
    known = {"cpu": [_fused_on_cpu], "cuda": [_flash_on_gpu, _flash_operator_on_gpu] if half else []}.get(device, [])
    for kernel in known:
        if _agrees(kernel, device, dtype, size):
            return kernel
    return plainly


def _agrees(kernel: Callable[..., Part], device: str, dtype: Any, size: int) -> bool:  # noqa: ANN401 - torch's type
    import torch

    drawn = torch.Generator().manual_seed(0)
    packed = Packed.of([70, 3, 40], device)
    q, k, v = (torch.randn(113, 2, size, generator=drawn).to(device=device, dtype=dtype) for _ in range(3))
    near = 1e-4 if dtype == torch.float32 else 5e-2
    for left, right in ((9, 9), (9, 0), (None, 0), (0, None)):
        want = plainly(q, k, v, packed, left, right, 0.3)
        try:
            got = kernel(q, k, v, packed, left, right, 0.3)
        except (RuntimeError, TypeError, ValueError, AttributeError, ImportError):
            return False
        pairs = zip(got, want, strict=True)
        if not all(a.shape == b.shape and torch.allclose(a.float(), b.float(), atol=near) for a, b in pairs):
            return False
    return True
