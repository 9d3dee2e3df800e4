"""SelfExtend: exact distances between near tokens, grouped distances between far tokens.

Jin et al. 2024, "LLM Maybe LongLM: Self-Extend LLM Context Window Without Tuning", ICML, arXiv 2401.01325; for both
directions as in LongEmbed (arXiv 2404.12096): a distance D = i - j below `near` is exact; beyond, it is
floor(i / group) - floor(j / group) plus an offset away from i that makes the two continuous, near - floor(near /
group).

Differences: the three regions of the attention (far before, near, far after) are computed apart, by kernels that never
store a matrix of scores, and merged by their log-sum-exps; the result is that of one softmax over all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragvlc.embedders._attention import PackedTexts, attend

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["GroupedAttention", "distances", "grouped_attention_of"]


def distances(tokens: int, near: int, group: int) -> Tensor:
    """Returns the signed distance that the model uses for each pair of query and key: int64, [tokens, tokens]."""
    import torch

    position = torch.arange(tokens)
    apart = position[:, None] - position[None, :]
    grouped = position[:, None] // group - position[None, :] // group
    gap = near - near // group
    before, after = grouped + gap, grouped - gap
    return torch.where(apart >= near, before, torch.where(apart <= -near, after, apart))


@dataclass
class _FarRegion:
    """Indices of packed queries and of the far keys before or after them, with the queries' grouped positions."""

    queries: Tensor
    keys: Tensor
    positions: Tensor
    packed: PackedTexts


@dataclass
class GroupedAttention:
    """SelfExtend attention over the texts of a batch that share the settings `near` and `group`.

    Attributes:
        tokens: indices of the texts' tokens in the flattened padded batch, long, [packed].
        packed: the texts' lengths.
        near: distances below it are exact.
        position: each token's position in its text, [packed].
        group: the number of tokens that share a far distance.
        before: keys that are `near` tokens or more before the query; None if no text is that long.
        after: the same after it.
        frequencies: radians per position, [d/2].
    """

    tokens: Tensor
    packed: PackedTexts
    near: int
    position: Tensor
    group: int
    before: _FarRegion | None
    after: _FarRegion | None
    frequencies: Tensor

    def attention(self, query: Tensor, key: Tensor, value: Tensor, *, scale: float, causal: bool) -> Tensor:
        """Returns the attention output over near and far tokens, float32, [packed, heads, d].

        Args:
            query: not rotated, [packed, heads, d].
            key: likewise; as many heads.
            value: likewise.
            scale: of the scores.
            causal: whether no token sees later ones.
        """
        import torch

        query_pairs, key_pairs = _pairs(query), _pairs(key)
        far_keys = _rotated(key_pairs, self.position // self.group, self.frequencies, key.dtype)
        reach = self.near - 1
        out, near_lse = attend(
            _rotated(query_pairs, self.position, self.frequencies, query.dtype),
            _rotated(key_pairs, self.position, self.frequencies, key.dtype),
            value,
            self.packed,
            left=reach,
            right=0 if causal else reach,
            scale=scale,
        )
        regions = [(self.before, None, 0), (None if causal else self.after, 0, None)]
        parts = [(region, left, right) for region, left, right in regions if region is not None]
        found = []
        total_lse = near_lse
        for region, left, right in parts:
            rotated = _rotated(query_pairs[region.queries], region.positions, self.frequencies, query.dtype)
            part, lse = attend(
                rotated, far_keys[region.keys], value[region.keys], region.packed, left=left, right=right, scale=scale
            )
            found.append((region.queries, part, lse))
            total_lse = total_lse.index_copy(0, region.queries, torch.logaddexp(total_lse[region.queries], lse))
        out = out.float() * torch.exp(near_lse - total_lse)[..., None]
        for queries, part, lse in found:
            out.index_add_(0, queries, part.float() * torch.exp(lse - total_lse[queries])[..., None])
        return out


def grouped_attention_of(
    lengths: Sequence[int], width: int, shapes: Sequence[tuple[int, int]], frequencies: Tensor
) -> tuple[GroupedAttention, ...]:
    """Returns the SelfExtend attentions of a padded batch, one per distinct pair of `near` and `group`.

    Args:
        lengths: the number of tokens of each text; padding follows them.
        width: the number of tokens of the padded batch.
        shapes: `near` and `group` of each text.
        frequencies: radians per position.
    """
    import torch

    device = frequencies.device
    found = []
    for near, group in dict.fromkeys(shapes):
        rows = [row for row, shape in enumerate(shapes) if shape == (near, group)]
        sizes = [lengths[row] for row in rows]
        tokens = torch.cat([torch.arange(size) + row * width for row, size in zip(rows, sizes, strict=True)])
        position = torch.cat([torch.arange(size) for size in sizes])
        before, after = _far_regions(sizes, position, near, group)
        packed = PackedTexts.of(sizes, device)
        early, late = (None if region is None else _on(region, device) for region in (before, after))
        found.append(
            GroupedAttention(tokens.to(device), packed, near, position.to(device), group, early, late, frequencies)
        )
    return tuple(found)


def _far_regions(
    sizes: Sequence[int], position: Tensor, near: int, group: int
) -> tuple[_FarRegion | None, _FarRegion | None]:
    import torch

    starts = [sum(sizes[:row]) for row in range(len(sizes))]
    long = [(start, size) for start, size in zip(starts, sizes, strict=True) if size > near]
    if not long:
        return None, None
    late = torch.cat([torch.arange(start + near, start + size) for start, size in long])
    early = torch.cat([torch.arange(start, start + size - near) for start, size in long])
    packed = PackedTexts.of([size - near for _, size in long], position.device)
    gap = near - near // group
    before = _FarRegion(late, early, position[late] // group + gap, packed)
    after = _FarRegion(early, late, position[early] // group - gap, packed)
    return before, after


def _on(region: _FarRegion, device: Any) -> _FarRegion:  # noqa: ANN401 - torch's
    packed = PackedTexts.of(region.packed.sizes, device)
    return _FarRegion(region.queries.to(device), region.keys.to(device), region.positions.to(device), packed)


def _pairs(states: Tensor) -> Tensor:
    """Returns heads as complex numbers, [packed, heads, d/2], one per pair of dimensions that rotate together."""
    import torch

    half = states.shape[-1] // 2
    whole = states.float()
    return torch.complex(whole[..., :half], whole[..., half:])


def _rotated(pairs: Tensor, positions: Tensor, frequencies: Tensor, dtype: object) -> Tensor:
    """Returns the heads rotated by their positions, [packed, heads, d].

    The numbers of a head are in another order than the model's, which changes no product of a query and a key.
    """
    import torch

    angles = positions.float()[:, None] * frequencies[None, :]
    rotations = torch.polar(torch.ones_like(angles), angles)[:, None, :]
    return torch.view_as_real(pairs * rotations).flatten(-2).to(dtype)  # type: ignore[call-overload, no-any-return]
