"""Prompts in, tokens out: one batch through the public forward pass of a causal language model.

A batch is padded on the left, so that every row's next token comes from the last column. Positions count a row's own
tokens, padding is masked, and each row draws from its own random numbers, so what a row gets does not depend on its
neighbours (exactly in float32; in bfloat16 near-ties between two tokens may fall the other way).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragvlc.core.answer import Finish

if TYPE_CHECKING:
    import torch
    from transformers import Cache, PreTrainedModel

__all__ = ["Batch", "Row", "decode"]

_PREFILL_COLUMNS = 2048  # of a padded batch at a time: its mask has a row for every one of them
_SEEDS = 2**63


@dataclass(slots=True)
class Row:
    """One prompt and what has come of it.

    Attributes:
        prompt: token ids.
        max_tokens: at most so many new ones.
        temperature: 0 is greedy.
        top_p: nucleus sampling.
        seed: of this row's random numbers.
        stop: texts that end the answer.
        wants_logprobs: fill `logprobs`.
        tokens: new ids, the one that ended the answer included.
        logprobs: log-probability of each under the model, whatever the temperature.
        text: the answer, cut before a stop text; set when finished.
        finish: None while it goes on.
    """

    prompt: Sequence[int]
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    wants_logprobs: bool = False
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    text: str = ""
    finish: Finish | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """How long a batch took: `prefill` runs to the first token, `decode` from there to the last."""

    prefill_seconds: float
    decode_seconds: float


def decode(
    model: PreTrainedModel,
    rows: Sequence[Row],
    *,
    end_ids: frozenset[int],
    to_text: Callable[[Sequence[int]], str],
) -> Batch:
    """Fills every row's tokens, text and finish; returns the times. Call it inside `torch.inference_mode()`."""
    import torch
    from transformers import DynamicCache

    started = time.perf_counter()
    ids, mask = _padded(rows, pad=min(end_ids, default=0), device=model.device)
    generators = [torch.Generator().manual_seed(row.seed % _SEEDS) for row in rows]
    cache = DynamicCache(config=model.config)
    logits = _prefill(model, cache, ids, mask)
    chosen = _choose(logits, rows, generators)
    _take(rows, chosen, end_ids, to_text)
    first = time.perf_counter()
    positions = torch.tensor([[len(row.prompt)] for row in rows], device=model.device)
    while any(row.finish is None for row in rows):
        step = torch.tensor(chosen, device=model.device).unsqueeze(1)
        if mask is not None:
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
        logits = _forward(model, cache, step, mask, positions)
        # A finished row keeps its place: some models have no position beyond their window.
        positions = positions + torch.tensor([[row.finish is None] for row in rows], device=model.device)
        chosen = _choose(logits, rows, generators)
        _take(rows, chosen, end_ids, to_text)
    return Batch(first - started, time.perf_counter() - first)


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


def _choose(logits: torch.Tensor, rows: Sequence[Row], generators: Sequence[torch.Generator]) -> list[int]:
    """Returns the next id of every row and notes its log-probability where wanted."""
    best = logits.argmax(dim=-1).tolist()
    chosen = [
        _sampled(logits[i], row, generators[i]) if row.temperature > 0 and row.finish is None else best[i]
        for i, row in enumerate(rows)
    ]
    for i, row in enumerate(rows):
        if row.wants_logprobs and row.finish is None:
            row.logprobs.append(float(logits[i].log_softmax(dim=-1)[chosen[i]]))
    return chosen


def _sampled(logits: torch.Tensor, row: Row, generator: torch.Generator) -> int:
    """Draws from the smallest set of tokens whose probability reaches `top_p`: one random number, on every device."""
    import torch

    probabilities = (logits.cpu().double() / row.temperature).softmax(dim=-1)
    ordered, ids = probabilities.sort(descending=True, stable=True)
    total = ordered.cumsum(dim=0)
    kept = int((total - ordered < row.top_p).sum())
    point = torch.rand((), generator=generator, dtype=torch.float64) * total[kept - 1]
    return int(ids[min(int(torch.searchsorted(total, point, right=True)), kept - 1)])


def _take(
    rows: Sequence[Row], chosen: Sequence[int], end_ids: frozenset[int], to_text: Callable[[Sequence[int]], str]
) -> None:
    for row, token in zip(rows, chosen, strict=True):
        if row.finish is not None:
            continue
        row.tokens.append(token)
        ended = token in end_ids
        full = len(row.tokens) >= row.max_tokens
        if not (ended or full or row.stop):
            continue
        text = to_text(row.tokens[:-1] if ended else row.tokens)
        places = [place for stop in row.stop if (place := text.find(stop)) >= 0]
        if places or ended or full:
            row.text = text[: min(places)] if places else text
            row.finish = "stop" if places or ended else "length"
