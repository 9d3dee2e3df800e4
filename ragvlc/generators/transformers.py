"""Causal language models of the `transformers` library, on CPU or GPU.

Requests of all threads are computed together (see `engines.batching.scheduler`): the beginnings that prompts share
once, then every row's next token in one forward pass (see `engines.batching.packed`). Models whose attention or cache
is of another kind, such as sliding windows or recurrent states, are computed in padded batches without reuse (see
`engines.batching.support` and `engines.batching.padded`). Decoding is our own loop over the public forward pass; greedy
answers in float32 are those of `model.generate(do_sample=False)`.

In bfloat16 no batch is neutral: two tokens that are equally likely but for rounding may change places. Of SmolLM2's
greedy choices, compared with the plain loop up to an answer's first difference, 7 of 388 were others behind 6,000
shared tokens and 3 to 4 of 249 behind single passages of 450 to 900; in float32 none. Which requests meet depends on
timing, so answers in bfloat16 that must repeat to the letter need `batch_size: 1`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ragvlc import packaged
from ragvlc.core.answer import Timing, Usage
from ragvlc.core.component import Execution
from ragvlc.core.engines import Generation, Request
from ragvlc.core.errors import EngineError
from ragvlc.core.families import Generator
from ragvlc.core.window import input_ids
from ragvlc.engines.batching.chat_template import ChatTokenizer
from ragvlc.engines.batching.decoding import Ending, Form, Row
from ragvlc.engines.batching.fair_lock import Turns
from ragvlc.engines.batching.number_formats import settled_dtype
from ragvlc.engines.batching.packed import Flat
from ragvlc.engines.batching.packed_or_graphs import FastFlat
from ragvlc.engines.batching.padded import Padded
from ragvlc.engines.batching.prefix_cache import Prefixes
from ragvlc.engines.batching.scheduler import Gathering
from ragvlc.engines.batching.support import laid_flat, why_one_by_one
from ragvlc.engines.cuda_graphs.self_test import TriedSteps
from ragvlc.engines.decode_state.state import ModelSession
from ragvlc.engines.decode_state.states import Sessions

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

__all__ = ["TransformersGenerator"]

log = logging.getLogger("ragvlc")

_CPU_PREFIX_BYTES = 2**30


class TransformersGenerator(Generator):
    """A causal language model from a folder, the hub or a wheel.

    Attributes:
        model: local folder, hub id, or `packaged:NAME`. Part of the key by what its files hold, not by its name.
        dtype: `auto` is settled when the part is made: what the model was published in, or float32 on a CPU that has
            no instructions for 16-bit numbers. float32 makes answers independent of batching; in bfloat16 near-ties
            between two tokens may flip.
        device: `auto` takes CUDA, then MPS, then the CPU.
        batch_size: requests of all threads that are computed together, at most. Hashed, for what batching may flip in
            bfloat16. 1 is the reference: one request at a time, nothing reused, as the library's own loop computes it.
        batch_tokens: tokens that they hold together, prompts and answers, at most; what they share counts once, and
            one request alone may hold more. A matter of memory: which requests meet depends on their timing anyway.
        prefix_cache_mb: memory for the beginnings of recent prompts, so that the next question about a document
            starts behind it; 0 computes every prompt whole. None takes 1024 on a CPU, and half of what is free after
            loading on a GPU. In float32 it changes no answer; in bfloat16 it may flip near-ties as batching does.
        window: tokens of prompt and answer together; None takes the model's own.
        system: a system message; None leaves it to the chat template.
        template_options: variables for the chat template, such as `enable_thinking: false`.
        attention: kernel family of the attention, as `transformers` names it. Prefixes are reused with `sdpa` only.
        cuda_graphs: on a GPU, the sessions of `rapid` and `speculative` decode by recorded steps with fused layers, for
            models of Llama's shape, and so do requests, one after the other, while that is faster than a pass of the
            library's model over all of them; false computes every token by that. In float32 it changes no answer; in
            bfloat16 it may flip near-ties as batching does.
    """

    version: ClassVar[int] = 2
    offers: ClassVar[frozenset[str]] = frozenset({"TextEngine", "TokenEngine"})
    model: Annotated[packaged.Model, Execution] = "packaged:smollm2-135m-instruct"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: Annotated[str, Field(min_length=1), Execution] = "auto"
    batch_size: Annotated[int, Field(ge=1)] = 16
    batch_tokens: Annotated[int, Field(ge=1), Execution] = 32_768
    prefix_cache_mb: Annotated[int | None, Field(ge=0), Execution] = None
    window: Annotated[int, Field(ge=2)] | None = None
    system: str | None = None
    template_options: Mapping[str, bool | int | float | str] = Field(default_factory=dict)
    attention: str = "sdpa"
    cuda_graphs: Annotated[bool, Execution] = True

    @model_validator(mode="after")
    def _settle_dtype(self) -> Self:
        # Written past the freeze: from here on the spec says what is computed, on this machine and on any other.
        self.__dict__["dtype"] = settled_dtype(self.dtype, self.model, self.device)
        return self

    def identity(self) -> Mapping[str, Any]:
        """Returns what the model's files hold. Fetches nothing."""
        return {"model": packaged.fingerprint(self.model)}

    def tokenizer(self) -> ChatTokenizer:
        """Returns the tokenizer with the chat template; one for equal settings."""
        options = json.dumps(dict(self.template_options), sort_keys=True)
        return _tokenizer(self.model, packaged.fingerprint(self.model), self.system, options)

    def open(self) -> _TransformersEngine:
        """Returns the loaded model. Raises `EngineError` if it cannot be loaded."""
        return _TransformersEngine(self)


