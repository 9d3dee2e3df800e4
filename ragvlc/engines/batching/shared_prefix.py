"""KV cache of a prompt and of the sequences that share it as their prefix: one growing buffer per layer.

A shared prefix holds the tokens of one prompt. The request with that prompt is its first sequence; requests whose
prompts start with the same tokens become further sequences. Each sees the prefix as far as its prompt matches, and
after the prefix the slots that it has written itself:

    slots       | shared prefix: tokens of the prompt   | slots of the sequences, as they are written |
    sequence 0  | sees all of it                        | a . . a . . a                               |
    sequence 1  | sees the part that its prompt matches | . b b . b .                                 |

All new tokens of a forward pass are packed into one row. Every layer but attention treats them alike; attention goes
through `packed_attention`, which the library calls by the name `ragvlc_packed`: one segment of the row for each prefix,
over that prefix's buffer. The query heads of a group (GQA) are folded into the query length, so keys and values are not
repeated. `docs/engine.md` has a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ragvlc.engines.batching.decoding import RequestState

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

__all__ = [
    "ATTENTION",
    "PackedSegment",
    "PackedSequence",
    "SharedPrefix",
    "mask_value",
    "no_attention_mask",
    "packed_attention",
]

ATTENTION = "ragvlc_packed"
_UNSUPPORTED = ("softcap", "s_aux", "sinks", "position_bias", "sliding_window")
# Queries up to this length are folded; a longer query is broadcast over the heads by strides instead, because folding
# would repeat its mask for every head of a group.
_FOLD_LIMIT = 64


class SharedPrefix:
    """KV cache of one prompt, with slots for the sequences that share it.

    Args:
        tokens: of the prompt, int64 [tokens].
        capacity: slots for these tokens and for those that the sequences will add.
        source: a prefix that starts with the same tokens, and the number of them; they are copied, not computed.

    Attributes:
        used: slots written, or reserved by the forward pass that is being computed.
        sequences: those that are running on it.
        layers: keys and values by layer, each [1, heads, slots, size].
    """

    def __init__(
        self, tokens: NDArray[np.int64], capacity: int, source: tuple[SharedPrefix, int] | None = None
    ) -> None:
        self.tokens = tokens
        self.capacity = capacity
        self.used = source[1] if source else 0
        self.sequences: list[PackedSequence] = []
        self._source = source
        self._costs: list[tuple[int, float]] = []  # (tokens, seconds), in the order of the tokens
        # Buffers are allocated at the first write: only the model knows its heads, dtype and device.
        self.layers: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._visible: torch.Tensor | None = None  # cached mask; None after any change of sequences or slots

    @property
    def bytes(self) -> int:
        """The memory of the buffers, in bytes."""
        return sum(one.numel() * one.element_size() for layer in self.layers.values() for one in layer)

    @property
    def idle(self) -> bool:
        """Whether no running sequence uses the prefix."""
        return not self.sequences

    def add_cost(self, tokens: int, seconds: float) -> None:
        """Records the seconds spent computing the next `tokens` tokens of the prompt."""
        self._costs.append((tokens, seconds))

    def add_copied_cost(self, tokens: int, seconds: float) -> None:
        """Records the seconds once spent computing the first `tokens` tokens, which were copied from another prefix."""
        self._costs.insert(0, (tokens, seconds))

    def cost(self, tokens: int) -> float:
        """Returns the seconds spent computing the first `tokens` tokens of the prompt."""
        seconds = 0.0
        for n, spent in self._costs:
            if tokens <= 0:
                break
            seconds += spent * min(n, tokens) / n
            tokens -= n
        return seconds

    def reserve(self, slots: int) -> None:
        """Makes sure that `slots` slots are free in addition to those that running sequences have reserved."""
        reserved = slots + sum(sequence.reserved for sequence in self.sequences)
        # A prefix may be matched before its own tokens are computed: `used` alone would count too little.
        end = max(self.used, len(self.tokens))
        if end + reserved <= self.capacity:
            return
        self.compact()
        end = max(self.used, len(self.tokens))
        if end + reserved <= self.capacity:
            return
        self.capacity = end + reserved + len(self.tokens) // 8  # with a margin: growing copies the whole buffer
        self._visible = None
        for layer, (keys, values) in self.layers.items():
            self.layers[layer] = self._grown(keys), self._grown(values)

    def attach(self, sequence: PackedSequence) -> None:
        """Adds a new running sequence to the prefix."""
        self.sequences.append(sequence)
        self._visible = None

    def detach(self, sequence: PackedSequence) -> None:
        """Removes a sequence from the prefix; slots after the prompt are freed once no sequence is left."""
        self.sequences.remove(sequence)
        self._visible = None
        if not self.sequences:
            self.used = min(self.used, len(self.tokens))

    def write(
        self, layer: int, start: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Writes keys and values [1, heads, n, size] to the slots from `start` on; returns views up to their end."""
        if layer not in self.layers:
            self.layers[layer] = self._allocated(layer, keys, 0), self._allocated(layer, values, 1)
        stop = start + keys.shape[2]
        own_keys, own_values = self.layers[layer]
        own_keys[:, :, start:stop] = keys
        own_values[:, :, start:stop] = values
        return own_keys[:, :, :stop], own_values[:, :, :stop]

    def drop_source(self) -> None:
        """Releases the source prefix; called after every layer has copied its keys and values."""
        self._source = None

    def visible(self, like: torch.Tensor) -> torch.Tensor:
        """Returns the additive attention mask [sequences, slots], which is 0 where a sequence attends to a slot.

        The mask is cached until sequences change.

        The caller unmasks the new slot of each sequence in place, token by token, so the mask is not built anew.
        """
        if self._visible is None:
            self._visible = like.new_full((len(self.sequences), self.capacity), mask_value(like.dtype))
            for i, sequence in enumerate(self.sequences):
                sequence.unmask_slots(self._visible[i : i + 1])
        return self._visible

    def compact(self) -> None:
        """Moves the slots written by running sequences into one block, right after the prompt's tokens."""
        import torch

        own = sorted(slot for sequence in self.sequences for slot in sequence.slots)
        start = len(self.tokens)
        if self.used <= start + len(own):
            return
        places = {slot: start + i for i, slot in enumerate(own)}
        for keys, values in self.layers.values():
            chosen = torch.tensor(own, device=keys.device, dtype=torch.long)
            for one in (keys, values):
                # index_select copies before it is assigned: source and target overlap, a slice copy would corrupt them.
                one[:, :, start : start + len(own)] = one.index_select(2, chosen)
        for sequence in self.sequences:
            sequence.slots = [places[slot] for slot in sequence.slots]
        self.used = start + len(own)
        self._visible = None

    def split_off(self, sequence: PackedSequence) -> None:
        """Moves a running sequence to a new prefix, with a copy of all keys and values that it attends to."""
        import numpy as np
        import torch

        prompt, seen = sequence.request.prompt, sequence.shared + len(sequence.slots)
        own = SharedPrefix(np.array(prompt), sequence.slots_alone)
        for layer, both in self.layers.items():
            chosen = torch.tensor(sequence.slots, device=both[0].device, dtype=torch.long)
            own.layers[layer] = keys, values = own._empty(both[0]), own._empty(both[1])
            for old, new in zip(both, (keys, values), strict=True):
                new[:, :, : sequence.shared] = old[:, :, : sequence.shared]
                # In the order of writing, which is that of the text: the copy is contiguous (see `contiguous`).
                new[:, :, sequence.shared : seen] = old.index_select(2, chosen)
        self.detach(sequence)
        own.used, sequence.prefix, sequence.shared = seen, own, len(prompt)
        sequence.slots = list(range(len(prompt), seen))
        own.attach(sequence)

    def _empty(self, like: torch.Tensor) -> torch.Tensor:
        return like.new_empty((1, like.shape[1], self.capacity, like.shape[3]))

    def _allocated(self, layer: int, like: torch.Tensor, which: int) -> torch.Tensor:
        fresh = self._empty(like)
        if self._source is not None:
            source, shared = self._source
            fresh[:, :, :shared] = source.layers[layer][which][:, :, :shared]
        return fresh

    def _grown(self, old: torch.Tensor) -> torch.Tensor:
        fresh = self._empty(old)
        fresh[:, :, : self.used] = old[:, :, : self.used]
        return fresh


