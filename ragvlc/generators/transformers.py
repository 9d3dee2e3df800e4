"""Causal language models of the `transformers` library, on CPU or GPU.

Requests of all threads are computed together (see `engines.batching.scheduler`): prefixes that prompts share once, then
the next token of every request in one forward pass (see `engines.batching.packed`). Models whose attention or cache is
of another kind, such as sliding windows or recurrent states, are computed in padded batches without a prefix cache (see
`engines.batching.support` and `engines.batching.padded`). Decoding is a loop of this project over the public forward
pass; greedy answers in float32 are those of `model.generate(do_sample=False)`. `docs/engine.md` has the whole path.

In bfloat16 no batch is neutral: two tokens that are equally likely but for rounding may swap places. Of SmolLM2's
greedy choices, compared with the plain loop up to an answer's first difference, 7 of 388 differed after 6,000 shared
tokens and 3 to 4 of 249 after single passages of 450 to 900; in float32 none. The requests that meet in a batch depend
on timing, so answers in bfloat16 that must repeat to the letter need `batch_size: 1`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ragvlc import memory, packaged
from ragvlc.core.answer import Timing, Usage
from ragvlc.core.component import Execution
from ragvlc.core.engines import Generation, Request
from ragvlc.core.errors import EngineError, RagvlcError
from ragvlc.core.families import Generator
from ragvlc.core.replies import Reply
from ragvlc.core.texts import library_words
from ragvlc.core.window import input_ids
from ragvlc.engines.batching.chat_template import ChatTokenizer
from ragvlc.engines.batching.decoding import Batch, Detokenizer, RequestState
from ragvlc.engines.batching.dtypes import resolve_dtype
from ragvlc.engines.batching.fair_lock import FairLock
from ragvlc.engines.batching.packed import UNLIMITED, PackedBatch
from ragvlc.engines.batching.packed_with_graphs import PackedBatchWithGraphs
from ragvlc.engines.batching.padded import PaddedBatch
from ragvlc.engines.batching.prefix_cache import PrefixCache
from ragvlc.engines.batching.scheduler import Scheduler
from ragvlc.engines.batching.support import switch_to_packed_attention, why_not_batched
from ragvlc.engines.cuda_graphs.self_test import SelfTestedDecoder
from ragvlc.engines.decode_state.state import ModelDecodeState
from ragvlc.engines.decode_state.states import DecodeStates
from ragvlc.generators._model_files import OwnFiles
from ragvlc.generators._planned_memory import PlannedMemory, limits_of, torch_device
from ragvlc.hardware.memory_plan import BATCH_TOKENS, MemoryPlan
from ragvlc.hardware.placement import shape_for
from ragvlc.packaged.model_files import (
    TemplateDate,
    reason_not_loaded,
    refuse_own_code,
)

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

__all__ = ["TransformersGenerator"]

log = logging.getLogger("ragvlc")


class TransformersGenerator(OwnFiles, Generator):
    """A causal language model from a folder, the hub or a wheel.

    Attributes:
        model: local folder, hub id, or `packaged:NAME`. The key has a hash of its files, not its name.
        dtype: `auto` is resolved when the part is made: the dtype that the model was published in, or float32 on a CPU
            that has no instructions for 16-bit numbers. float32 makes answers independent of batching; in bfloat16 two
            nearly equal tokens may swap places.
        device: `auto` takes CUDA, then MPS, then the CPU.
        batch_size: the largest number of requests, of all threads, that are computed together. Part of the key, because
            batching may change answers in bfloat16. 1 is the reference: one request at a time, without a prefix cache,
            as the library's own loop computes it.
        batch_tokens: the largest number of tokens, prompts and answers, of the requests computed together; shared ones
            count once, and a single request may have more. It limits memory; the plan of memory may lower it, on a CPU
            the default also to one and a quarter windows.
        prefix_cache_mb: memory for the KV cache of recent prompts, so that the next question about a document computes
            only what is new; 0 computes every prompt whole. None takes one and a quarter prompts of the whole window on
            a CPU, if the plan of memory has so much, and half of the memory that is free after loading on a GPU. In
            float32 it changes no answer; in bfloat16 it may as batching does.
        window: the largest number of tokens of prompt and answer together; None takes the model's own.
        system: a system message; None leaves it to the chat template.
        template_options: variables for the chat template, such as `enable_thinking: false`.
        template_date: the date, as `2026-01-31`, for chat templates that print today's, or a fixed one as Llama's do;
            part of the key of such models.
        trust_remote_code: run the code in the model's own files, for models that the library cannot load without.
        attention: kernel family of the attention, as `transformers` names it. The prefix cache needs `sdpa`.
        cuda_graphs: on a GPU, models of Llama's shape are decoded with CUDA graphs and fused layers in the routes
            `rapid` and `speculative`, and in others as long as decoding the running requests one after the other is
            faster than the library's forward pass over all of them; false computes every token with the library. In
            float32 it changes no answer; in bfloat16 it may as batching does.
    """

    version: ClassVar[int] = 2
    later_fields: ClassVar[frozenset[str]] = Generator.later_fields | {"trust_remote_code"}
    offers: ClassVar[frozenset[str]] = frozenset({"TextEngine", "TokenEngine"})
    model: Annotated[packaged.Model, Execution] = "packaged:smollm2-135m-instruct"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: Annotated[str, Field(min_length=1), Execution] = "auto"
    batch_size: Annotated[int, Field(ge=1)] = 16
    batch_tokens: Annotated[int, Field(ge=1), Execution] = BATCH_TOKENS
    prefix_cache_mb: Annotated[int | None, Field(ge=0), Execution] = None
    window: Annotated[int, Field(ge=2)] | None = None
    system: str | None = None
    template_options: Mapping[str, bool | int | float | str] = Field(default_factory=dict)
    template_date: Annotated[TemplateDate, Field(examples=["2026-01-31"]), Execution] = None  # see identity
    trust_remote_code: bool = False
    attention: str = "sdpa"
    cuda_graphs: Annotated[bool, Execution] = True

    @model_validator(mode="after")
    def _resolve_dtype(self) -> Self:
        # Written to a frozen model: the key and the stored spec must have the dtype that is computed in, not `auto`.
        self.__dict__["dtype"] = resolve_dtype(self.dtype, self.model, self.device)
        return self

    def tokenizer(self) -> ChatTokenizer:
        """Returns the tokenizer with the chat template; the same object for equal settings."""
        options = json.dumps(dict(self.template_options), sort_keys=True)
        refuse_own_code(self.model, trusted=self.trust_remote_code)
        date, trusted = self.template_date, self.trust_remote_code
        return _tokenizer(self.model, packaged.fingerprint(self.model), self.system, options, date, trusted=trusted)

    def open(self) -> _TransformersEngine:
        """Returns the loaded model. Raises `EngineError` if it cannot be loaded."""
        refuse_own_code(self.model, trusted=self.trust_remote_code)
        return _TransformersEngine(self)


@lru_cache(maxsize=8)
def _tokenizer(
    model: str,
    fingerprint: str,  # noqa: ARG001 - loads again when the files change
    system: str | None,
    options: str,
    date: str | None,
    *,
    trusted: bool,
) -> ChatTokenizer:
    folder = packaged.resolve(model)  # before the import, which takes seconds
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trusted)
        return ChatTokenizer(tokenizer, system=system, options=json.loads(options), date=date)
    except RagvlcError:
        raise
    except Exception as error:  # the libraries raise plain exceptions, too
        reason = f"The tokenizer of '{model}' cannot be loaded: {library_words(error)}"
        raise EngineError(reason_not_loaded(model, error, reason)) from error


class _TransformersEngine:
    """The loaded model, with its decode states and the scheduler of requests from all threads."""

    def __init__(self, spec: TransformersGenerator) -> None:
        self._spec = spec
        self._tokenizer = spec.tokenizer()
        self._memory = PlannedMemory(spec)
        try:
            self._open(spec, _load(spec))
        except BaseException:
            self._memory.release()
            raise

    def _open(self, spec: TransformersGenerator, model: PreTrainedModel) -> None:
        self._window = spec.window or _own_window(spec, model.config)
        plan = self._memory.plan(self._window, shape_for(spec, []))
        ends = model.generation_config.eos_token_id
        # Both, because some chat models end an answer with a token that only their tokenizer names as the end.
        end_ids = self._tokenizer.end_ids | set([ends] if isinstance(ends, int) else ends or ())
        detokenizer = Detokenizer(end_ids, self._tokenizer.decode)
        max_requests = 1 if why_not_batched(model.config) else spec.batch_size
        lock, prefixes = FairLock(), _prefix_cache(spec, model, plan)
        tokens, limits = (spec.batch_tokens, UNLIMITED) if plan is None else (plan.batch_tokens, limits_of(plan))
        decoder = SelfTestedDecoder(model, spec.model) if prefixes is not None and spec.cuda_graphs else None
        batch: Batch
        if prefixes is None:
            batch = PaddedBatch(model, detokenizer, batch_tokens=tokens)
        elif decoder is None:
            batch = PackedBatch(model, detokenizer, prefixes, batch_tokens=tokens, limits=limits)
        else:
            batch = PackedBatchWithGraphs(detokenizer, prefixes, decoder, batch_tokens=tokens, limits=limits)
        self._scheduler: Scheduler | None = Scheduler(
            batch, max_requests=max_requests, model_name=spec.model, free_memory=_free_memory, lock=lock
        )
        self._decode_states: DecodeStates | None = DecodeStates(
            model, detokenizer, lock, prefixes, model_name=spec.model, free_memory=_free_memory, decoder=decoder
        )

    @property
    def window(self) -> int:
        """The largest number of tokens of prompt and answer together."""
        return self._window

    @property
    def vocabulary(self) -> str:
        """Identifier of the vocabulary: the tokens and their ids."""
        return self._tokenizer.vocabulary

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Returns one generation for each request, in order.

        Raises `WindowExceeded` before any is computed, and a transient `EngineError` when a single one of them does not
        fit the memory.
        """
        states = [self._state(request) for request in requests]
        scheduler = self._scheduler
        if scheduler is None:
            raise EngineError(f"The engine of '{self._spec.model}' is closed.")
        waits = scheduler.run(states)
        opened = [self._tokenizer.opened_by(request.prompt) for request in requests]
        return [_generation(*made) for made in zip(states, waits, opened, strict=True)]

    def start(self, request: Request, *, width: int | None = None) -> ModelDecodeState:
        """Returns a decode state for the prompt; see `ragvlc.core.engines.TokenEngine`."""
        state, decode_states = self._state(request), self._decode_states
        if decode_states is None:
            raise EngineError(f"The engine of '{self._spec.model}' is closed.")
        return decode_states.open(state, width)

    def close(self) -> None:
        """Frees the memory of model and prefix cache. Running requests are finished; those in the queue are refused.

        Open decode states keep working; their memory, and the model's, is freed when the last of them is closed.
        """
        scheduler, self._scheduler, self._decode_states = self._scheduler, None, None
        if scheduler is not None:
            scheduler.close()
        del scheduler  # it refers to the model, whose memory is to be collected below
        self._memory.release()
        _free_memory()

    def _state(self, request: Request) -> RequestState:
        spec = self._spec
        return RequestState(
            prompt=input_ids(request, self._tokenizer, self._window, model=spec.model),
            max_tokens=request.max_tokens,
            temperature=spec.temperature if request.temperature is None else request.temperature,
            top_p=spec.top_p if request.top_p is None else request.top_p,
            seed=request.seed,
            stop=request.stop,
            wants_logprobs=request.logprobs,
            cold=request.cold,
        )


