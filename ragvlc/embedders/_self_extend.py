"""SelfExtend: near tokens keep their distances, far ones share them in groups.

Jin et al. 2024, "LLM Maybe LongLM: Self-Extend LLM Context Window Without Tuning", ICML, arXiv 2401.01325; for both
directions as in LongEmbed (arXiv 2404.12096): with D = i - j, distance D below `near` stays; beyond, it is
floor(i / group) - floor(j / group) plus what makes the two meet, near - floor(near / group), away from i.

Differences: the three regions of the attention (far before, near, far after) are computed apart, by kernels that never
hold a matrix of scores, and put together by their log-sum-exps; the result is that of one softmax over all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragvlc.embedders._attention import Packed, attend

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Far", "distances", "far_of"]


def distances(tokens: int, near: int, group: int) -> Tensor:
    """Returns the signed distance that the model is told for each query and key: long, [tokens, tokens]."""
    import torch

    place = torch.arange(tokens)
    apart = place[:, None] - place[None, :]
    grouped = place[:, None] // group - place[None, :] // group
    gap = near - near // group
    before, after = grouped + gap, grouped - gap
    return torch.where(apart >= near, before, torch.where(apart <= -near, after, apart))


@dataclass
class _Side:
    """A region of far tokens: which of the packed tokens ask, which are seen, and how the asking ones are placed."""

    asks: Tensor
    seen: Tensor
    places: Tensor
    packed: Packed


@dataclass
class Far:
    """Texts that share `near`, `group` and so the shapes of their regions.

    Attributes:
        tokens: places of the texts' tokens in the padded batch laid flat, long, [packed].
        packed: the texts' lengths.
        near: distances below it are kept.
        place: each token's place in its text, [packed].
        group: tokens that share a far distance.
        before: keys that stand `near` tokens or more before the query; None if no text is that long.
        after: the same after it.
        frequencies: radians a position, [d/2].
    """

    tokens: Tensor
    packed: Packed
    near: int
    place: Tensor
    group: int
    before: _Side | None
    after: _Side | None
    frequencies: Tensor

    def attention(self, query: Tensor, key: Tensor, value: Tensor, *, scale: float, causal: bool) -> Tensor:
        """Returns the attention's output, float32, [packed, heads, d].

        Args:
            query: not rotated, [packed, heads, d].
            key: likewise; as many heads.
            value: likewise.
            scale: of the scores.
            causal: no token sees later ones.
        """
        import torch

        asking, asked = _pairs(query), _pairs(key)
        far_keys = _turned(asked, self.place // self.group, self.frequencies, key.dtype)
        reach = self.near - 1
        out, weight = attend(
            _turned(asking, self.place, self.frequencies, query.dtype),
            _turned(asked, self.place, self.frequencies, key.dtype),
            value,
            self.packed,
            left=reach,
            right=0 if causal else reach,
            scale=scale,
        )
        sides = [(self.before, None, 0), (None if causal else self.after, 0, None)]
        parts = [(side, left, right) for side, left, right in sides if side is not None]
        found = []
        total = weight
        for side, left, right in parts:
            turned = _turned(asking[side.asks], side.places, self.frequencies, query.dtype)
            part, mass = attend(
                turned, far_keys[side.seen], value[side.seen], side.packed, left=left, right=right, scale=scale
            )
            found.append((side.asks, part, mass))
            total = total.index_copy(0, side.asks, torch.logaddexp(total[side.asks], mass))
        out = out.float() * torch.exp(weight - total)[..., None]
        for asks, part, mass in found:
            out.index_add_(0, asks, part.float() * torch.exp(mass - total[asks])[..., None])
        return out


def far_of(
    lengths: Sequence[int], width: int, shapes: Sequence[tuple[int, int]], frequencies: Tensor
) -> tuple[Far, ...]:
    """Returns what the attention needs of a padded batch, texts of one shape together.

    Args:
        lengths: tokens of each text; padding stands behind them.
        width: tokens of the padded batch.
        shapes: `near` and `group` of each text.
        frequencies: radians a position.
    """
    import torch

    device = frequencies.device
    found = []
    for near, group in dict.fromkeys(shapes):
        rows = [row for row, shape in enumerate(shapes) if shape == (near, group)]
        sizes = [lengths[row] for row in rows]
        tokens = torch.cat([torch.arange(size) + row * width for row, size in zip(rows, sizes, strict=True)])
        place = torch.cat([torch.arange(size) for size in sizes])
        before, after = _sides(sizes, place, near, group)
        packed = Packed.of(sizes, device)
        early, late = (None if side is None else _on(side, device) for side in (before, after))
        found.append(Far(tokens.to(device), packed, near, place.to(device), group, early, late, frequencies))
    return tuple(found)


def _sides(sizes: Sequence[int], place: Tensor, near: int, group: int) -> tuple[_Side | None, _Side | None]:
    import torch

    starts = [sum(sizes[:row]) for row in range(len(sizes))]
    long = [(start, size) for start, size in zip(starts, sizes, strict=True) if size > near]
    if not long:
        return None, None
    late = torch.cat([torch.arange(start + near, start + size) for start, size in long])
    early = torch.cat([torch.arange(start, start + size - near) for start, size in long])
    packed = Packed.of([size - near for _, size in long], place.device)
    gap = near - near // group
    before = _Side(late, early, place[late] // group + gap, packed)
    after = _Side(early, late, place[early] // group - gap, packed)
    return before, after


def _on(side: _Side, device: Any) -> _Side:  # noqa: ANN401 - torch's
    packed = Packed.of(side.packed.sizes, device)
    return _Side(side.asks.to(device), side.seen.to(device), side.places.to(device), packed)


def _pairs(states: Tensor) -> Tensor:
    """Returns heads as complex numbers, [packed, heads, d/2]: what rotates together becomes one number."""
    import torch

    half = states.shape[-1] // 2
    whole = states.float()
    return torch.complex(whole[..., :half], whole[..., half:])


def _turned(pairs: Tensor, places: Tensor, frequencies: Tensor, dtype: object) -> Tensor:
    """Returns rotated heads, [packed, heads, d].

    The numbers of a head stand in another order than the model's, which no product of a query and a key can tell.
    """
    import torch

    angles = places.float()[:, None] * frequencies[None, :]
    turns = torch.polar(torch.ones_like(angles), angles)[:, None, :]
    return torch.view_as_real(pairs * turns).flatten(-2).to(dtype)  # type: ignore[call-overload, no-any-return]
