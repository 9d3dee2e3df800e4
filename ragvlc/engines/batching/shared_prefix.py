"""Keys and values of a prompt, and of the rows that branch off it: one growing buffer a layer.

A trunk holds the tokens of one prompt. The row with that prompt is its first branch; rows whose prompts share its
beginning become further branches, which see as much of the trunk as they share and, behind it, their own columns:

    columns   | trunk: tokens of the prompt          | own columns of the branches, as they come |
    branch 0  | sees all of it                       | a . . a . . a                             |
    branch 1  | sees the beginning that it shares    | . b b . b .                               |

All new tokens of a forward pass lie flat in one row. Everything but attention treats them alike; attention goes through
`attend`, which the library calls by the name `ragvlc_flat`: a part of the row for each trunk, over that trunk's buffer.
Query heads that share keys and values are folded into the length of the query, so that neither is repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ragvlc.engines.batching.decoding import Row

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

__all__ = ["ATTENTION", "Branch", "Part", "Trunk", "attend", "no_mask"]

ATTENTION = "ragvlc_flat"
_NOT_HERE = ("softcap", "s_aux", "sinks", "position_bias", "sliding_window")
_FOLDED = 64  # queries; longer ones are spread over heads by strides, and the mask is not repeated


class Trunk:
    """The computed beginning of one or more prompts.

    Args:
        tokens: of the prompt, int64 [tokens].
        columns: room for them and for what the branches will add.
        source: a trunk that begins with the same tokens, and how many of them; they are copied, not computed.

    Attributes:
        used: columns written or about to be.
        branches: rows at work on it.
        layers: keys and values by layer, each [1, heads, columns, size].
    """

    def __init__(self, tokens: NDArray[np.int64], columns: int, source: tuple[Trunk, int] | None = None) -> None:
        self.tokens = tokens
        self.columns = columns
        self.used = source[1] if source else 0
        self.branches: list[Branch] = []
        self._source = source
        self._spent: list[tuple[int, float]] = []
        self.layers: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._sees: torch.Tensor | None = None

    @property
    def bytes(self) -> int:
        """Memory held."""
        return sum(one.numel() * one.element_size() for layer in self.layers.values() for one in layer)

    @property
    def idle(self) -> bool:
        """No row is at work on it."""
        return not self.branches

    def spend(self, tokens: int, seconds: float) -> None:
        """Notes what computing the next `tokens` took."""
        self._spent.append((tokens, seconds))

    def inherit(self, tokens: int, seconds: float) -> None:
        """Notes what computing the first `tokens`, copied from another trunk, took there."""
        self._spent.insert(0, (tokens, seconds))

    def cost(self, tokens: int) -> float:
        """Returns the seconds that computing the first `tokens` took."""
        seconds = 0.0
        for n, spent in self._spent:
            if tokens <= 0:
                break
            seconds += spent * min(n, tokens) / n
            tokens -= n
        return seconds

    def reserve(self, columns: int) -> None:
        """Makes room for `columns` beside what the branches at work are still owed."""
        owed = columns + sum(branch.owed for branch in self.branches)
        end = max(self.used, len(self.tokens))
        if end + owed <= self.columns:
            return
        self.compact()
        end = max(self.used, len(self.tokens))
        if end + owed <= self.columns:
            return
        self.columns = end + owed + len(self.tokens) // 8  # some for the next: growing copies everything
        self._sees = None
        for layer, (keys, values) in self.layers.items():
            self.layers[layer] = self._grown(keys), self._grown(values)

    def join(self, branch: Branch) -> None:
        """A row begins."""
        self.branches.append(branch)
        self._sees = None

    def leave(self, branch: Branch) -> None:
        """A row ends; its columns are free when nobody is left."""
        self.branches.remove(branch)
        self._sees = None
        if not self.branches:
            self.used = min(self.used, len(self.tokens))

    def write(self, layer: int, at: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Puts keys and values [1, heads, n, size] into columns from `at` on; returns views of all up to their end."""
        if layer not in self.layers:
            self.layers[layer] = self._opened(layer, keys, 0), self._opened(layer, values, 1)
        stop = at + keys.shape[2]
        own_keys, own_values = self.layers[layer]
        own_keys[:, :, at:stop] = keys
        own_values[:, :, at:stop] = values
        return own_keys[:, :, :stop], own_values[:, :, :stop]

    def forget_source(self) -> None:
        """Every layer has its copy."""
        self._source = None

    def sees(self, like: torch.Tensor) -> torch.Tensor:
        """Returns the additive mask [branches, columns]: 0 where a branch sees a column. Kept while branches stay."""
        if self._sees is None:
            self._sees = like.new_full((len(self.branches), self.columns), hidden(like.dtype))
            for i, branch in enumerate(self.branches):
                branch.open_columns(self._sees[i : i + 1])
        return self._sees

    def compact(self) -> None:
        """Moves the columns that somebody still sees behind the tokens together."""
        import torch

        own = sorted(column for branch in self.branches for column in branch.columns)
        start = len(self.tokens)
        if self.used <= start + len(own):
            return
        places = {column: start + i for i, column in enumerate(own)}
        for keys, values in self.layers.values():
            chosen = torch.tensor(own, device=keys.device, dtype=torch.long)
            for one in (keys, values):
                one[:, :, start : start + len(own)] = one.index_select(2, chosen)
        for branch in self.branches:
            branch.columns = [places[column] for column in branch.columns]
        self.used = start + len(own)
        self._sees = None

    def part(self, branch: Branch) -> None:
        """Gives a row at work a trunk of its own, with a copy of all that it sees here."""
        import numpy as np
        import torch

        prompt, seen = branch.row.prompt, branch.shared + len(branch.columns)
        own = Trunk(np.array(prompt), branch.parted_columns)
        for layer, both in self.layers.items():
            chosen = torch.tensor(branch.columns, device=both[0].device, dtype=torch.long)
            own.layers[layer] = keys, values = own._empty(both[0]), own._empty(both[1])
            for old, new in zip(both, (keys, values), strict=True):
                new[:, :, : branch.shared] = old[:, :, : branch.shared]
                new[:, :, branch.shared : seen] = old.index_select(2, chosen)
        self.leave(branch)
        own.used, branch.trunk, branch.shared = seen, own, len(prompt)
        branch.columns = list(range(len(prompt), seen))
        own.join(branch)

    def _empty(self, like: torch.Tensor) -> torch.Tensor:
        return like.new_empty((1, like.shape[1], self.columns, like.shape[3]))

    def _opened(self, layer: int, like: torch.Tensor, which: int) -> torch.Tensor:
        fresh = self._empty(like)
        if self._source is not None:
            trunk, shared = self._source
            fresh[:, :, :shared] = trunk.layers[layer][which][:, :, :shared]
        return fresh

    def _grown(self, old: torch.Tensor) -> torch.Tensor:
        fresh = self._empty(old)
        fresh[:, :, : self.used] = old[:, :, : self.used]
        return fresh


