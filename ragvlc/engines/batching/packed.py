"""Packed batch: shared prefixes are computed once, and the new tokens of all requests form one row of a forward pass.

Only attention tells the sequences apart (see `engines.batching.shared_prefix`); there is no padding, and keys and
values of a shared prefix are read once for all sequences on it. Requests join and leave between two tokens.

Measured on one CPU core with SmolLM2's shapes (9 query heads over 3 of keys, 64 wide): eight sequences without a shared
prefix cost about as much in eight calls of the attention kernel as in a padded batch (450 tokens: 0.51 against 0.44 ms
a layer in bfloat16, 1.1 against 0.7 in float32; 900 tokens: 1.3 against 1.2, and 2.5 against 2.3) and half of what one
block mask over all their slots costs; so every shared prefix is a kernel call of its own. Twelve sequences over 6,000
shared tokens: 2.9 ms in bfloat16 and 5.3 in float32, against 13.4 and 20.0 over an expanded copy.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from ragvlc import memory
from ragvlc.core import interruption
from ragvlc.engines.batching.decoding import (
    Detokenizer,
    RequestState,
    append_tokens,
    attention_kernels,
    sample_tokens,
)
from ragvlc.engines.batching.prefix_cache import PrefixCache
from ragvlc.engines.batching.shared_prefix import PackedSegment, PackedSequence, SharedPrefix, mask_value

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from transformers import PreTrainedModel

__all__ = ["MIN_SHARED", "UNLIMITED", "NewTokens", "PackedBatch", "PassLimits", "forward"]

MIN_SHARED = 16
"""Tokens: a shorter common prefix is computed again."""
_MIN_SHARED_RATIO = 4
"""A request shares a prefix if the tokens in common are at least this multiple of its other tokens; else it copies."""


@dataclass(frozen=True, slots=True)
class PassLimits:
    """What a forward pass may take; see `ragvlc.hardware.memory_plan`.

    Attributes:
        tokens: of a pass.
        mask_entries: tokens times slots of the mask that CPU kernels need for a later part of a prompt.
        token_bytes: KV cache of one token; 0 where nothing is evicted before it is allocated.
    """

    tokens: int = 8192
    mask_entries: int = sys.maxsize
    token_bytes: int = 0


UNLIMITED = PassLimits()


@dataclass(frozen=True, slots=True)
class NewTokens:
    """Tokens of one sequence in a forward pass: a part of its prompt, or the token sampled last.

    Attributes:
        sequence: whose tokens they are.
        tokens: their ids.
        position: of the first of them in the sequence's text.
    """

    sequence: PackedSequence
    tokens: Sequence[int]
    position: int

    @property
    def of_prefix(self) -> bool:
        """Whether these tokens belong to the shared prefix itself."""
        return self.sequence.owns_prefix and self.position < self.sequence.shared

    @property
    def ends_prompt(self) -> bool:
        """Whether these tokens end the prompt, so that the first generated token comes next."""
        return self.position + len(self.tokens) == len(self.sequence.request.prompt)


class PackedBatch:
    """Continuous batch: requests join and leave between decoding steps, and share cached prefixes.

    Args:
        model: one that `ragvlc.engines.batching.support` accepts, switched to the attention `ragvlc_packed`.
        detokenizer: end tokens and text.
        prefixes: the prefix cache.
        batch_tokens: slots of all running requests; a single request may have more.
        limits: of a forward pass.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        detokenizer: Detokenizer,
        prefixes: PrefixCache,
        *,
        batch_tokens: int,
        limits: PassLimits = UNLIMITED,
    ) -> None:
        self._model = model
        self._detokenizer = detokenizer
        self._prefixes = prefixes
        self._batch_tokens = batch_tokens
        self._limits = limits
        self._sequences: list[PackedSequence] = []

    @property
    def running(self) -> Sequence[RequestState]:
        """Requests that were started and are not finished."""
        return [sequence.request for sequence in self._sequences]

    def select(self, waiting: Sequence[RequestState], limit: int) -> list[int]:
        """Returns the indices of the first requests that fit the token budget; shared prefix tokens cost nothing."""
        prefixes = {id(sequence.prefix): sequence.prefix for sequence in self._sequences}
        spent = sum(max(prefix.used, len(prefix.tokens)) for prefix in prefixes.values())
        spent += sum(sequence.reserved for sequence in self._sequences)
        chosen: list[int] = []
        for place, request in enumerate(waiting[:limit]):
            prefix, shared = self._prefixes.longest_match(np.array(request.prompt))
            cost = request.max_tokens + len(request.prompt) - (shared if prefix and _shares(request, shared) else 0)
            # Strictly first come, first served: skipping one that is too large would let it starve.
            if spent + cost > self._batch_tokens and (chosen or self._sequences):
                break
            chosen.append(place)
            spent += cost
        return chosen

    def start(self, requests: Sequence[RequestState]) -> None:
        """Computes the uncached prompt tokens, shared prefixes first, and samples every request's first token."""
        started = time.perf_counter()
        begun: list[PackedSequence] = []
        sources: list[SharedPrefix | None] = []
        try:
            # Sorted by tokens, the prompts that share a prefix follow each other, and a prompt that is itself the
            # prefix of another is placed before it.
            for request in sorted(requests, key=lambda request: list(request.prompt)):
                sequence, source = self._place(request)
                begun.append(sequence)
                sources.append(source)
            # Before anything is allocated, so that new and cached prefixes never exceed the capacity together.
            new = sum(one.prefix.capacity for one in begun if one.owns_prefix and not one.prefix.layers)
            self._prefixes.make_space(new * self._limits.token_bytes)
            for parts in _passes(begun, self._limits):
                self._prefill(parts, started)
        except BaseException:
            # All or nothing: a prefix whose tokens were not all computed must not stay in the cache.
            for sequence in begun:
                sequence.prefix.detach(sequence)
                if sequence.owns_prefix:
                    self._prefixes.discard(sequence.prefix)
            raise
        # Costs only now: a source may have been started by the same call, and then it had none at its placing.
        for sequence, source in zip(begun, sources, strict=True):
            request = sequence.request
            request.saved_seconds = source.cost(request.cached) if source else 0.0
            if source and sequence.owns_prefix:
                sequence.prefix.add_copied_cost(request.cached, request.saved_seconds)
        self._sequences += begun
        self._remove_finished()

    def step(self) -> None:
        """Computes one token of every running request."""
        started = time.perf_counter()
        # Sequences on one prefix must follow each other (`_segments`), in the order they were attached (cached mask).
        order = {id(sequence.prefix): i for i, sequence in reversed(list(enumerate(self._sequences)))}
        sequences = sorted(self._sequences, key=lambda sequence: order[id(sequence.prefix)])
        parts = [
            NewTokens(
                sequence, sequence.request.tokens[-1:], len(sequence.request.prompt) + len(sequence.request.tokens) - 1
            )
            for sequence in sequences
        ]
        requests = [sequence.request for sequence in sequences]
        append_tokens(requests, sample_tokens(forward(self._model, parts), requests), self._detokenizer)
        seconds = (time.perf_counter() - started) / len(requests)
        for request in requests:
            request.decode_seconds += seconds
        self._remove_finished()

    def remove(self, requests: Sequence[RequestState]) -> None:
        """Removes running requests; their prefixes stay in the cache while its capacity suffices."""
        for sequence in [sequence for sequence in self._sequences if sequence.request in requests]:
            self._sequences.remove(sequence)
            sequence.prefix.detach(sequence)
        self._prefixes.evict()
        memory.give_back()

    def free_cache(self) -> bool:
        """Frees cached prefixes that no request is using; returns whether there were any."""
        return self._prefixes.evict_idle()

    def _remove_finished(self) -> None:
        self.remove([sequence.request for sequence in self._sequences if sequence.request.finish is not None])

    def _place(self, request: RequestState) -> tuple[PackedSequence, SharedPrefix | None]:
        """Creates a request's sequence; returns it with the cached prefix that it shares or copies, or None."""
        tokens: NDArray[np.int64] = np.array(request.prompt)
        match, common = (None, 0) if request.cold else self._prefixes.longest_match(tokens)
        shared = min(common, len(tokens) - 1)  # the last token is always computed: its logits give the first new one
        if match is None or shared < MIN_SHARED:
            match, shared = None, 0
        request.cached = shared
        if match is not None and _shares(request, shared):
            prefix, reserved = match, len(tokens) - shared + request.max_tokens
            prefix.reserve(reserved)
        else:
            reserved, margin = request.max_tokens, len(tokens) // 8  # the margin is for sequences that join later
            prefix = SharedPrefix(tokens, len(tokens) + reserved + margin, (match, shared) if match else None)
            shared = len(tokens)
        if not request.cold:
            self._prefixes.add(prefix)
        sequence = PackedSequence(request, prefix, shared, reserved)
        prefix.attach(sequence)
        return sequence, match

    def _prefill(self, parts: Sequence[NewTokens], started: float) -> None:
        begun = time.perf_counter()
        logits = forward(self._model, parts)
        requests = [part.sequence.request for part in parts if part.ends_prompt]
        if requests:
            append_tokens(requests, sample_tokens(logits, requests), self._detokenizer)
        now = time.perf_counter()
        for request in requests:
            request.first_token_seconds = now - started
        total = sum(len(part.tokens) for part in parts)
        for part in parts:
            seconds = (now - begun) * len(part.tokens) / total
            part.sequence.request.prefill_seconds += seconds
            if part.of_prefix:
                part.sequence.prefix.add_cost(len(part.tokens), seconds)