@dataclass(slots=True, eq=False)
class PackedSequence:
    """A running request in a packed batch, and the slots of its keys and values.

    Attributes:
        request: what is generated.
        prefix: the buffer that holds its keys and values.
        shared: the number of the prefix's own tokens that it sees.
        reserved: slots that it may still write after the prefix.
        slots: those that it has written there, in the order of its text.
    """

    request: RequestState
    prefix: SharedPrefix
    shared: int
    reserved: int
    slots: list[int] = field(default_factory=list)

    @property
    def owns_prefix(self) -> bool:
        """Whether the prefix consists of this request's whole prompt."""
        return self.shared == len(self.request.prompt)

    @property
    def contiguous(self) -> bool:
        """Whether the used part of the buffer holds exactly this sequence's text, in order."""
        prefix = self.prefix
        return self.owns_prefix and prefix.sequences == [self] and prefix.used == self.shared + len(self.slots)

    @property
    def slots_alone(self) -> int:
        """The number of slots that the sequence needs if it is moved to a new prefix (`SharedPrefix.split_off`)."""
        return self.shared + len(self.slots) + self.reserved

    def unmask_slots(self, mask: torch.Tensor) -> None:
        """Sets `mask` [queries, slots] to 0 at the slots that every token of this sequence attends to."""
        import torch

        mask[:, : self.shared] = 0
        if self.slots:
            mask[:, torch.tensor(self.slots, device=mask.device)] = 0


