"""Decoding of a request: its state, the choice of the next token from the logits, and the rules that end an answer.

Every request samples with a random generator of its own, so its tokens do not depend on the other requests in its batch
(exactly in float32; in bfloat16 two nearly equal tokens may swap places).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ragvlc.core.answer import Finish

if TYPE_CHECKING:
    import torch

__all__ = [
    "Batch",
    "Detokenizer",
    "RequestState",
    "append_tokens",
    "attention_kernels",
    "sample_token",
    "sample_tokens",
]

_SEEDS = 2**63  # torch refuses larger seeds


@dataclass(slots=True, eq=False)
class RequestState:
    """A request being answered: its prompt, its settings, and the tokens generated so far.

    Attributes:
        prompt: token ids.
        max_tokens: the largest number of new tokens.
        temperature: 0 is greedy.
        top_p: nucleus sampling.
        seed: of this request's random generator.
        stop: texts that end the answer.
        wants_logprobs: whether `logprobs` is filled.
        cold: whether the prefix cache is neither read nor written for this request.
        tokens: new ids, the one that ended the answer included.
        logprobs: log-probability of each new token under the model, whatever the temperature.
        text: the answer, cut before a stop text; set when finished.
        finish: None while the request is running.
        cached: prompt tokens that were taken from the prefix cache.
        first_token_seconds: from the engine's start on this request to its first token.
        prefill_seconds: this request's share of the engine's time up to its first token.
        decode_seconds: its share of the time after that.
        saved_seconds: the time that computing its `cached` tokens took when they were computed.
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
        """Returns this request's random generator."""
        if self._generator is None:
            import torch

            # On the CPU, whatever the model's device: a seed gives the same numbers on every machine.
            self._generator = torch.Generator().manual_seed(self.seed % _SEEDS)
        return self._generator

    def restart(self) -> None:
        """Discards the generated tokens; the seconds recorded for them remain."""
        self.tokens.clear()
        self.logprobs.clear()
        # The generator goes too: a request that starts over must sample the same tokens again.
        self.text, self.finish, self.cached, self._generator = "", None, 0, None


@dataclass(frozen=True, slots=True)
class Detokenizer:
    """The token ids that end an answer, and the function that turns token ids into text.

    Attributes:
        end_ids: tokens that end an answer.
        decode: returns the text of generated ids.
    """

    end_ids: frozenset[int]
    decode: Callable[[Sequence[int]], str]


class Batch(Protocol):
    """Requests that are computed together. Used by one thread at a time, inside `torch.inference_mode()`."""

    @property
    def running(self) -> Sequence[RequestState]:
        """Requests that were started and are not finished."""
        ...

    def select(self, waiting: Sequence[RequestState], limit: int) -> list[int]:
        """Returns the indices of the requests to start now, at most `limit`; never empty while nothing is running."""
        ...

    def start(self, requests: Sequence[RequestState]) -> None:
        """Computes the prompts of new requests and at least one token of each; if that fails, none is started."""
        ...

    def step(self) -> None:
        """Computes the next token of every running request; a failure leaves no request in an intermediate state."""
        ...

    def remove(self, requests: Sequence[RequestState]) -> None:
        """Removes running requests from the batch."""
        ...

    def free_cache(self) -> bool:
        """Frees cached prefixes that no request is using; returns whether there were any."""
        ...


def attention_kernels(device: torch.device) -> AbstractContextManager[object]:
    """Returns a context manager that disables cuDNN's attention, which is slow because it plans anew for every length.

    On an H200 such a plan takes 40 to 60 ms, for every new token; the other kernels take 9 ms for the whole model.
    """
    if device.type != "cuda":
        return nullcontext()
    from torch.nn.attention import SDPBackend, sdpa_kernel

    allowed = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    context: AbstractContextManager[object] = sdpa_kernel(allowed)
    return context


def sample_tokens(logits: torch.Tensor, requests: Sequence[RequestState]) -> list[int]:
    """Returns every request's next token id from logits [requests, vocabulary]; records requested log-probabilities."""
    best = logits.argmax(dim=-1).tolist()  # one copy from the device for all greedy requests
    chosen = [
        sample_token(logits[i], request) if request.temperature > 0 and request.finish is None else int(best[i])
        for i, request in enumerate(requests)
    ]
    _record_logprobs(logits, requests, chosen)
    return chosen


def _record_logprobs(logits: torch.Tensor, requests: Sequence[RequestState], chosen: Sequence[int]) -> None:
    """Records the log-probabilities of the chosen tokens for requests that want them."""
    wanting = [i for i, request in enumerate(requests) if request.wants_logprobs and request.finish is None]
    if not wanting:
        return
    import torch

    picked = logits[wanting] if len(wanting) < len(requests) else logits
    ids = torch.tensor([[chosen[i]] for i in wanting], device=logits.device)
    logprobs = (picked.gather(1, ids) - picked.logsumexp(dim=-1, keepdim=True)).squeeze(1).tolist()
    for i, value in zip(wanting, logprobs, strict=True):
        requests[i].logprobs.append(min(0.0, value))  # rounding may put a certain token slightly above 0


def sample_token(logits: torch.Tensor, request: RequestState) -> int:
    """Returns a token sampled from the smallest set whose probabilities reach `top_p`, using one random number."""
    import torch

    # On the CPU, where the generator is, and in float64: float32 sums over a large vocabulary would move rare tokens.
    probabilities = (logits.cpu().double() / request.temperature).softmax(dim=-1)
    ordered, ids = probabilities.sort(descending=True, stable=True)
    total = ordered.cumsum(dim=0)
    nucleus = int((total - ordered < request.top_p).sum())
    point = torch.rand((), generator=request.generator(), dtype=torch.float64) * total[nucleus - 1]
    return int(ids[min(int(torch.searchsorted(total, point, right=True)), nucleus - 1)])


def append_tokens(requests: Sequence[RequestState], chosen: Sequence[int], detokenizer: Detokenizer) -> None:
    """Appends one token to every unfinished request, and finishes requests whose answers are now complete."""
    for request, token in zip(requests, chosen, strict=True):
        if request.finish is not None:
            continue
        request.tokens.append(token)
        ended = token in detokenizer.end_ids
        full = len(request.tokens) >= request.max_tokens
        if not (ended or full or request.stop):
            continue
        # The whole text each time: a stop text may begin in one token and end in another.
        text = detokenizer.decode(request.tokens[:-1] if ended else request.tokens)
        places = [place for stop in request.stop if (place := text.find(stop)) >= 0]
        if places or ended or full:
            request.text = text[: min(places)] if places else text
            request.finish = "stop" if places or ended else "length"
