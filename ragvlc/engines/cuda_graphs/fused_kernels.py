"""Triton kernels for Llama's architecture and few tokens: norms, rotary embedding, attention, one-row products.

Attention splits the keys over the whole device and merges the partial outputs by their log-sum-exps (as in
flash-decoding); the query heads of a group and all rows are in one tile, so a key is read once for all of them.

The addresses of the keys, the buffer's capacity and the text's length are read from `state` on the device: [position,
capacity, step, then the addresses of keys and values by layer]. So one captured graph of these kernels serves every
text.

Measured on an H200 and not used: launching a kernel before the previous one has ended (programmatic dependent launch)
makes a 1B model's step 3 % faster and other steps slower; products of several rows here, not in cuBLAS, are slower for
all shapes.

Triton is loaded by `fused_kernels`, not with this module; the functions above it are compiled by Triton and cannot be
called from Python.
"""
# ruff: noqa: N803, N806, PLR0913, PLR0917

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

__all__ = ["STATE_HEADER", "FusedKernels", "fused_kernels"]

STATE_HEADER = 3
"""Entries of `state` before the addresses."""

tl: Any = None
"""Triton's language module, once `fused_kernels` has loaded it."""


def _rms_norm(
    rows: tl.tensor,
    norm: tl.tensor,
    out: tl.tensor,
    eps: tl.tensor,
    K: tl.constexpr,
    WIDE: tl.constexpr,
) -> None:
    """Writes the RMS norm of one input row to `out` [n, K]."""
    k = tl.arange(0, WIDE)
    x = tl.load(rows + tl.program_id(0) * K + k, mask=k < K, other=0.0).to(tl.float32)
    x = (x * tl.rsqrt(tl.sum(x * x, 0) / K + eps)).to(out.dtype.element_ty)
    w = tl.load(norm + k, mask=k < K, other=0.0)
    tl.store(out + tl.program_id(0) * K + k, (x * w).to(out.dtype.element_ty), mask=k < K)


def _swiglu(
    both: tl.tensor,
    out: tl.tensor,
    N: tl.constexpr,
    BN: tl.constexpr,
) -> None:
    """Writes `out` [n, N] = silu(g) * u, where `both` [n, 2 N] holds g and then u."""
    row, column = tl.program_id(0), tl.program_id(1) * BN + tl.arange(0, BN)
    g = tl.load(both + row * 2 * N + column, mask=column < N, other=0.0).to(tl.float32)
    u = tl.load(both + row * 2 * N + N + column, mask=column < N, other=0.0).to(tl.float32)
    tl.store(out + row * N + column, (g / (1.0 + tl.exp(-g)) * u).to(out.dtype.element_ty), mask=column < N)


def _gemv(
    row: tl.tensor,
    norm: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    out: tl.tensor,
    eps: tl.tensor,
    K: tl.constexpr,
    N: tl.constexpr,
    NORMED: tl.constexpr,
    BIASED: tl.constexpr,
    ADDED: tl.constexpr,
    GATED: tl.constexpr,
    BN: tl.constexpr,
    BK: tl.constexpr,
) -> None:
    """Multiplies a row [K] by a weight matrix [N, K], optionally with a norm before it and a bias or sum after it.

    GATED: silu(g) u for the halves g and u of a weight [2 N, K].
    """
    n = tl.program_id(0) * BN + tl.arange(0, BN)
    inner = tl.arange(0, BK)
    total = tl.zeros((BN, BK), tl.float32)
    second = tl.zeros((BN, BK), tl.float32)
    squares = tl.zeros((BK,), tl.float32)
    whole: tl.constexpr = K % BK == 0 and N % BN == 0
    weights = weight + n.to(tl.int64)[:, None] * K + inner[None, :]
    for k in range(0, K, BK):  # unrolled, it takes more registers and 8 % more time
        there = (n < N)[:, None] & ((k + inner) < K)[None, :]
        w = tl.load(weights + k) if whole else tl.load(weights + k, mask=there, other=0.0)
        x = tl.load(row + k + inner, mask=(k + inner) < K, other=0.0).to(tl.float32)
        if NORMED:
            # The norm's scale needs the whole row: the squares are summed along the way, and the scale applied at the
            # end.
            squares += x * x
            x *= tl.load(norm + k + inner, mask=(k + inner) < K, other=0.0).to(tl.float32)
        total += w.to(tl.float32) * x[None, :]
        if GATED:
            u = tl.load(weights + k + N * K) if whole else tl.load(weights + k + N * K, mask=there, other=0.0)
            second += u.to(tl.float32) * x[None, :]
    result = tl.sum(total, 1)
    scale = 1.0
    if NORMED:
        scale = tl.rsqrt(tl.sum(squares, 0) / K + eps)
        result *= scale
    if GATED:
        result = result / (1.0 + tl.exp(-result)) * tl.sum(second, 1) * scale
    if BIASED:
        result += tl.load(bias + n, mask=n < N, other=0.0).to(tl.float32)
    if ADDED:
        result += tl.load(out + n, mask=n < N, other=0.0).to(tl.float32)
    tl.store(out + n, result.to(out.dtype.element_ty), mask=n < N)


