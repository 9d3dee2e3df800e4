"""Which models can be laid flat: asked of the configuration, then tried.

What is tried is what matters: two prompts with a common beginning and a token after each, flat and plainly. A model
that does something of its own in attention gives other logits, or an error, and is computed in padded batches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ragvlc.engines.batching.decoding import Row
from ragvlc.engines.batching.packed import LEAST_SHARED, Piece, forward
from ragvlc.engines.batching.shared_prefix import ATTENTION, Branch, Trunk, attend, no_mask

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel

__all__ = ["laid_flat", "why_one_by_one"]

_BY_LENGTH = ("dynamic", "longrope")
_EXACT, _ROUNDED = 1e-3, 0.1  # relative error of logits: float32, and formats of 16 bits


def why_one_by_one(config: PreTrainedConfig) -> str:
    """Returns why rows of this model must not be computed together, or nothing.

    Some rotary embeddings change with the longest position of a forward pass: a row would feel its neighbours.
    """
    own = config.get_text_config()
    settings: Any = getattr(own, "rope_parameters", None) or getattr(own, "rope_scaling", None) or {}
    for one in (settings, *(inner for inner in settings.values() if isinstance(inner, dict))):
        kind = one.get("rope_type", one.get("type"))
        if kind in _BY_LENGTH:
            return f"its rotary embedding ({kind}) depends on the longest prompt of a batch"
    return ""


def laid_flat(model: PreTrainedModel, attention: str) -> str:
    """Switches `model` to flat attention and returns nothing, or returns why it cannot be."""
    import torch
    from transformers import AttentionInterface, AttentionMaskInterface

    problem = _unsuitable(model.config, attention)
    if problem:
        return problem
    AttentionInterface.register(ATTENTION, attend)
    AttentionMaskInterface.register(ATTENTION, no_mask)
    with torch.inference_mode():
        try:
            plain = _plainly(model)
            model.set_attn_implementation(ATTENTION)
            error = _distance(plain, _flatly(model))
        except Exception as problem:  # noqa: BLE001 - whatever a model of another kind raises
            model.set_attn_implementation(attention)
            return f"its attention cannot be laid flat ({(str(problem) or type(problem).__name__).splitlines()[0]})"
    if not error <= (_EXACT if model.dtype == torch.float32 else _ROUNDED):
        model.set_attn_implementation(attention)
        return f"its attention is of another kind (logits differ by {error:.2g})"
    return ""


def _unsuitable(config: PreTrainedConfig, attention: str) -> str:
    from transformers import DynamicCache

    if attention != "sdpa":
        return f"attention is '{attention}', not 'sdpa'"
    layers = getattr(DynamicCache(config=config), "layers", ())
    strange = sorted({type(layer).__name__ for layer in layers} - {"DynamicLayer"})
    return f"its cache has layers of another kind ({', '.join(strange)})" if strange else ""


def _prompts(model: PreTrainedModel) -> tuple[list[int], list[int], list[int]]:
    """Returns two prompts with a common beginning, and a token that follows each."""
    size = model.config.get_text_config().vocab_size
    ids = [(11 * i + 5) % size for i in range(LEAST_SHARED + 12)]
    return ids[: LEAST_SHARED + 6], [*ids[:LEAST_SHARED], *ids[-3:]], [ids[1], ids[2]]


def _plainly(model: PreTrainedModel) -> torch.Tensor:
    import torch

    found = []
    for prompt, following in zip(_prompts(model)[:2], _prompts(model)[2], strict=True):
        out = model(input_ids=torch.tensor([[*prompt, following]], device=model.device), use_cache=False)
        found.append(out.logits[0, -2:].float())
    return torch.stack(found, dim=1)


def _flatly(model: PreTrainedModel) -> torch.Tensor:
    import torch

    one, other, following = _prompts(model)
    trunk = Trunk(np.array(one), len(one) + len(other))
    branches = [Branch(Row(one, 1), trunk, len(one), 1), Branch(Row(other, 1), trunk, LEAST_SHARED, 4)]
    for branch in branches:
        trunk.join(branch)
    first = forward(model, [Piece(branches[0], one, 0), Piece(branches[1], other[LEAST_SHARED:], LEAST_SHARED)])
    pieces = [Piece(branch, [token], len(branch.row.prompt)) for branch, token in zip(branches, following, strict=True)]
    return torch.stack([first, forward(model, pieces)])


def _distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """Returns how far `other` is from `one`, against how far its logits are from each other."""
    spread = (one - one.mean(dim=-1, keepdim=True)).norm()
    return float((one - other).norm() / spread)