def mask_value(dtype: torch.dtype) -> float:
    """Returns the large negative number that masks a slot when added to its attention score.

    With -inf, a block of slots of which a query sees none would give NaN.
    """
    import torch

    return torch.finfo(dtype).min / 2


@dataclass(slots=True, eq=False)
class PackedSegment:
    """The tokens of a packed row that attend to one shared prefix.

    Attributes:
        prefix: the buffer that they see and write to.
        start: first of them in the row.
        stop: end of them in the row.
        first_slot: slot of the first; the others follow it.
        mask: additive [tokens, slots up to the last of them]; None where each sees every slot before it and itself.
    """

    prefix: SharedPrefix
    start: int
    stop: int
    first_slot: int
    mask: torch.Tensor | None
    _folded: dict[int, torch.Tensor] = field(default_factory=dict)

    def attend(self, layer: int, heads: Sequence[torch.Tensor], scaling: float | None) -> torch.Tensor:
        """Returns the attention output of this segment's tokens, [1, heads, tokens, size].

        `heads` holds query, key and value of the whole packed row, each [1, heads, row, size].
        """
        from torch.nn.functional import scaled_dot_product_attention

        query, key, value = (one[:, :, self.start : self.stop] for one in heads)
        keys, values = self.prefix.write(layer, self.first_slot, key, value)
        total, n, shared = query.shape[1], query.shape[2], keys.shape[1]
        groups = total // shared
        # A folded query is no longer causal by position, so without a mask only a single token may be folded.
        if n <= _FOLD_LIMIT and (n == 1 or self.mask is not None):
            mask = self._mask_of_groups(groups)
            query = query.reshape(1, shared, groups * n, query.shape[3])
            output = scaled_dot_product_attention(query, keys, values, attn_mask=mask, scale=scaling)
        else:
            query = query.reshape(shared, groups, n, query.shape[3])
            keys, values = (one.transpose(0, 1).expand(-1, groups, -1, -1) for one in (keys, values))
            mask, first = self._bias(n, keys.shape[2]), self.mask is None and self.first_slot == 0
            output = scaled_dot_product_attention(query, keys, values, attn_mask=mask, is_causal=first, scale=scaling)
        return output.reshape(1, total, n, -1)

    def _mask_of_groups(self, groups: int) -> torch.Tensor | None:
        # Every layer of a pass asks for the same mask: it is repeated once a pass, not once a layer.
        if self.mask is not None and groups not in self._folded:
            self._folded[groups] = self.mask.repeat(groups, 1)
        return self._folded.get(groups)

    def _bias(self, n: int, slots: int) -> torch.Tensor | None:
        if self.mask is not None or self.first_slot == 0:
            return self.mask
        from torch.nn.attention.bias import causal_lower_right

        # is_causal would align the diagonal at the upper left: right only where nothing is cached.
        return causal_lower_right(n, slots)


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,  # noqa: ARG001 - each segment has a mask of its own
    scaling: float | None = None,
    **kwargs: Any,  # noqa: ANN401 - whatever a model hands to attention
) -> tuple[torch.Tensor, None]:
    """Computes attention over packed sequences for a Transformers model; returns [1, tokens, heads, size].

    Raises `ValueError` for kinds of attention that this function does not compute.
    """
    import torch

    # A model that asks for, say, a soft cap must fail here and be refused: ignoring it would give wrong answers.
    unsupported = sorted(name for name in _UNSUPPORTED if kwargs.get(name) is not None)
    if unsupported:
        message = f"packed attention does not support {', '.join(unsupported)}"
        raise ValueError(message)
    layer: Any = module.layer_idx
    segments: Sequence[PackedSegment] = kwargs["ragvlc_segments"]
    outputs = [segment.attend(layer, (query, key, value), scaling) for segment in segments]
    return (outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2)).transpose(1, 2).contiguous(), None


def no_attention_mask(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the library's signature differs by version
    """Replaces the function of Transformers that builds a mask; returns None, because each segment has its own mask."""
