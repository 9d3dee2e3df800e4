"""Decode state on a model of the `transformers` library: its KV cache, its tokens and its timing.

`engines.decode_state.states` opens it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from ragvlc.core import interruption
from ragvlc.core.answer import Timing, Usage
from ragvlc.core.decode_state import Draft
from ragvlc.core.errors import EngineError
from ragvlc.core.texts import first_line
from ragvlc.engines.batching.decoding import Detokenizer, RequestState
from ragvlc.engines.batching.fair_lock import FairLock
from ragvlc.engines.batching.prefix_cache import PrefixCache
from ragvlc.engines.batching.sampling import SamplingDistribution
from ragvlc.engines.batching.scheduler import is_out_of_memory
from ragvlc.engines.decode_state.kv_cache import KVCache, prefill

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from ragvlc.engines.batching.shared_prefix import SharedPrefix

__all__ = ["ModelDecodeState", "PromptCache"]


@dataclass(slots=True, eq=False)
class PromptCache:
    """KV cache of a state's prompt, and the cached prefix that its first tokens were copied from.

    Attributes:
        prefix: the buffer of this state.
        source: the cached prefix; None if nothing was copied.
        shared: the number of tokens copied.
    """

    prefix: SharedPrefix
    source: SharedPrefix | None
    shared: int


class ModelHost(Protocol):
    """The model that decode states run on, with its lock, prefix cache and detokenizer; see `states.DecodeStates`."""

    model: PreTrainedModel
    detokenizer: Detokenizer
    lock: FairLock
    prefixes: PrefixCache | None
    model_name: str
    free_memory: Callable[[], None]

    def new_cache(self, request: RequestState) -> tuple[KVCache, PromptCache | None]:
        """Returns a KV cache for the request, and the part of it that the prefix cache may store."""
        ...

    def store_prompt(self, request: RequestState, prompt_cache: PromptCache | None) -> None:
        """Stores a prompt's KV cache in the prefix cache."""
        ...


@dataclass(slots=True)
class PhaseSeconds:
    """Seconds spent on a decode state, by phase."""

    queue: float = 0.0
    prefill: float = 0.0
    draft: float = 0.0
    verify: float = 0.0
    begun: float = 0.0
    first: float | None = None


@dataclass(slots=True)
class _TokenCounts:
    """Numbers of drafted and removed tokens of a decode state."""

    drafted: int = 0
    removed: int = 0
    verified: bool = False


