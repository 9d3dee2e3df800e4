"""Prompts side by side, each in a row of its own: works with every causal language model of the library.

A batch is padded on the left, so that every row's next token comes from the last column. Positions count a row's own
tokens and padding is masked. One row alone is computed as `model.generate(do_sample=False)` computes it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragvlc.engines.batching.decoding import Ending, Row, choose, kernels, take

if TYPE_CHECKING:
    import torch
    from transformers import Cache, PreTrainedModel

__all__ = ["Padded"]

_PREFILL_COLUMNS = 2048  # of a padded batch at a time: its mask has a row for every one of them


class Padded:
    """Computes a batch from its prompts to its last token; nothing joins it on the way.

    Args:
        model: any causal language model.
        ending: when an answer is over.
        batch_tokens: columns times rows of a batch; one row alone may have more.
    """

    def __init__(self, model: PreTrainedModel, ending: Ending, *, batch_tokens: int) -> None:
        self._model = model
        self._ending = ending
        self._batch_tokens = batch_tokens

    @property
    def active(self) -> Sequence[Row]:
        """None: whatever begins is finished by `start`."""
        return ()

    def select(self, waiting: Sequence[Row], most: int) -> list[int]:
        """Returns the first and those nearest to it in length."""
        lengths = [len(row.prompt) + row.max_tokens for row in waiting]
        order = sorted(range(1, len(waiting)), key=lambda i: (abs(lengths[i] - lengths[0]), i))
        chosen, longest = [0], lengths[0]
        for place in order[: most - 1]:
            longest = max(longest, lengths[place])
            if longest * (len(chosen) + 1) > self._batch_tokens:
                break
            chosen.append(place)
        return chosen

    def start(self, rows: Sequence[Row]) -> None:
        """Fills every row's tokens, text and finish."""
        import torch
        from transformers import DynamicCache

        started = time.perf_counter()
        model = self._model
        ids, mask = _padded(rows, pad=min(self._ending.ids, default=0), device=model.device)
        cache = DynamicCache(config=model.config)
        chosen = choose(_prefill(model, cache, ids, mask), rows)
        take(rows, chosen, self._ending)
        first = time.perf_counter()
        positions = torch.tensor([[len(row.prompt)] for row in rows], device=model.device)
        while any(row.finish is None for row in rows):
            step = torch.tensor(chosen, device=model.device).unsqueeze(1)
            if mask is not None:
                mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
            logits = _forward(model, cache, step, mask, positions)
            # A finished row keeps its place: some models have no position beyond their window.
            positions = positions + torch.tensor([[row.finish is None] for row in rows], device=model.device)
            chosen = choose(logits, rows)
            take(rows, chosen, self._ending)
        _charge(rows, first - started, time.perf_counter() - first)

    def step(self) -> None:
        """Nothing is active."""

    def remove(self, rows: Sequence[Row]) -> None:
        """Nothing is active."""

    def drop(self) -> bool:
        """Nothing is kept."""
        return False


def _charge(rows: Sequence[Row], prefill: float, decoding: float) -> None:
    """A row is charged its share of the batch: of prefill by prompt tokens, of decoding by new tokens."""
    prompts, news = sum(len(row.prompt) for row in rows), sum(len(row.tokens) for row in rows)
    for row in rows:
        row.first_token_seconds = prefill
        row.prefill_seconds += prefill * len(row.prompt) / prompts
        row.decode_seconds += decoding * len(row.tokens) / news


def _padded(rows: Sequence[Row], *, pad: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Returns ids [rows, columns] and the mask of real tokens; no mask where there is no padding."""
    import torch

    columns = max(len(row.prompt) for row in rows)
    if all(len(row.prompt) == columns for row in rows):
        return torch.tensor([list(row.prompt) for row in rows], device=device), None
    gaps = [columns - len(row.prompt) for row in rows]
    ids = torch.tensor([[pad] * gap + list(row.prompt) for row, gap in zip(rows, gaps, strict=True)], device=device)
    mask = torch.arange(columns, device=device) >= torch.tensor(gaps, device=device).unsqueeze(1)
    return ids, mask.long()


def _prefill(model: PreTrainedModel, cache: Cache, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Returns the logits after the last prompt token. Without padding the attention kernel needs no mask at all."""
    import torch

    columns = ids.shape[1]
    if mask is None:
        positions = torch.arange(columns, device=ids.device).unsqueeze(0).expand(ids.shape)
        return _forward(model, cache, ids, None, positions)
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
    """Returns float32 logits [rows, vocabulary] of the last column; `cache` grows by the columns given."""
    with kernels(model.device):
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