def _shares(request: RequestState, shared: int) -> bool:
    """Whether a request uses a cached prefix in place instead of copying it.

    What it computes after a shared prefix is gone when it ends. A prompt with much of its own gets a new prefix
    instead, which later prompts can match as a whole.
    """
    return shared >= MIN_SHARED and (len(request.prompt) - shared) * _MIN_SHARED_RATIO <= shared


def _passes(begun: Sequence[PackedSequence], limits: PassLimits) -> list[list[NewTokens]]:
    """Divides new tokens into forward passes, in which a prefix is computed before the sequences that share it."""
    longest = max(len(sequence.request.prompt) + sequence.prefix.used for sequence in begun)
    limit = min(limits.tokens, max(256, limits.mask_entries // longest))
    order = {id(sequence.prefix): i for i, sequence in reversed(list(enumerate(begun)))}
    passes: list[list[NewTokens]] = [[]]
    left = limit
    for sequence in sorted(begun, key=lambda sequence: (not sequence.owns_prefix, order[id(sequence.prefix)])):
        prompt, start = sequence.request.prompt, sequence.request.cached
        while start < len(prompt):
            if left == 0:
                passes.append([])
                left = limit
            stop = min(len(prompt), start + left)
            passes[-1].append(NewTokens(sequence, prompt[start:stop], start))
            left -= stop - start
            start = stop
    return passes


def forward(model: PreTrainedModel, parts: Sequence[NewTokens]) -> torch.Tensor:
    """Runs a forward pass over `parts`; returns float32 logits of the sequences that need a next token.

    The parts must be ordered by prefix.

    Returns:
        [sequences, vocabulary], in the order of the parts that end a prompt or are one sampled token.
    """
    import torch

    interruption.check()
    device = model.device
    ids = [token for part in parts for token in part.tokens]
    positions = [part.position + i for part in parts for i in range(len(part.tokens))]
    ends, end = [], 0
    for part in parts:
        end += len(part.tokens)
        if part.position + len(part.tokens) >= len(part.sequence.request.prompt):
            ends.append(end - 1)
    before = {id(part.sequence.prefix): (part.sequence.prefix, part.sequence.prefix.used) for part in parts}
    try:
        segments = _segments(parts, model.dtype, device)
        with attention_kernels(device):
            out = model(
                input_ids=torch.tensor([ids], device=device),
                position_ids=torch.tensor([positions], device=device),
                use_cache=False,  # the library's cache would store every key a second time
                logits_to_keep=torch.tensor(
                    ends or [0], device=device
                ),  # torch makes an empty list a float tensor, no index
                ragvlc_segments=segments,
            )
        logits: torch.Tensor = out.logits[0].float()
    except BaseException:
        # Slots were claimed before they were written: give them back, or later tokens would see stale values there.
        for prefix, used in before.values():
            prefix.used = used
        raise
    for segment in segments:
        segment.prefix.drop_source()
    _record_slots(parts, segments)
    return logits


def _segments(parts: Sequence[NewTokens], dtype: torch.dtype, device: torch.device) -> list[PackedSegment]:
    """Returns one segment for consecutive parts with the same prefix, and reserves slots for their keys and values."""
    segments, start = [], 0
    for (_, of_prefix), group in groupby(parts, key=lambda part: (id(part.sequence.prefix), part.of_prefix)):
        members = list(group)
        prefix, n = members[0].sequence.prefix, sum(len(part.tokens) for part in members)
        slot = prefix.used
        prefix.used += n
        mask = _causal_mask(slot, n, dtype, device) if of_prefix else _block_mask(prefix, members, slot, dtype, device)
        segments.append(PackedSegment(prefix, start, start + n, slot, mask))
        start += n
    return segments


def _record_slots(parts: Sequence[NewTokens], segments: Sequence[PackedSegment]) -> None:
    """Records which slots each sequence has written after its prefix."""
    next_slot = {id(segment): segment.first_slot for segment in segments}
    place = 0
    for part in parts:
        segment = next(segment for segment in segments if segment.start <= place < segment.stop)
        n, slot = len(part.tokens), next_slot[id(segment)]
        if not part.of_prefix:
            part.sequence.slots += range(slot, slot + n)
            part.sequence.reserved -= n
        next_slot[id(segment)] += n
        place += n


def _causal_mask(start: int, n: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor | None:
    """Returns the causal mask of a prefix's own tokens; None where the attention kernel applies the mask itself.

    That is everywhere but in a later part of a prompt on a CPU, whose kernels know no causal mask with a longer key.
    """
    import torch

    if start == 0 or n == 1 or device.type == "cuda":
        return None
    return torch.full((n, start + n), mask_value(dtype), dtype=dtype, device=device).triu_(start + 1)


def _block_mask(
    prefix: SharedPrefix, parts: Sequence[NewTokens], start: int, dtype: torch.dtype, device: torch.device
) -> torch.Tensor | None:
    """Returns the block mask: each token attends to its sequence's shared prefix and to its sequence's own tokens."""
    import torch

    like = torch.empty(0, dtype=dtype, device=device)
    n = sum(len(part.tokens) for part in parts)
    sequences = [part.sequence for part in parts]
    if n == 1 and start == sequences[0].shared + len(sequences[0].slots):
        return None  # a single token, and every slot before it is its sequence's own
    # One token of every sequence, in the prefix's order: the common case of decoding, for which the mask is cached.
    if n == len(parts) and sequences == prefix.sequences:
        visible = prefix.visible(like)
        visible[:, start : start + n].fill_diagonal_(0)
        return visible[:, : start + n]
    mask = like.new_full((n, start + n), mask_value(dtype))
    row = 0
    for part in parts:
        stop = row + len(part.tokens)
        part.sequence.unmask_slots(mask[row:stop])
        mask[row:stop, start + row : start + stop].triu_(1)
        row = stop
    return mask
