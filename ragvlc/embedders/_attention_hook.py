"""Attention function, registered with Transformers, that applies the context-window extension of the current batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragvlc.core.errors import EngineError
from ragvlc.embedders._extended_batch import current_batch

if TYPE_CHECKING:
    from torch import Tensor

    from ragvlc.embedders._extended_batch import ExtendedBatch

__all__ = ["NAME", "replace_attention"]

NAME = "ragvlc_long"


def replace_attention(model: Any, label: str) -> None:  # noqa: ANN401 - the library's class
    """Makes the model's layers call `_attention` instead of PyTorch's attention function.

    Raises:
        EngineError: the model computes its attention in code of its own.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    try:
        if not model._supports_sdpa:  # noqa: SLF001 - the library has no public name for it
            raise ValueError("it does not take PyTorch's attention")  # noqa: TRY301 - one message for all reasons
        model.set_attn_implementation(NAME)
    except (ValueError, AttributeError, KeyError, ImportError) as error:
        message = (
            f"embedder '{label}': its attention cannot be replaced: {error}. Use extension: parallel_windows, or one "
            "other than self_extend with attention_scaling: false."
        )
        raise EngineError(message) from error


def _attention(
    module: Any,  # noqa: ANN401 - torch's module
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **settings: Any,  # noqa: ANN401 - the library's contract
) -> tuple[Tensor, None]:
    """Returns the attention output [texts, tokens, heads, d], with a context-window extension if one is active."""
    from transformers import AttentionInterface

    batch = current_batch()
    if batch is not None and settings.get("sliding_window") is None:
        batch.attention_calls += 1
        if batch.query_factors is not None:
            query = query * batch.query_factors[:, None, None, None].to(query.dtype)
        if batch.grouped is not None:
            return _grouped_attention(module, (query, key, value), batch, settings), None
    found: tuple[Tensor, None] = AttentionInterface()["sdpa"](module, query, key, value, attention_mask, **settings)
    return found


def _grouped_attention(
    module: Any,  # noqa: ANN401 - torch's module
    states: tuple[Tensor, Tensor, Tensor],
    batch: ExtendedBatch,
    settings: dict[str, Any],
) -> Tensor:
    query = states[0]
    texts, heads, width, size = query.shape
    causal = settings.get("is_causal")
    causal = bool(getattr(module, "is_causal", True) if causal is None else causal)
    scale = settings.get("scaling")
    flat = []
    for state in states:
        rows = state.transpose(1, 2).reshape(texts * width, state.shape[1], size)
        flat.append(rows if rows.shape[1] == heads else rows.repeat_interleave(heads // rows.shape[1], dim=1))
    out = query.new_zeros(texts * width, heads, size)
    for part in batch.grouped:
        packed = [rows[part.tokens] for rows in flat]
        found = part.attention(*packed, scale=size**-0.5 if scale is None else scale, causal=causal)
        out[part.tokens] = found.to(out.dtype)
    return out.view(texts, width, heads, size)
