"""How the memory left by a model's weights is divided: KV caches, forward passes, and a rest for everything else."""

from __future__ import annotations

from dataclasses import dataclass

from ragvlc.hardware.model_sizes import Shape

__all__ = ["BATCH_TOKENS", "MASK_ENTRIES", "PASS_TOKENS", "UNKNOWN_SHAPE_BYTES", "MemoryPlan", "plan_memory"]

BATCH_TOKENS = 32_768
"""Slots of running requests where none are set: then no more than one and a quarter windows, either."""
PASS_TOKENS = 8192
"""Tokens of a forward pass at most. On a CPU, 6,000 take a little less time in one than in two, a third less than in
three."""
MASK_ENTRIES = 2**26
"""Entries of an attention mask at most, which CPU kernels need for a later part of a prompt."""
UNKNOWN_SHAPE_BYTES = 2**30
"""Cached prefixes of a model whose size is not known, where so much is left."""
_KV_SHARE, _PASS_SHARE, _MASK_SHARE = 0.5, 0.2, 0.1
_WINDOWS = 1.25
"""Prompts of the whole window, running or cached: one with its margin, and the questions about it."""
_LEAST_PREFIXES = 2**28
"""Bytes, of models with a small window."""
_FILLED = 8 / 9
"""Share of a buffer that its prompt fills; the rest is for sequences that join later."""
_LEAST_PASS = 256
_MOST_PASS_BYTES = 128 * 2**20
"""Activations of a pass; larger passes are hardly faster."""
_HIDDEN_BUFFERS, _GATE_BUFFERS = 8, 3


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Shares of main memory for one generator on a CPU.

    Attributes:
        prefixes: bytes of cached prefixes, those of running requests included.
        batch_tokens: slots of running requests; a single request may have more.
        token_bytes: KV cache of one token; 0 if it is not known.
        pass_tokens: tokens of a forward pass.
        pass_bytes: what such a pass takes beside the KV cache; 0 if it is not known.
        mask_entries: entries of an attention mask.
    """

    prefixes: int
    batch_tokens: int
    token_bytes: int = 0
    pass_tokens: int = PASS_TOKENS
    pass_bytes: int = 0
    mask_entries: int = MASK_ENTRIES

    @property
    def kv_bytes(self) -> int:
        """The largest KV caches of running requests and cached prefixes together."""
        return max(self.prefixes, self.batch_tokens * self.token_bytes)


def plan_memory(shape: Shape | None, left: int, window: int, *, batch_tokens: int, prefixes: int | None) -> MemoryPlan:
    """Returns the shares of a model in what its weights leave.

    Half is for KV caches, a fifth for the activations of a forward pass, a tenth for its attention mask; the rest is
    for copies, embeddings, indexes and what the allocator holds. Every share also has a ceiling: what is useful at all.

    Args:
        shape: of the model; None if it is not known.
        left: bytes.
        window: of the model, in tokens.
        batch_tokens: slots of running requests, as set.
        prefixes: bytes of cached prefixes, as set; None for the plan's.
    """
    kv = int(left * _KV_SHARE)
    if shape is None:
        return MemoryPlan(min(UNKNOWN_SHAPE_BYTES, kv) if prefixes is None else prefixes, batch_tokens)
    token = max(1, int(shape.held_bytes(1)))
    most = min(kv, max(_LEAST_PREFIXES, int(_WINDOWS * window * token)))
    active = shape.active_experts * shape.intermediate + shape.shared
    one = int((_HIDDEN_BUFFERS * shape.hidden + _GATE_BUFFERS * active) * shape.cache_bytes)
    tokens = min(PASS_TOKENS, max(_LEAST_PASS, min(_MOST_PASS_BYTES, int(left * _PASS_SHARE)) // max(1, one)))
    mask = min(MASK_ENTRIES, max(_LEAST_PASS**2, int(left * _MASK_SHARE / shape.cache_bytes)))
    return MemoryPlan(
        most if prefixes is None else prefixes,
        max(1, min(batch_tokens, int((most if batch_tokens == BATCH_TOKENS else kv) * _FILLED) // token)),
        token,
        tokens,
        tokens * one + int(mask * shape.cache_bytes),
        mask,
    )
