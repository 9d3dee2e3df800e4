"""Causal language models in vLLM, on GPUs or a CPU, in a group of processes of their own (see `engines.vllm.engine`).

Requests of all threads enter the running engine as they come and leave it when they are done (continuous batching), and
prompts that begin alike are computed once (automatic prefix caching). Prompts are those of `kind: transformers`, token
by token; greedy answers in float32 are its answers too, but for near-ties.

In bfloat16 and float16 no batch is neutral: two tokens that are equally likely but for rounding may change places, and
which requests meet depends on timing. Answers that must repeat to the letter need float32, or `batch_size: 1` with
`prefix_caching: false`. Kernels differ from those of `transformers`: never mix the two engines in one comparison.
"""

from __future__ import annotations

import importlib.util
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, model_validator

from ragvlc import packaged
from ragvlc.core.answer import Timing, Usage
from ragvlc.core.component import Execution
from ragvlc.core.engines import Generation, Request
from ragvlc.core.errors import EngineError, missing_extra
from ragvlc.core.families import Generator
from ragvlc.core.window import input_ids
from ragvlc.engines.batching.chat_template import ChatTokenizer
from ragvlc.engines.batching.number_formats import settled_dtype
from ragvlc.engines.vllm.arguments import free
from ragvlc.engines.vllm.engine import EngineProcess
from ragvlc.engines.vllm.wire import Reply
from ragvlc.generators.transformers import TransformersGenerator

__all__ = ["VllmGenerator"]

_SEEDS = 2**63


