"""Padded batch: prompts padded to one length, one per row; works for every causal model of `transformers`.

A batch is padded on the left, so that every row's next token comes from the last column. Positions count a row's own
tokens, and padding is masked. A single prompt is computed as `model.generate(do_sample=False)` computes it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragvlc.core import interruption
from ragvlc.engines.batching.decoding import (
    Detokenizer,
    RequestState,
    append_tokens,
    attention_kernels,
    sample_tokens,
)

if TYPE_CHECKING:
    import torch
    from transformers import Cache, PreTrainedModel

__all__ = ["PaddedBatch"]

_PREFILL_COLUMNS = 2048  # of a padded batch at a time: its mask has a row for every one of them


class PaddedBatch:
    """Batch that is computed from the prompts to the last token; no request joins while the batch runs.

    Args:
        model: any causal language model.
        detokenizer: end tokens and text.
        batch_tokens: columns times rows of a batch; a single request may have more.
    """

    def __init__(self, model: PreTrainedModel, detokenizer: Detokenizer, *, batch_tokens: int) -> None:
        self._model = model
        self._detokenizer = detokenizer
        self._batch_tokens = batch_tokens

    @property
    def running(self) -> Sequence[RequestState]:
        """Always empty, because `start` finishes all requests that it starts."""
        return ()

    def select(self, waiting: Sequence[RequestState], limit: int) -> list[int]:
        """Returns the indices of the first waiting request and of the requests closest to it in length."""
        lengths = [len(request.prompt) + request.max_tokens for request in waiting]
        order = sorted(range(1, len(waiting)), key=lambda i: (abs(lengths[i] - lengths[0]), i))
        # The first is always taken, whatever its length: no request waits for ever.
        chosen, longest = [0], lengths[0]
        for place in order[: limit - 1]:
            longest = max(longest, lengths[place])
            if longest * (len(chosen) + 1) > self._batch_tokens:
                break
            chosen.append(place)
        return chosen

    def start(self, requests: Sequence[RequestState]) -> None:
        """Generates all tokens of the requests."""
        import torch
        from transformers import DynamicCache

        started = time.perf_counter()
        model = self._model
        ids, mask = _padded(requests, pad=min(self._detokenizer.end_ids, default=0), device=model.device)
        cache = DynamicCache(config=model.config)
        chosen = sample_tokens(_prefill(model, cache, ids, mask), requests)
        append_tokens(requests, chosen, self._detokenizer)
        first = time.perf_counter()
        positions = torch.tensor([[len(request.prompt)] for request in requests], device=model.device)
        while any(request.finish is None for request in requests):
            step = torch.tensor(chosen, device=model.device).unsqueeze(1)
            if mask is not None:
                mask = torch.cat([mask, mask.new_ones(len(requests), 1)], dim=1)
            logits = _forward(model, cache, step, mask, positions)
            # A finished request's position stays: some models have no position beyond their window.
            positions = positions + torch.tensor([[r.finish is None] for r in requests], device=model.device)
            chosen = sample_tokens(logits, requests)
            append_tokens(requests, chosen, self._detokenizer)
        _share_seconds(requests, first - started, time.perf_counter() - first)

    def step(self) -> None:
        """Does nothing, because no request is ever running."""

    def remove(self, requests: Sequence[RequestState]) -> None:
        """Does nothing, because no request is ever running."""

    def free_cache(self) -> bool:
        """Returns False, because there is no prefix cache."""
        return False


def _share_seconds(requests: Sequence[RequestState], prefill: float, decoding: float) -> None:
    """Divides the batch's seconds among its requests: prefill by prompt tokens, decoding by generated tokens."""
    prompts, news = sum(len(request.prompt) for request in requests), sum(len(request.tokens) for request in requests)
    for request in requests:
        request.first_token_seconds = prefill
        request.prefill_seconds += prefill * len(request.prompt) / prompts
        request.decode_seconds += decoding * len(request.tokens) / news


def _padded(
    requests: Sequence[RequestState], *, pad: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Returns padded token ids [requests, columns], and the mask of real tokens, which is None without padding."""
    import torch

    columns = max(len(request.prompt) for request in requests)
    if all(len(request.prompt) == columns for request in requests):
        return torch.tensor([list(request.prompt) for request in requests], device=device), None
    gaps = [columns - len(request.prompt) for request in requests]
    ids = torch.tensor(
        [[pad] * gap + list(request.prompt) for request, gap in zip(requests, gaps, strict=True)], device=device
    )
    mask = torch.arange(columns, device=device) >= torch.tensor(gaps, device=device).unsqueeze(1)
    return ids, mask.long()


def _prefill(model: PreTrainedModel, cache: Cache, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Computes the prompts and returns the logits after their last tokens.

    Without padding, attention needs no mask.
    """
    import torch

    columns = ids.shape[1]
    if mask is None:
        positions = torch.arange(columns, device=ids.device).unsqueeze(0).expand(ids.shape)
        return _forward(model, cache, ids, None, positions)
    # Padding counts no positions, and gets position 0 rather than -1, which some embeddings cannot look up.
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    for start in range(0, columns, _PREFILL_COLUMNS):
        part = slice(start, start + _PREFILL_COLUMNS)
        logits = _forward(model, cache, ids[:, part], mask[:, : part.stop], positions[:, part])
    return logits


def _forward(
    model: PreTrainedModel,
    cache: Cache,
    ids: torch.Tensor,
    mask: torch.Tensor | None,
    positions: torch.Tensor,
) -> torch.Tensor:
    """Returns float32 logits [rows, vocabulary] of the last column of `ids`; `cache` grows by all columns of `ids`."""
    interruption.check()
    with attention_kernels(model.device):
        out = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
    logits: torch.Tensor = out.logits[:, -1].float()
    return logits
