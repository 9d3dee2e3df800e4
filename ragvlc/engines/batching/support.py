"""Tests whether a model works with packed attention, by its configuration and by comparing logits.

The trial decides: two prompts with a common prefix and a token after each, packed and plain. A model that does
something of its own in attention gives other logits, or an error, and is computed in padded batches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ragvlc.engines.batching.decoding import RequestState
from ragvlc.engines.batching.packed import MIN_SHARED, NewTokens, forward
from ragvlc.engines.batching.shared_prefix import (
    ATTENTION,
    PackedSequence,
    SharedPrefix,
    no_attention_mask,
    packed_attention,
)

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel

__all__ = ["switch_to_packed_attention", "why_not_batched"]

_BY_LENGTH = ("dynamic", "longrope")
# Largest relative error of logits, in float32 and in formats of 16 bits. Another kind of attention is off by far more.
_EXACT, _ROUNDED = 1e-3, 0.1


def why_not_batched(config: PreTrainedConfig) -> str:
    """Returns the reason why requests to this model must not be computed together, or an empty string.

    Some rotary embeddings change with the longest position of a forward pass: a sequence would depend on the others.
    """
    own = config.get_text_config()
    settings: Any = getattr(own, "rope_parameters", None) or getattr(own, "rope_scaling", None) or {}
    # Models with several kinds of layers have the settings one level deeper, by kind of layer.
    for one in (settings, *(inner for inner in settings.values() if isinstance(inner, dict))):
        kind = one.get("rope_type", one.get("type"))
        if kind in _BY_LENGTH:
            return f"its rotary embedding ({kind}) depends on the longest prompt of a batch"
    return ""


def switch_to_packed_attention(model: PreTrainedModel, attention: str) -> str:
    """Switches `model` to packed attention; returns an empty string, or the reason why the model was not switched."""
    import torch
    from transformers import AttentionInterface, AttentionMaskInterface

    problem = _unsuitable(model.config, attention)
    if problem:
        return problem
    AttentionInterface.register(ATTENTION, packed_attention)
    AttentionMaskInterface.register(ATTENTION, no_attention_mask)
    with torch.inference_mode():
        try:
            plain = _plain_logits(model)
            model.set_attn_implementation(ATTENTION)
            error = _distance(plain, _packed_logits(model))
        except Exception as problem:  # noqa: BLE001 - whatever a model of another kind raises
            model.set_attn_implementation(attention)
            return f"its attention cannot be packed ({(str(problem) or type(problem).__name__).splitlines()[0]})"
    if not error <= (_EXACT if model.dtype == torch.float32 else _ROUNDED):  # `not <=`, for an error that is NaN
        model.set_attn_implementation(attention)
        return f"its attention is of another kind (logits differ by {error:.2g})"
    return ""


def _unsuitable(config: PreTrainedConfig, attention: str) -> str:
    """Returns the setting in the configuration that rules out packed attention; empty if none does."""
    from transformers import DynamicCache

    if attention != "sdpa":
        return f"attention is '{attention}', not 'sdpa'"
    # The library's own cache names what a layer stores: sliding windows and recurrent states have other classes.
    layers = getattr(DynamicCache(config=config), "layers", ())
    strange = sorted({type(layer).__name__ for layer in layers} - {"DynamicLayer"})
    return f"its cache has layers of another kind ({', '.join(strange)})" if strange else ""


def _prompts(model: PreTrainedModel) -> tuple[list[int], list[int], list[int]]:
    """Returns two prompts with a common prefix, and a token that follows each."""
    size = model.config.get_text_config().vocab_size
    ids = [(11 * i + 5) % size for i in range(MIN_SHARED + 12)]
    return ids[: MIN_SHARED + 6], [*ids[:MIN_SHARED], *ids[-3:]], [ids[1], ids[2]]


def _plain_logits(model: PreTrainedModel) -> torch.Tensor:
    """Returns the logits after each prompt and after the token that follows it, computed by Transformers' attention."""
    import torch

    found = []
    for prompt, following in zip(_prompts(model)[:2], _prompts(model)[2], strict=True):
        out = model(input_ids=torch.tensor([[*prompt, following]], device=model.device), use_cache=False)
        found.append(out.logits[0, -2:].float())
    return torch.stack(found, dim=1)


def _packed_logits(model: PreTrainedModel) -> torch.Tensor:
    """Returns the same logits as `_plain_logits`, computed by packed attention.

    Both prompts are computed in one pass, then both tokens.

    The second prompt sees only a part of the first one's prefix, and the last pass goes through the cached block mask.
    """
    import torch

    one, other, following = _prompts(model)
    prefix = SharedPrefix(np.array(one), len(one) + len(other))
    sequences = [
        PackedSequence(RequestState(one, 1), prefix, len(one), 1),
        PackedSequence(RequestState(other, 1), prefix, MIN_SHARED, 4),
    ]
    for sequence in sequences:
        prefix.attach(sequence)
    first = forward(model, [NewTokens(sequences[0], one, 0), NewTokens(sequences[1], other[MIN_SHARED:], MIN_SHARED)])
    parts = [
        NewTokens(sequence, [token], len(sequence.request.prompt))
        for sequence, token in zip(sequences, following, strict=True)
    ]
    return torch.stack([first, forward(model, parts)])


def _distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """Returns the distance between two sets of logits, relative to the spread of the first."""
    spread = (one - one.mean(dim=-1, keepdim=True)).norm()
    return float((one - other).norm() / spread)
