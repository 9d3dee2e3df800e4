"""An attention function, registered under a name of its own, that heeds the pass under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragvlc.core.errors import EngineError
from ragvlc.embedders._passes import current

if TYPE_CHECKING:
    from torch import Tensor

    from ragvlc.embedders._passes import Pass

__all__ = ["NAME", "heed"]

NAME = "ragvlc_long"


def heed(model: Any, label: str) -> None:  # noqa: ANN401 - the library's class
    """Makes the model's layers call the function here, which is PyTorch's own attention outside any pass.

    Raises:
        EngineError: the model computes its attention in a way of its own.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    try:
        if not model._supports_sdpa:  # noqa: SLF001 - where the library notes it
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
    """Returns the attention's output, [texts, width, heads, d]."""
    from transformers import AttentionInterface

    under_way = current()
    if under_way is not None and settings.get("sliding_window") is None:
        under_way.scaled += 1
        if under_way.factors is not None:
            query = query * under_way.factors[:, None, None, None].to(query.dtype)
        if under_way.far is not None:
            return _far(module, (query, key, value), under_way, settings), None
    found: tuple[Tensor, None] = AttentionInterface()["sdpa"](module, query, key, value, attention_mask, **settings)
    return found


def _far(module: Any, states: tuple[Tensor, Tensor, Tensor], batch: Pass, settings: dict[str, Any]) -> Tensor:  # noqa: ANN401
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
    for far in batch.far:
        packed = [rows[far.tokens] for rows in flat]
        found = far.attention(*packed, scale=size**-0.5 if scale is None else scale, causal=causal)
        out[far.tokens] = found.to(out.dtype)
    return out.view(texts, width, heads, size)