class VllmGenerator(Generator):
    """A causal language model from a folder, the hub or a wheel, in vLLM.

    Its log is kept for the causes of errors and not shown, unless the environment sets VLLM_LOGGING_LEVEL: then it goes
    to the logger `ragvlc`. Usage reports to vLLM's authors are off unless VLLM_NO_USAGE_STATS=0 is set.

    Attributes:
        model: local folder, hub id, or `packaged:NAME`. Part of the key by what its files hold, not by its name.
        dtype: `auto` is settled when the part is made: what the model was published in, or float32 on a CPU that has
            no instructions for 16-bit numbers.
        window: tokens of prompt and answer together; None takes the model's own, and all of it must fit the memory.
        prefix_caching: keep the beginnings of recent prompts, so that the next question about a document starts behind
            it. In float32 it changes no answer; in 16-bit formats it may flip near-ties.
        batch_size: requests that are computed together, at most; None takes vLLM's choice for the machine. Give the
            sweep at least as many at a time.
        tensor_parallel: GPUs over which each layer is split. Hashed, for the order of sums changes rounding.
        pipeline_parallel: groups of GPUs over which the layers are laid.
        quantization: method of compressed weights, as vLLM names it; None takes what the model's files say.
        gpu_memory: part of a GPU's memory that may be used; None takes vLLM's default. The engine takes all of it at
            once, so leave room for other models on the same GPU.
        eager: no compilation and no CUDA graphs: starts sooner, answers more slowly.
        load_format: how weights are read, as vLLM names it; `dummy` makes random ones, for measurements of speed.
        system: a system message; None leaves it to the chat template.
        template_options: variables for the chat template, such as `enable_thinking: false`.
        engine: any other argument of vLLM's engine, such as `kv_cache_dtype: fp8` or `max_num_batched_tokens: 16384`.
    """

    version: ClassVar[int] = 1
    model: Annotated[packaged.Model, Execution] = "packaged:smollm2-135m-instruct"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    window: Annotated[int, Field(ge=2)] | None = None
    prefix_caching: bool = True
    batch_size: Annotated[int, Field(ge=1)] | None = None
    tensor_parallel: Annotated[int, Field(ge=1)] = 1
    pipeline_parallel: Annotated[int, Field(ge=1), Execution] = 1
    quantization: str | None = None
    gpu_memory: Annotated[float | None, Field(gt=0, le=1), Execution] = None
    eager: bool = False
    load_format: str = "auto"
    system: str | None = None
    template_options: Mapping[str, bool | int | float | str] = Field(default_factory=dict)
    engine: Annotated[Mapping[str, JsonValue], AfterValidator(free)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _settle_dtype(self) -> Self:
        # Written past the freeze: from here on the spec says what is computed, on this machine and on any other.
        self.__dict__["dtype"] = settled_dtype(self.dtype, self.model, "auto")
        return self

    def identity(self) -> Mapping[str, Any]:
        """Returns what the model's files hold. Fetches nothing."""
        return {"model": packaged.fingerprint(self.model)}

    def tokenizer(self) -> ChatTokenizer:
        """Returns the tokenizer with the chat template, that of `kind: transformers`. Needs no vLLM."""
        same = TransformersGenerator(
            model=self.model, dtype=self.dtype, system=self.system, template_options=self.template_options
        )
        return same.tokenizer()

    def open(self) -> _VllmEngine:
        """Returns the loaded model.

        Raises `MissingExtra` where vLLM is not installed, and `EngineError` with the cause if it cannot load the model.
        """
        if importlib.util.find_spec("vllm") is None:
            missing_extra("vLLM", "vllm", ImportError("No module named 'vllm'"))
        return _VllmEngine(self)

    def arguments(self) -> dict[str, Any]:
        """Returns the arguments of vLLM's engine. A packaged model is fetched."""
        given = {
            "max_model_len": self.window,
            "max_num_seqs": self.batch_size,
            "gpu_memory_utilization": self.gpu_memory,
            "quantization": self.quantization,
        }
        return {
            "model": packaged.resolve(self.model),
            "dtype": self.dtype,
            "enable_prefix_caching": self.prefix_caching,
            "tensor_parallel_size": self.tensor_parallel,
            "pipeline_parallel_size": self.pipeline_parallel,
            "enforce_eager": self.eager,
            "load_format": self.load_format,
            "disable_log_stats": False,
            **{name: value for name, value in given.items() if value is not None},
            **self.engine,
        }

    def sampling(self, request: Request) -> dict[str, Any]:
        """Returns the fields of vLLM's `SamplingParams` for a request."""
        temperature = self.temperature if request.temperature is None else request.temperature
        fields: dict[str, Any] = {"max_tokens": request.max_tokens, "temperature": temperature}
        if temperature > 0:
            fields["top_p"] = self.top_p if request.top_p is None else request.top_p
            fields["seed"] = request.seed % _SEEDS
        if request.stop:
            fields["stop"] = list(request.stop)
        else:
            fields["detokenize"] = False  # the text is made here, of the tokens
        if request.logprobs:
            fields["logprobs"] = 0  # no others beside the chosen one's
        return fields


class _VllmEngine:
    """The engine's processes, and the tokenizer on this side of them."""

    def __init__(self, spec: VllmGenerator) -> None:
        self._spec = spec
        self._tokenizer = spec.tokenizer()
        self._engine = EngineProcess(spec.arguments(), owner=spec.model)
        self._closing = threading.Lock()

    @property
    def window(self) -> int:
        """Tokens of prompt and answer together."""
        return self._engine.window

    @property
    def processes(self) -> int:
        """Number of the group of processes that compute."""
        return self._engine.processes

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Returns one generation a request, in order.

        Raises `WindowExceeded` before any is made, and a transient `EngineError` when the engine's processes died.
        """
        spec, window = self._spec, self.window
        prompts = [input_ids(request, self._tokenizer, window, model=spec.model) for request in requests]
        salts = [uuid.uuid4().hex if one.cold and spec.prefix_caching else None for one in requests]
        sampling = [spec.sampling(request) for request in requests]
        asked = time.monotonic()  # the clock that the engine's processes read too
        replies = self._engine.run(zip(prompts, sampling, salts, strict=True))
        return [
            self._generation(request, len(prompt), reply, asked)
            for request, prompt, reply in zip(requests, prompts, replies, strict=True)
        ]

    def close(self) -> None:
        """Ends the engine's processes, which frees the memory; requests at work are refused."""
        with self._closing:
            self._engine.close()

    def _generation(self, request: Request, prompt_tokens: int, reply: Reply, asked: float) -> Generation:
        if reply.reason not in {"stop", "length"}:
            raise EngineError(f"vLLM ended an answer of '{self._spec.model}' early: {reply.reason}.", transient=True)
        ended = reply.reason == "stop" and not reply.stop_text
        text = self._tokenizer.decode(reply.tokens[:-1] if ended else reply.tokens)
        places = [place for stop in request.stop if (place := text.find(stop)) >= 0]
        prefill, decode = reply.first - reply.scheduled, reply.last - reply.first
        return Generation(
            text=text[: min(places)] if places else text,
            token_ids=tuple(reply.tokens),
            finish="stop" if ended or places else "length",
            usage=Usage(prompt_tokens, reply.cached, len(reply.tokens), 1),
            timing=Timing(
                queue_seconds=max(0.0, reply.scheduled - asked),
                first_token_seconds=prefill,
                engine_seconds=prefill + decode,
                phases={"prefill": prefill, "decode": decode},
            ),
            logprobs=tuple(reply.logprobs or ()) if request.logprobs else None,
        )