def _rotary_and_store(
    qkv: tl.tensor,
    norms: tl.tensor,
    cos: tl.tensor,
    sin: tl.tensor,
    state: tl.tensor,
    queries: tl.tensor,
    layer: tl.tensor,
    eps: tl.tensor,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    D: tl.constexpr,
    NORMED: tl.constexpr,
    FIRST: tl.constexpr,
) -> None:
    """Applies the rotary embedding to one head of one row of `qkv` [n, HEADS + 2 KV_HEADS, D]; stores keys and values.

    cos and sin are [n, D / 2]; `norms` [2, D] of queries and keys, where the model has them. FIRST: see `STATE_HEADER`.
    """
    row, head = tl.program_id(0), tl.program_id(1)
    half = tl.arange(0, D // 2)
    source = qkv + (row * (HEADS + 2 * KV_HEADS) + head) * D
    a = tl.load(source + half).to(tl.float32)
    b = tl.load(source + D // 2 + half).to(tl.float32)
    if head < HEADS + KV_HEADS:
        if NORMED:
            which = norms + tl.where(head < HEADS, 0, D)
            scale = tl.rsqrt((tl.sum(a * a, 0) + tl.sum(b * b, 0)) / D + eps)
            a = a * scale * tl.load(which + half).to(tl.float32)
            b = b * scale * tl.load(which + D // 2 + half).to(tl.float32)
        c = tl.load(cos + row * (D // 2) + half).to(tl.float32)
        s = tl.load(sin + row * (D // 2) + half).to(tl.float32)
        a, b = a * c - b * s, b * c + a * s
    dtype = qkv.dtype.element_ty
    if head < HEADS:
        place = queries + (row * HEADS + head) * D
        tl.store(place + half, a.to(dtype))
        tl.store(place + D // 2 + half, b.to(dtype))
    else:
        value = (head >= HEADS + KV_HEADS).to(tl.int64)
        shared = head - HEADS - KV_HEADS * value
        column = tl.load(state) + row
        # An address as a number: the buffers of a text are not known when the graph is captured.
        buffer = tl.load(state + FIRST + 2 * layer + value).to(tl.pointer_type(dtype))
        place = buffer + (shared * tl.load(state + 1) + column) * D
        tl.store(place + half, a.to(dtype))
        tl.store(place + D // 2 + half, b.to(dtype))


def _split_attention(
    queries: tl.tensor,
    state: tl.tensor,
    partial: tl.tensor,
    sums: tl.tensor,
    layer: tl.tensor,
    n: tl.tensor,
    scale: tl.tensor,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    D: tl.constexpr,
    SPLITS: tl.constexpr,
    M: tl.constexpr,
    BLOCK: tl.constexpr,
    FIRST: tl.constexpr,
) -> None:
    """Computes all rows' attention over one part of a key head's slots, with the base-2 log-sum-exps for merging parts.

    queries [n, HEADS, D]; partial [KV_HEADS, SPLITS, n HEADS / KV_HEADS, D] and sums without D, float32.
    """
    GROUP: tl.constexpr = HEADS // KV_HEADS
    head, split = tl.program_id(0), tl.program_id(1)
    position = tl.load(state).to(tl.int32)  # not an argument: the graph is replayed for texts of every length
    before = head * tl.load(state + 1) * D
    dtype = queries.dtype.element_ty
    keys = tl.load(state + FIRST + 2 * layer).to(tl.pointer_type(dtype)) + before
    values = tl.load(state + FIRST + 2 * layer + 1).to(tl.pointer_type(dtype)) + before
    length = position + n
    share = tl.cdiv(tl.cdiv(length, SPLITS), BLOCK) * BLOCK
    start = split * share
    stop = tl.minimum(start + share, length)
    m = tl.arange(0, M)
    d = tl.arange(0, D)
    row, member = m // GROUP, m % GROUP
    q = tl.load(
        queries + (row * HEADS + head * GROUP + member)[:, None] * D + d[None, :], mask=(row < n)[:, None], other=0.0
    )
    best = tl.full((M,), float("-inf"), tl.float32)
    total = tl.zeros((M,), tl.float32)
    mixed = tl.zeros((M, D), tl.float32)
    for c in range(start, stop, BLOCK):
        column = c + tl.arange(0, BLOCK)
        there = column < stop
        k_places = tl.multiple_of(keys + column[None, :] * D + d[:, None], (16, 1))
        k = tl.load(k_places, mask=there[None, :], other=0.0)
        scores = tl.dot(q, k, input_precision="ieee") * scale
        scores = tl.where(there[None, :] & (column[None, :] <= (position + row)[:, None]), scores, float("-inf"))
        higher = tl.maximum(best, tl.max(scores, 1))
        safe = tl.where(higher == float("-inf"), 0.0, higher)  # a row may see nothing of this split
        p = tl.exp2(scores - safe[:, None])
        old = tl.exp2(best - safe)
        total = total * old + tl.sum(p, 1)
        v_places = tl.multiple_of(values + column[:, None] * D + d[None, :], (1, 16))
        v = tl.load(v_places, mask=there[:, None], other=0.0)
        mixed = tl.dot(p.to(dtype), v, mixed * old[:, None], input_precision="ieee")
        best = higher
    real = tl.where(total > 0, total, 1.0)
    place = (head * SPLITS + split) * (n * GROUP) + m
    tl.store(partial + place[:, None] * D + d[None, :], mixed / real[:, None], mask=(row < n)[:, None])
    tl.store(sums + place, tl.where(total > 0, best + tl.log2(real), float("-inf")), mask=row < n)


def _merge_splits(
    partial: tl.tensor,
    sums: tl.tensor,
    out: tl.tensor,
    n: tl.tensor,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    D: tl.constexpr,
    SPLITS: tl.constexpr,
    WIDE: tl.constexpr,
) -> None:
    """Merges the partial attention of one head of one row into `out` [n, HEADS, D], weighted by log-sum-exps."""
    GROUP: tl.constexpr = HEADS // KV_HEADS
    row, head = tl.program_id(0), tl.program_id(1)
    split = tl.arange(0, WIDE)
    d = tl.arange(0, D)
    place = ((head // GROUP) * SPLITS + split) * (n * GROUP) + row * GROUP + head % GROUP
    weights = tl.load(sums + place, mask=split < SPLITS, other=float("-inf"))
    weights = tl.exp2(weights - tl.max(weights, 0))
    parts = tl.load(partial + place[:, None] * D + d[None, :], mask=(split < SPLITS)[:, None], other=0.0)
    mixed = tl.sum(parts * weights[:, None], 0) / tl.sum(weights, 0)
    tl.store(out + (row * HEADS + head) * D + d, mixed.to(out.dtype.element_ty))


@dataclass(frozen=True, slots=True)
class FusedKernels:
    """The compiled Triton kernels of this module, launched as `kernels.rms_norm[grid](...)`."""

    rms_norm: Any
    swiglu: Any
    gemv: Any
    rotary_and_store: Any
    split_attention: Any
    merge_splits: Any


@cache
def fused_kernels() -> FusedKernels:
    """Returns the compiled kernels; raises `ImportError` without Triton."""
    global tl  # noqa: PLW0603 - the kernels know the language by this name
    import triton  # type: ignore[import-not-found,unused-ignore]
    import triton.language  # type: ignore[import-not-found,unused-ignore]

    tl = triton.language
    # Triton compiles a kernel anew for an integer that is 1 or a multiple of 16, unless told not to specialise on it.
    return FusedKernels(
        rms_norm=triton.jit(_rms_norm),
        swiglu=triton.jit(_swiglu),
        gemv=triton.jit(_gemv),
        rotary_and_store=triton.jit(_rotary_and_store, do_not_specialize=["layer"]),
        split_attention=triton.jit(_split_attention, do_not_specialize=["n", "layer"]),
        merge_splits=triton.jit(_merge_splits, do_not_specialize=["n"]),
    )