@dataclass(slots=True, eq=False)
class ModelDecodeState:
    """A `ragvlc.core.decode_state.DecodeState` on a model of the `transformers` library.

    The KV cache may be shorter than the text (tokens appended but not computed) or, for a moment, longer. Every call
    first rewinds it to the text, and then computes what is missing.

    Attributes:
        host: the model and what belongs to it.
        request: prompt, limits, temperature and random generator; its `tokens` are those appended to the prompt.
        wanted_width: of the rows of probabilities; None for the model's own.
        release: returns the memory to the budget.
        seconds: time so far, by phase.
    """

    host: ModelHost
    request: RequestState
    wanted_width: int | None
    release: Callable[[], None]
    seconds: PhaseSeconds = field(default_factory=PhaseSeconds)
    _counts: _TokenCounts = field(default_factory=_TokenCounts)
    _cache: KVCache | None = None
    _prompt_cache: PromptCache | None = None
    _closed: bool = False

    @property
    def width(self) -> int:
        """The number of token ids in each row of probabilities."""
        # The rows of the output embedding, which may be more than the tokenizer's vocabulary: it is often padded.
        return self.wanted_width or int(self.host.model.get_output_embeddings().weight.shape[0])

    @property
    def end_ids(self) -> frozenset[int]:
        """The ids of tokens that end an answer."""
        return self.host.detokenizer.end_ids

    def begin(self) -> None:
        """Computes the prompt except its last token; tries again without the prefix cache if the memory is full."""
        prompt, device = list(self.request.prompt), self.host.model.device
        with self._holding_model("prefill"):
            try:
                self._prefill(prompt, device)
            except Exception as error:
                if not is_out_of_memory(error) or self.host.prefixes is None:
                    raise
                self._cache = self._prompt_cache = None
                self.host.prefixes.evict_idle()
                self.host.free_memory()
                self._prefill(prompt, device)

    def propose(self, n: int, *, min_probability: float = 0.0) -> Draft:
        """Samples and appends up to `n` tokens; stops at an end token or one less probable than `min_probability`."""
        import torch

        with self._holding_model("draft"):
            self._rewind_cache(recompute=1)
            n = min(n, self.request.max_tokens - len(self.request.tokens))
            points = torch.rand(n, generator=self.request.generator(), dtype=torch.float64).tolist()
            # To look at a token, the host must wait for the GPU, which then idles. There all tokens are sampled first,
            # and those after an end token are cut off.
            looks = min_probability > 0 or self.host.model.device.type != "cuda"
            stop = (lambda token, own: token in self.end_ids or own < min_probability) if looks else None
            if not points:
                return Draft((), torch.empty(0, self.width))
            found = self._open_cache.sample(self._pending(), points, self._distribution, stop)
            tokens = found.tokens.tolist()
            count = next((i + 1 for i, token in enumerate(tokens) if token in self.end_ids), len(tokens))
            self.request.tokens += tokens[:count]
            self._rewind_cache()
            self._counts.drafted += count
            return Draft(tuple(tokens[:count]), found.probabilities[:count])

    def verify(self, draft: Sequence[int]) -> torch.Tensor:
        """Appends `draft`; returns the next-token distributions before each of its tokens and after the last."""
        with self._holding_model("verify"):
            self._check_limit(len(draft))
            self._rewind_cache(recompute=1)
            self.request.tokens += draft
            rows = self._open_cache.probabilities(self._pending(), len(draft) + 1, self._distribution)
            self._counts.verified = True
            self._synchronize()
        if self.seconds.first is None:
            self.seconds.first = time.perf_counter() - self.seconds.begun
        return rows

    def peek(self) -> torch.Tensor:
        """Returns the distribution of the next token; appends nothing."""
        with self._holding_model("draft"):
            self._rewind_cache(recompute=1)
            rows = self._open_cache.probabilities(self._pending(), 1, self._distribution)
            self._synchronize()
            return rows

    def extend(self, tokens: Sequence[int]) -> None:
        """Appends tokens that the caller has chosen; the next call runs the model on them."""
        self._check_limit(len(tokens))
        self.request.tokens += tokens

    def rewind(self, n: int) -> None:
        """Removes the last `n` tokens."""
        tokens = self.request.tokens
        if not 0 <= n <= len(tokens):
            message = f"{n} tokens cannot be removed: the text has {len(tokens)} after its prompt"
            raise ValueError(message)
        # Not tokens[-n:], which for n = 0 is the whole list.
        del tokens[len(tokens) - n :]
        self._counts.removed += n
        self._rewind_cache()

    def text(self, tokens: Sequence[int]) -> str:
        """Returns the text of generated token ids, without control tokens."""
        return self.host.detokenizer.decode(tokens)

    def plain_seconds(self, n: int) -> float:
        """Returns the seconds per token of plain decoding after the prompt, measured over up to `n` tokens."""
        tokens, counts, seconds = list(self.request.tokens), replace(self._counts), replace(self.seconds)
        self.rewind(len(tokens))
        if self.host.model.device.type == "cuda":  # capturing a graph happens once, and is not a token's time
            self.propose(min(n, 2))
            self.rewind(len(self.request.tokens))
        before = self.seconds.draft
        measured = len(self.propose(n).tokens)
        plain = self.seconds.draft - before
        self.rewind(len(self.request.tokens))
        self.request.tokens += tokens  # computed again if the text is continued
        self._counts, self.seconds = counts, seconds
        return plain / max(1, measured)

    @property
    def usage(self) -> Usage:
        """Token usage so far; a verifying state counts the tokens of its text, a drafting state all sampled tokens."""
        counts = self._counts
        written = len(self.request.tokens) if counts.verified else counts.drafted
        accepted = counts.drafted - counts.removed if counts.drafted else 0
        return Usage(len(self.request.prompt), self.request.cached, written, 1, counts.drafted, accepted)

    @property
    def timing(self) -> Timing:
        """Seconds spent so far, by phase."""
        seconds = self.seconds
        phases = {"prefill": seconds.prefill, "draft": seconds.draft, "verify": seconds.verify}
        return Timing(
            queue_seconds=seconds.queue,
            first_token_seconds=seconds.first,
            engine_seconds=sum(phases.values()),
            phases={name: spent for name, spent in phases.items() if spent} | {"saved": self.request.saved_seconds},
        )

    def close(self) -> None:
        """Closes the state; its KV cache is freed unless the prefix cache stores the prompt."""
        if self._closed:
            return
        self._closed = True
        try:
            with self.host.lock:  # the prefix cache has no lock of its own: the model's guards it
                self.host.store_prompt(self.request, self._prompt_cache)
        finally:
            # The memory is gone before it is returned to the budget, or the next state would be admitted too early.
            self._cache = self._prompt_cache = None
            self.release()

    @property
    def _open_cache(self) -> KVCache:
        if self._cache is None:
            raise EngineError(f"The decode state of '{self.host.model_name}' is closed.")
        return self._cache

    def _prefill(self, prompt: list[int], device: torch.device) -> None:
        self._cache, self._prompt_cache = self.host.new_cache(self.request)
        started, cached = time.perf_counter(), self._cache.length
        # The last token is left for the first `propose` or `verify`: its logits give the first new token.
        prefill(self._cache, prompt[cached:-1], device)
        if self._prompt_cache is not None and len(prompt) - 1 > cached:
            self._prompt_cache.prefix.add_cost(len(prompt) - 1 - cached, time.perf_counter() - started)

    def _pending(self) -> list[int]:
        """Returns the tokens of the text that are not computed yet."""
        known, request = self._open_cache.length, self.request
        prompt = len(request.prompt)
        return request.tokens[known - prompt :] if known >= prompt else [*request.prompt[known:], *request.tokens]

    @property
    def _distribution(self) -> SamplingDistribution:
        return SamplingDistribution(self.request.temperature, self.request.top_p, self.width)

    def _rewind_cache(self, recompute: int = 0) -> None:
        """Removes from the KV cache the tokens beyond the text, and `recompute` more whose logits are needed again."""
        beyond = self._open_cache.length - len(self.request.prompt) - len(self.request.tokens) + recompute
        if beyond > 0:
            self._open_cache.rewind(beyond)

    def _check_limit(self, n: int) -> None:
        if len(self.request.tokens) + n > self.request.max_tokens:
            message = f"{n} more tokens exceed the {self.request.max_tokens} that this decode state was opened for"
            raise ValueError(message)

    def _synchronize(self) -> None:
        """Waits for the device, so that timings cover the computation and not only its launch."""
        import torch

        if self.host.model.device.type == "cuda":
            torch.cuda.synchronize(self.host.model.device)

    @contextmanager
    def _holding_model(self, phase: str) -> Iterator[None]:
        """Holds the model's lock, adds the elapsed seconds to `phase`, and turns a failure into an `EngineError`."""
        import torch

        interruption.check()
        asked, name = time.perf_counter(), self.host.model_name
        with self.host.lock, torch.inference_mode():
            started = time.perf_counter()
            self.seconds.queue += started - asked
            self.seconds.begun = self.seconds.begun or started
            try:
                yield
            except (EngineError, ValueError):
                raise
            except Exception as error:
                full = is_out_of_memory(error)
                what = "ran out of memory in a decode state" if full else f"failed: {first_line(error)}"
                raise EngineError(
                    f"'{name}' {what} of {len(self.request.prompt)} prompt tokens.", transient=full
                ) from error
            finally:
                spent = time.perf_counter() - started
                setattr(self.seconds, phase, getattr(self.seconds, phase) + spent)