@lru_cache(maxsize=8)
def _tokenizer(model: str, fingerprint: str, system: str | None, options: str) -> ChatTokenizer:  # noqa: ARG001
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(packaged.resolve(model))
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise EngineError(f"The tokenizer of '{model}' cannot be loaded: {_first_line(error)}") from error
    return ChatTokenizer(tokenizer, system=system, options=json.loads(options))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class _TransformersEngine:
    """The model in memory, behind the queue that gathers the requests of all threads."""

    def __init__(self, spec: TransformersGenerator) -> None:
        self._spec = spec
        self._tokenizer = spec.tokenizer()
        model = _load(spec)
        self._window = spec.window or _own_window(spec, model.config)
        ends = model.generation_config.eos_token_id
        # Some chat models end a turn with a token that only their tokenizer knows as the end.
        end_ids = self._tokenizer.end_ids | set([ends] if isinstance(ends, int) else ends or ())
        ending = Ending(end_ids, self._tokenizer.decode)
        most = 1 if why_one_by_one(model.config) else spec.batch_size
        turns, prefixes = Turns(), _prefixes(spec, model)
        steps = TriedSteps(model, spec.model) if prefixes is not None and spec.cuda_graphs else None
        form: Form
        if prefixes is None:
            form = Padded(model, ending, batch_tokens=spec.batch_tokens)
        elif steps is None:
            form = Flat(model, ending, prefixes, batch_tokens=spec.batch_tokens)
        else:
            form = FastFlat(ending, prefixes, steps, batch_tokens=spec.batch_tokens)
        self._gathering: Gathering | None = Gathering(form, most=most, owner=spec.model, free=_free, turns=turns)
        self._sessions: Sessions | None = Sessions(
            model, ending, turns, prefixes, owner=spec.model, free=_free, steps=steps
        )

    @property
    def window(self) -> int:
        """Tokens of prompt and answer together."""
        return self._window

    @property
    def vocabulary(self) -> str:
        """Names the tokens and their ids."""
        return self._tokenizer.vocabulary

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Returns one generation a request, in order.

        Raises `WindowExceeded` before any is made, and a transient `EngineError` when one of them does not fit the
        memory by itself.
        """
        rows = [self._row(request) for request in requests]
        gathering = self._gathering
        if gathering is None:
            raise EngineError(f"The engine of '{self._spec.model}' is closed.")
        waits = gathering.run(rows)
        return [_generation(row, waited) for row, waited in zip(rows, waits, strict=True)]

    def start(self, request: Request, *, width: int | None = None) -> ModelSession:
        """Returns a session behind the prompt; see `ragvlc.core.engines.TokenEngine`."""
        row, sessions = self._row(request), self._sessions
        if sessions is None:
            raise EngineError(f"The engine of '{self._spec.model}' is closed.")
        return sessions.start(row, width)

    def close(self) -> None:
        """Frees the memory of model and prefixes. Requests at work are finished; those that wait are refused.

        Open sessions go on; their memory, and the model's, is freed with the last of them.
        """
        gathering, self._gathering, self._sessions = self._gathering, None, None
        if gathering is not None:
            gathering.close()
        del gathering
        _free()

    def _row(self, request: Request) -> Row:
        spec = self._spec
        return Row(
            prompt=input_ids(request, self._tokenizer, self._window, model=spec.model),
            max_tokens=request.max_tokens,
            temperature=spec.temperature if request.temperature is None else request.temperature,
            top_p=spec.top_p if request.top_p is None else request.top_p,
            seed=request.seed,
            stop=request.stop,
            wants_logprobs=request.logprobs,
            cold=request.cold,
        )


def _prefixes(spec: TransformersGenerator, model: PreTrainedModel) -> Prefixes | None:
    """Switches the model to flat attention and returns where its prefixes are kept; None where it cannot be."""
    if spec.batch_size > 1:
        problem = why_one_by_one(model.config) or laid_flat(model, spec.attention)
        if not problem:
            return Prefixes(_prefix_bytes(spec, model))
        log.info("'%s' is computed without reuse of prefixes: %s", spec.model, problem)
    return None


def _prefix_bytes(spec: TransformersGenerator, model: PreTrainedModel) -> int:
    import torch

    if spec.prefix_cache_mb is not None:
        return spec.prefix_cache_mb * 2**20
    if model.device.type != "cuda":
        return _CPU_PREFIX_BYTES
    free, _ = torch.cuda.mem_get_info(model.device)
    return free // 2


def _free() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _generation(row: Row, waited: float) -> Generation:
    return Generation(
        text=row.text,
        token_ids=tuple(row.tokens),
        finish=row.finish or "length",
        usage=Usage(
            prompt_tokens=len(row.prompt), cached_tokens=row.cached, completion_tokens=len(row.tokens), calls=1
        ),
        timing=Timing(
            queue_seconds=waited,
            first_token_seconds=row.first_token_seconds,
            engine_seconds=row.prefill_seconds + row.decode_seconds,
            phases={"prefill": row.prefill_seconds, "decode": row.decode_seconds, "saved": row.saved_seconds},
        ),
        logprobs=tuple(row.logprobs) if row.wants_logprobs else None,
    )


def _load(spec: TransformersGenerator) -> PreTrainedModel:
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as library_logging

    folder, dtype = packaged.resolve(spec.model), spec.dtype
    bars = library_logging.is_progress_bar_enabled()
    library_logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation=spec.attention)
        return model.to(_device(spec.device)).eval()
    except (OSError, ValueError, ImportError, KeyError, RuntimeError) as error:
        raise EngineError(f"'{spec.model}' cannot be loaded as {dtype}: {_first_line(error)}") from error
    finally:
        if bars:
            library_logging.enable_progress_bar()


def _device(wanted: str) -> str:
    import torch

    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _own_window(spec: TransformersGenerator, config: PreTrainedConfig) -> int:
    window = getattr(config.get_text_config(), "max_position_embeddings", None)
    if not window:
        raise EngineError(f"'{spec.model}' does not say how long its window is. Set window: in the generator.")
    return int(window)
