"""One prompt on its way to an answer: the next token from its logits, and when to stop.

Every row draws from its own random numbers, so what it gets does not depend on its neighbours in a batch (exactly in
float32; in bfloat16 near-ties between two tokens may fall the other way).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ragvlc.core.answer import Finish

if TYPE_CHECKING:
    import torch

__all__ = ["Ending", "Form", "Row", "choose", "kernels", "take"]

_SEEDS = 2**63


@dataclass(slots=True, eq=False)
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
        cold: share nothing with other prompts, before or after.
        tokens: new ids, the one that ended the answer included.
        logprobs: log-probability of each under the model, whatever the temperature.
        text: the answer, cut before a stop text; set when finished.
        finish: None while it goes on.
        cached: prompt tokens that were not computed for this row.
        first_token_seconds: from the engine's start on this row to its first token.
        prefill_seconds: this row's share of the engine's time up to its first token.
        decode_seconds: its share of the time after that.
        saved_seconds: what computing its `cached` tokens took when it was done.
    """

    prompt: Sequence[int]
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    wants_logprobs: bool = False
    cold: bool = False
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    text: str = ""
    finish: Finish | None = None
    cached: int = 0
    first_token_seconds: float = 0.0
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0
    saved_seconds: float = 0.0
    _generator: torch.Generator | None = None

    def generator(self) -> torch.Generator:
        """Returns this row's own random numbers."""
        if self._generator is None:
            import torch

            self._generator = torch.Generator().manual_seed(self.seed % _SEEDS)
        return self._generator

    def restart(self) -> None:
        """Forgets what has been generated; the seconds spent on it stay."""
        self.tokens.clear()
        self.logprobs.clear()
        self.text, self.finish, self.cached, self._generator = "", None, 0, None


@dataclass(frozen=True, slots=True)
class Ending:
    """What the model's tokenizer knows about ends.

    Attributes:
        ids: tokens that end an answer.
        to_text: the text of generated ids.
    """

    ids: frozenset[int]
    to_text: Callable[[Sequence[int]], str]


class Form(Protocol):
    """A way to compute many rows together. Used by one thread at a time, inside `torch.inference_mode()`."""

    @property
    def active(self) -> Sequence[Row]:
        """Rows that have begun and are not finished."""
        ...

    def select(self, waiting: Sequence[Row], most: int) -> list[int]:
        """Returns the places of those that should begin now, at most `most`; not empty where nothing is active."""
        ...

    def start(self, rows: Sequence[Row]) -> None:
        """Computes the prompts of rows that begin; each gets its first token, or is finished. All or nothing."""
        ...

    def step(self) -> None:
        """Gives every active row one more token. After a failure each row stands behind this step or before it."""
        ...

    def remove(self, rows: Sequence[Row]) -> None:
        """Takes active rows out."""
        ...

    def drop(self) -> bool:
        """Frees what is kept for later; whether there was anything."""
        ...


def kernels(device: torch.device) -> AbstractContextManager[object]:
    """Returns the context in which attention runs: without cuDNN's kernel, which plans anew for every length.

    On an H200 such a plan takes 40 to 60 ms, for every new token; the other kernels take 9 ms for the whole model.
    """
    if device.type != "cuda":
        return nullcontext()
    from torch.nn.attention import SDPBackend, sdpa_kernel

    own = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    found: AbstractContextManager[object] = sdpa_kernel(own)
    return found


def choose(logits: torch.Tensor, rows: Sequence[Row]) -> list[int]:
    """Returns the next id of every row, from logits [rows, vocabulary], and notes its log-probability where wanted."""
    best = logits.argmax(dim=-1).tolist()
    chosen = [
        sampled(logits[i], row) if row.temperature > 0 and row.finish is None else int(best[i])
        for i, row in enumerate(rows)
    ]
    _note_logprobs(logits, rows, chosen)
    return chosen


def _note_logprobs(logits: torch.Tensor, rows: Sequence[Row], chosen: Sequence[int]) -> None:
    """Notes the log-probability of each chosen id where it is wanted; one look at the device for all rows."""
    wanting = [i for i, row in enumerate(rows) if row.wants_logprobs and row.finish is None]
    if not wanting:
        return
    import torch

    picked = logits[wanting] if len(wanting) < len(rows) else logits
    ids = torch.tensor([[chosen[i]] for i in wanting], device=logits.device)
    found = (picked.gather(1, ids) - picked.logsumexp(dim=-1, keepdim=True)).squeeze(1).tolist()
    for i, value in zip(wanting, found, strict=True):
        rows[i].logprobs.append(min(0.0, value))  # rounding may put a sure token a hair above


def sampled(logits: torch.Tensor, row: Row) -> int:
    """Draws from the smallest set of tokens whose probability reaches `top_p`: one random number, on every device."""
    import torch

    probabilities = (logits.cpu().double() / row.temperature).softmax(dim=-1)
    ordered, ids = probabilities.sort(descending=True, stable=True)
    total = ordered.cumsum(dim=0)
    kept = int((total - ordered < row.top_p).sum())
    point = torch.rand((), generator=row.generator(), dtype=torch.float64) * total[kept - 1]
    return int(ids[min(int(torch.searchsorted(total, point, right=True)), kept - 1)])


def take(rows: Sequence[Row], chosen: Sequence[int], ending: Ending) -> None:
    """Adds a token to every row that goes on, and finishes those that end with it."""
    for row, token in zip(rows, chosen, strict=True):
        if row.finish is not None:
            continue
        row.tokens.append(token)
        ended = token in ending.ids
        full = len(row.tokens) >= row.max_tokens
        if not (ended or full or row.stop):
            continue
        text = ending.to_text(row.tokens[:-1] if ended else row.tokens)
        places = [place for stop in row.stop if (place := text.find(stop)) >= 0]
        if places or ended or full:
            row.text = text[: min(places)] if places else text
            row.finish = "stop" if places or ended else "length"