@dataclass(slots=True, eq=False)
class Branch:
    """A row at work.

    Attributes:
        row: what it is for.
        trunk: where its keys and values are.
        shared: columns of the trunk's own tokens that it sees.
        owed: columns that it may still write behind the trunk.
        columns: those that it has written there.
    """

    row: Row
    trunk: Trunk
    shared: int
    owed: int
    columns: list[int] = field(default_factory=list)

    @property
    def owner(self) -> bool:
        """Whether the trunk is this row's own prompt: such a row has nothing to compute behind the trunk at first."""
        return self.shared == len(self.row.prompt)

    @property
    def alone(self) -> bool:
        """Whether all that stands in the trunk is this row's own text, in order."""
        trunk = self.trunk
        return self.owner and trunk.branches == [self] and trunk.used == self.shared + len(self.columns)

    @property
    def parted_columns(self) -> int:
        """Columns of a trunk of its own: see `Trunk.part`."""
        return self.shared + len(self.columns) + self.owed

    def open_columns(self, mask: torch.Tensor) -> None:
        """Unhides in `mask` [queries, columns] what every token of this row sees."""
        import torch

        mask[:, : self.shared] = 0
        if self.columns:
            mask[:, torch.tensor(self.columns, device=mask.device)] = 0


def hidden(dtype: torch.dtype) -> float:
    """Returns what hides a column, added to its score: finite, so that no block of a kernel is empty."""
    import torch

    return torch.finfo(dtype).min / 2


