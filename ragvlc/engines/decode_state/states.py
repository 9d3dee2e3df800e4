"""Decode states on a model of the `transformers` library: propose, verify in one forward pass, rewind.

Each state has a KV cache and positions of its own, which start with its own prompt. The model is shared with other
states and with the batches of `generate`: for every proposal (all its tokens), every verification and every prompt a
state holds the model's lock, which is granted in the order of the requests for it (see `engines.batching.fair_lock`),
between two steps of a batch. Two forward passes at a time would be safe on a CPU, but no faster. The number of answers
that hold states at once is a matter of memory (see `engines.decode_state.memory`).

A prompt is computed but for its last token, which goes into the first forward pass after it. Where there is a prefix
cache (see `engines.batching.prefix_cache`), a state starts with a copy of the longest prefix that it shares, and stores
its own prompt there when it is closed. Passes of few tokens, which are all that follow a prompt, go to the CUDA graphs
of `engines.cuda_graphs.graphs` if the model has any; like packed attention, they are tested before they are used.

Greedy tokens in float32 are those of `generate`; in formats of 16 bits, several tokens at once are rounded in another
way than one, and nearly equal tokens may swap places.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ragvlc.core.errors import EngineError
from ragvlc.core.texts import first_line
from ragvlc.engines.batching.decoding import Detokenizer, RequestState
from ragvlc.engines.batching.fair_lock import FairLock
from ragvlc.engines.batching.packed import MIN_SHARED
from ragvlc.engines.batching.prefix_cache import PrefixCache
from ragvlc.engines.cuda_graphs.graphs import SPARE_SLOTS
from ragvlc.engines.cuda_graphs.self_test import SelfTestedDecoder
from ragvlc.engines.decode_state.kv_cache import (
    GraphKVCache,
    KVCache,
    LibraryKVCache,
    PreallocatedKVCache,
    new_prefix,
    prefill,
    why_not_rewindable,
)
from ragvlc.engines.decode_state.memory import memory_budget_of
from ragvlc.engines.decode_state.state import ModelDecodeState, PromptCache

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["DecodeStates"]

_EXACT = 1e-3
"""Largest relative error of logits after a rewind, in float32; formats of 16 bits may be off by `_ROUNDED`."""
_ROUNDED = 0.1
_MIN_SHARED_RATIO = 4
"""A prompt is not stored if the tokens that it shares with a stored one are at least this multiple of its others."""


class DecodeStates:
    """Opens decode states on one model.

    Args:
        model: in memory.
        detokenizer: end tokens and text.
        lock: the model's lock.
        prefixes: the prefix cache, for a model switched to packed attention; None for others.
        model_name: for errors.
        free_memory: returns memory to the device after it was full.
        decoder: CUDA-graph decode of the same model; None uses none.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        detokenizer: Detokenizer,
        lock: FairLock,
        prefixes: PrefixCache | None,
        *,
        model_name: str,
        free_memory: Callable[[], None],
        decoder: SelfTestedDecoder | None = None,
    ) -> None:
        self.model = model
        self.detokenizer = detokenizer
        self.lock = lock
        self.prefixes = prefixes
        self.model_name = model_name
        self.free_memory = free_memory
        self._lock = threading.Lock()
        self._bytes_per_token = 0
        self._problem: str | None = None
        self.decoder = decoder

    def open(self, request: RequestState, width: int | None) -> ModelDecodeState:
        """Returns a decode state that starts with the prompt of `request`; waits until there is memory for the state.

        Raises:
            EngineError: the model's text cannot be rewound, or the memory is full (transient).
        """
        self._test_once()
        slots = len(request.prompt) + request.max_tokens
        budget, needed, asked = memory_budget_of(self.model.device), slots * self._bytes_per_token, time.perf_counter()
        # Before the model's lock is taken: waiting for memory while holding it would block the states that free some.
        thread = budget.acquire(needed)
        state = ModelDecodeState(self, request, width, lambda: budget.release(thread, needed))
        state.seconds.queue = time.perf_counter() - asked
        try:
            state.begin()
        except BaseException:
            state.close()
            raise
        return state

    def new_cache(self, request: RequestState) -> tuple[KVCache, PromptCache | None]:
        """Returns a new KV cache, filled with the prompt tokens found in the prefix cache; records their number."""
        if self.prefixes is None:
            return LibraryKVCache(self.model), None
        prompt = list(request.prompt)
        match, common = (None, 0) if request.cold else self.prefixes.longest_match(np.array(prompt, np.int64))
        shared = min(common, len(prompt) - 1)  # the last token is always computed: its logits give the first new one
        if match is None or shared < MIN_SHARED:
            match, shared = None, 0
        decoder = self.decoder.get() if self.decoder else None
        slots = len(prompt) + request.max_tokens + (SPARE_SLOTS if decoder else 0)
        # Copied, never shared in place as in a batch: a state's text must be contiguous in its buffer, and rewinds.
        prefix = new_prefix(prompt, slots, (match, shared) if match else None)
        request.cached = shared
        request.saved_seconds = match.cost(shared) if match else 0.0
        cache = GraphKVCache(self.model, prefix, decoder) if decoder else PreallocatedKVCache(self.model, prefix)
        return cache, PromptCache(prefix, match, shared)

    def store_prompt(self, request: RequestState, prompt_cache: PromptCache | None) -> None:
        """Stores a state's computed prompt in the prefix cache, unless a stored prefix covers most of the prompt."""
        if self.prefixes is None or prompt_cache is None or request.cold:
            return
        prefix, source, shared = prompt_cache.prefix, prompt_cache.source, prompt_cache.shared
        if source is not None and (len(request.prompt) - shared) * _MIN_SHARED_RATIO <= shared:
            self.prefixes.add(source)
        elif prefix.used and prefix.layers:
            # Without the generated tokens, and without the prompt's last token if that was not computed.
            prefix.used = min(prefix.used, len(prefix.tokens))
            prefix.tokens = prefix.tokens[: prefix.used]
            if source is not None:
                prefix.add_copied_cost(shared, request.saved_seconds)
            self.prefixes.add(prefix)
        self.prefixes.evict()

    def _test_once(self) -> None:
        """Raises `EngineError` if the model cannot rewind text; the test runs once, before the first state."""
        with self._lock:
            if self._problem is None:
                self._problem = why_not_rewindable(self.model) or self._tested()
        if self._problem:
            raise EngineError(
                f"'{self.model_name}' cannot draft or verify: {self._problem}. Take a model with plain attention in "
                "every layer."
            )

    def _tested(self) -> str:
        """Returns the reason why the model cannot rewind text, empty if it can; also measures the bytes per token."""
        import torch

        size = self.model.config.get_text_config().vocab_size
        ids = [(11 * i + 5) % size for i in range(24)]
        device = self.model.device
        with self.lock, torch.inference_mode():
            try:
                plain, again = (self._plain_cache(len(ids)) for _ in range(2))
                expected = plain.forward(torch.tensor(ids, device=device), 4)
                prefill(again, [*ids[:18], 1, 2, 3], device)
                again.rewind(3)
                prefill(again, ids[18:20], device)
                found = again.forward(torch.tensor(ids[20:], device=device), 4)
                if self.decoder is not None:
                    self.decoder.get()  # its self-test runs here, so that no state's seconds include it
            except Exception as error:  # noqa: BLE001 - whatever a model of another kind raises
                return f"it failed when text was rewound ({first_line(error)})"
        self._bytes_per_token = again.bytes // len(ids)
        spread = (expected - expected.mean(dim=-1, keepdim=True)).norm()
        trace = float((expected - found).norm() / spread)
        if not trace <= (
            _EXACT if self.model.dtype == torch.float32 else _ROUNDED
        ):  # `not <=`, for a trace that is NaN
            return f"rewound text leaves a trace (logits differ by {trace:.2g})"
        return ""

    def _plain_cache(self, slots: int) -> KVCache:
        if self.prefixes is None:
            return LibraryKVCache(self.model)
        return PreallocatedKVCache(self.model, new_prefix([0], slots))