def _prefix_cache(spec: TransformersGenerator, model: PreTrainedModel, plan: MemoryPlan | None) -> PrefixCache | None:
    """Switches the model to packed attention, where possible and needed; returns its prefix cache or None."""
    if spec.batch_size > 1:
        problem = why_not_batched(model.config) or switch_to_packed_attention(model, spec.attention)
        if not problem:
            return PrefixCache(_gpu_prefix_bytes(spec, model) if plan is None else plan.prefixes)
        log.info("'%s' is computed without a prefix cache: %s", spec.model, problem)
    return None


def _gpu_prefix_bytes(spec: TransformersGenerator, model: PreTrainedModel) -> int:
    import torch

    if spec.prefix_cache_mb is not None:
        return spec.prefix_cache_mb * 2**20
    free, _ = torch.cuda.mem_get_info(model.device)
    return free // 2


def _free_memory() -> None:
    """Returns unused memory to the device; PyTorch's allocator would otherwise keep it."""
    import gc

    import torch

    gc.collect()  # tensors in reference cycles are freed by the collector alone
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    memory.give_back()


def _generation(state: RequestState, waited: float, opened: str) -> Generation:
    return Generation(
        text=state.text,
        token_ids=tuple(state.tokens),
        finish=state.finish or "length",
        usage=Usage(
            prompt_tokens=len(state.prompt), cached_tokens=state.cached, completion_tokens=len(state.tokens), calls=1
        ),
        timing=Timing(
            queue_seconds=waited,
            first_token_seconds=state.first_token_seconds,
            engine_seconds=state.prefill_seconds + state.decode_seconds,
            phases={"prefill": state.prefill_seconds, "decode": state.decode_seconds, "saved": state.saved_seconds},
        ),
        logprobs=tuple(state.logprobs) if state.wants_logprobs else None,
        reply=Reply(state.text, reason=state.finish or "length", opened=opened) if opened else None,
    )


def _load(spec: TransformersGenerator) -> PreTrainedModel:
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as library_logging

    folder, dtype = packaged.resolve(spec.model), spec.dtype
    bars = library_logging.is_progress_bar_enabled()
    library_logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, attn_implementation=spec.attention, trust_remote_code=spec.trust_remote_code
        )
        return model.to(torch_device(spec.device)).eval()
    except Exception as error:  # the libraries raise plain exceptions, too
        reason = f"'{spec.model}' cannot be loaded as {dtype}: {library_words(error)}"
        raise EngineError(reason_not_loaded(spec.model, error, reason)) from error
    finally:
        if bars:
            library_logging.enable_progress_bar()


def _own_window(spec: TransformersGenerator, config: PreTrainedConfig) -> int:
    window = getattr(config.get_text_config(), "max_position_embeddings", None)
    if not window:
        raise EngineError(f"'{spec.model}' does not say how long its window is. Set window: in the generator.")
    return int(window)