@dataclass(slots=True, eq=False)
class Part:
    """The tokens of a forward pass that belong to one trunk.

    Attributes:
        trunk: whose buffer they see.
        start: first of them in the row.
        stop: behind the last of them.
        at: column of the first.
        mask: additive [tokens, columns up to the last of them]; None where each sees every column before it and itself.
    """

    trunk: Trunk
    start: int
    stop: int
    at: int
    mask: torch.Tensor | None
    _folded: dict[int, torch.Tensor] = field(default_factory=dict)

    def attend(self, layer: int, heads: Sequence[torch.Tensor], scaling: float | None) -> torch.Tensor:
        """Returns [1, heads, tokens, size] for query, key and value of the whole row, each [1, heads, row, size]."""
        from torch.nn.functional import scaled_dot_product_attention

        query, key, value = (one[:, :, self.start : self.stop] for one in heads)
        keys, values = self.trunk.write(layer, self.at, key, value)
        total, n, shared = query.shape[1], query.shape[2], keys.shape[1]
        groups = total // shared
        if n <= _FOLDED and (n == 1 or self.mask is not None):
            mask = self._mask_of_groups(groups)
            query = query.reshape(1, shared, groups * n, query.shape[3])
            found = scaled_dot_product_attention(query, keys, values, attn_mask=mask, scale=scaling)
        else:
            query = query.reshape(shared, groups, n, query.shape[3])
            keys, values = (one.transpose(0, 1).expand(-1, groups, -1, -1) for one in (keys, values))
            mask, first = self._bias(n, keys.shape[2]), self.mask is None and self.at == 0
            found = scaled_dot_product_attention(query, keys, values, attn_mask=mask, is_causal=first, scale=scaling)
        return found.reshape(1, total, n, -1)

    def _mask_of_groups(self, groups: int) -> torch.Tensor | None:
        if self.mask is not None and groups not in self._folded:
            self._folded[groups] = self.mask.repeat(groups, 1)
        return self._folded.get(groups)

    def _bias(self, n: int, columns: int) -> torch.Tensor | None:
        if self.mask is not None or self.at == 0:
            return self.mask
        from torch.nn.attention.bias import causal_lower_right

        return causal_lower_right(n, columns)


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,  # noqa: ARG001 - the parts have their own
    scaling: float | None = None,
    **kwargs: Any,  # noqa: ANN401 - whatever a model hands to attention
) -> tuple[torch.Tensor, None]:
    """Attention as the library calls it: query [1, heads, tokens, size]; returns [1, tokens, heads, size].

    Raises `ValueError` for kinds of attention that this is not.
    """
    import torch

    strange = sorted(name for name in _NOT_HERE if kwargs.get(name) is not None)
    if strange:
        message = f"attention with {', '.join(strange)} cannot be laid flat"
        raise ValueError(message)
    layer: Any = module.layer_idx
    parts: Sequence[Part] = kwargs["ragvlc_parts"]
    found = [part.attend(layer, (query, key, value), scaling) for part in parts]
    return (found[0] if len(found) == 1 else torch.cat(found, dim=2)).transpose(1, 2).contiguous(), None


def no_mask(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the library's signature differs by version
    """What the library asks for a mask before the first layer: the parts have their own."""
