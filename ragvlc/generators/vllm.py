"""Causal language models in vLLM, on GPUs or a CPU, in a separate process group (see `engines.vllm.engine`).

Requests of all threads join the running batch and leave it when they are done (continuous batching), and prompts with a
common prefix compute it once (automatic prefix caching). Prompts are those of `kind: transformers`, token by token;
greedy answers in float32 are its answers too, except where two tokens are nearly equal.

In bfloat16 and float16 no batch is neutral: two tokens that are equally likely but for rounding may swap places, and
the requests that meet in a batch depend on timing. Answers that must repeat to the letter need float32, or `batch_size:
1` with `prefix_caching: false`. Kernels differ from those of `transformers`: never mix the two engines in one
comparison.
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
from ragvlc.core.answer import Finish, Timing, Usage
from ragvlc.core.component import Execution
from ragvlc.core.engines import Generation, Request
from ragvlc.core.errors import EngineError, missing_extra
from ragvlc.core.families import Generator
from ragvlc.core.replies import Reply
from ragvlc.core.window import input_ids
from ragvlc.engines.batching.chat_template import ChatTokenizer
from ragvlc.engines.batching.dtypes import resolve_dtype
from ragvlc.engines.vllm.arguments import check_arguments
from ragvlc.engines.vllm.engine import EngineProcess
from ragvlc.engines.vllm.messages import GenerationReply
from ragvlc.generators._model_files import OwnFiles
from ragvlc.generators.transformers import TransformersGenerator
from ragvlc.packaged.model_files import (
    TemplateDate,
    refuse_own_code,
)

__all__ = ["VllmGenerator"]

_SEEDS = 2**63


class VllmGenerator(OwnFiles, Generator):
    """A causal language model in vLLM, from a folder, the hub or a wheel.

    Its log is stored for the causes of errors and not shown, unless the environment sets VLLM_LOGGING_LEVEL: then it
    goes to the logger `ragvlc`. Usage reports to vLLM's authors are off unless VLLM_NO_USAGE_STATS=0 is set.

    Attributes:
        model: local folder, hub id, or `packaged:NAME`. The key has a hash of its files, not its name.
        dtype: `auto` is resolved when the part is made: the dtype that the model was published in, or float32 on a CPU
            that has no instructions for 16-bit numbers.
        window: the largest number of tokens of prompt and answer together; None takes the model's own, and the KV cache
            for all of it must fit the memory.
        prefix_caching: cache the prefixes of recent prompts, so that the next question about a document computes only
            what is new. In float32 it changes no answer; in 16-bit dtypes two nearly equal tokens may swap places.
        batch_size: the largest number of requests computed together; None takes vLLM's choice for the machine. Give
            the sweep at least as many at a time.
        tensor_parallel: the number of GPUs over which each layer is split. Part of the key, because the order of sums
            changes rounding.
        pipeline_parallel: the number of GPU groups over which the layers are divided.
        quantization: method of compressed weights, as vLLM names it; None takes that of the model's files.
        gpu_memory: share of a GPU's memory that may be used; None takes vLLM's default. The engine takes all of it at
            once, so leave some for other models on the same GPU.
        eager: no compilation and no CUDA graphs: starts sooner, answers more slowly.
        load_format: format of the weights, as vLLM names it; `dummy` makes random ones, for measurements of speed.
        system: a system message; None leaves it to the chat template.
        template_options: variables for the chat template, such as `enable_thinking: false`.
        template_date: the date, as `2026-01-31`, for chat templates that print today's, or a fixed one as Llama's do;
            part of the key of such models.
        trust_remote_code: run the code in the model's own files, for models that vLLM cannot load without.
        engine: any other argument of vLLM's engine, such as `kv_cache_dtype: fp8` or `max_num_batched_tokens: 16384`.
    """

    version: ClassVar[int] = 1
    later_fields: ClassVar[frozenset[str]] = Generator.later_fields | {"trust_remote_code"}
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
    template_date: Annotated[TemplateDate, Field(examples=["2026-01-31"]), Execution] = None  # see identity
    trust_remote_code: bool = False
    engine: Annotated[Mapping[str, JsonValue], AfterValidator(check_arguments)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _resolve_dtype(self) -> Self:
        # Written to a frozen model: the key and the stored spec must have the dtype that is computed in, not `auto`.
        self.__dict__["dtype"] = resolve_dtype(self.dtype, self.model, "auto")
        return self

    def tokenizer(self) -> ChatTokenizer:
        """Returns the tokenizer with the chat template, the same as that of `kind: transformers`. Needs no vLLM."""
        same = TransformersGenerator(
            model=self.model,
            dtype=self.dtype,
            system=self.system,
            template_options=self.template_options,
            template_date=self.template_date,
            trust_remote_code=self.trust_remote_code,
        )
        return same.tokenizer()

    def open(self) -> _VllmEngine:
        """Returns the loaded model.

        Raises `MissingExtra` where vLLM is not installed, and `EngineError` with the cause if it cannot load the model.
        """
        refuse_own_code(self.model, trusted=self.trust_remote_code)
        if importlib.util.find_spec("vllm") is None:
            missing_extra("vLLM", "vllm", ImportError("No module named 'vllm'"))
        return _VllmEngine(self)

    def arguments(self) -> dict[str, Any]:
        """Returns the arguments of vLLM's engine; fetches the model first if it is packaged."""
        given = {
            "max_model_len": self.window,
            "max_num_seqs": self.batch_size,
            "gpu_memory_utilization": self.gpu_memory,
            "quantization": self.quantization,
            "trust_remote_code": self.trust_remote_code or None,
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
            fields["detokenize"] = False  # the text is made from the tokens, in this process
        if request.logprobs:
            fields["logprobs"] = 0  # the chosen token's own, and no others
        return fields


class _VllmEngine:
    """Engine of a model in vLLM: the client of vLLM's processes, and the tokenizer."""

    def __init__(self, spec: VllmGenerator) -> None:
        self._spec = spec
        self._tokenizer = spec.tokenizer()
        self._engine = EngineProcess(spec.arguments(), model_name=spec.model)
        self._closing = threading.Lock()

    @property
    def window(self) -> int:
        """The largest number of tokens of prompt and answer together."""
        return self._engine.window

    @property
    def process_group(self) -> int:
        """The id of the engine's process group."""
        return self._engine.process_group

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Returns one generation for each request, in order.

        Raises `WindowExceeded` before any is computed, and a transient `EngineError` when the engine's processes died.
        """
        spec, window = self._spec, self.window
        prompts = [input_ids(request, self._tokenizer, window, model=spec.model) for request in requests]
        # A salt of its own keeps a cold request out of vLLM's prefix cache, which has no other switch per request.
        salts = [uuid.uuid4().hex if one.cold and spec.prefix_caching else None for one in requests]
        sampling = [spec.sampling(request) for request in requests]
        asked = time.monotonic()  # the same clock as in the engine's processes
        replies = self._engine.run(zip(prompts, sampling, salts, strict=True))
        return [
            self._generation(request, len(prompt), reply, asked)
            for request, prompt, reply in zip(requests, prompts, replies, strict=True)
        ]

    def close(self) -> None:
        """Ends the engine's processes, which frees the memory; running requests get an error."""
        with self._closing:
            self._engine.close()

    def _generation(self, request: Request, prompt_tokens: int, reply: GenerationReply, asked: float) -> Generation:
        if reply.reason not in {"stop", "length"}:
            raise EngineError(f"vLLM ended an answer of '{self._spec.model}' early: {reply.reason}.", transient=True)
        ended = reply.reason == "stop" and not reply.stop_text
        text = self._tokenizer.decode(reply.tokens[:-1] if ended else reply.tokens)
        places = [place for stop in request.stop if (place := text.find(stop)) >= 0]
        text = text[: min(places)] if places else text
        finish: Finish = "stop" if ended or places else "length"
        prefill, decode = reply.first - reply.scheduled, reply.last - reply.first
        opened = self._tokenizer.opened_by(request.prompt)
        return Generation(
            text=text,
            token_ids=tuple(reply.tokens),
            finish=finish,
            usage=Usage(prompt_tokens, reply.cached, len(reply.tokens), 1),
            timing=Timing(
                queue_seconds=max(0.0, reply.scheduled - asked),
                first_token_seconds=prefill,
                engine_seconds=prefill + decode,
                phases={"prefill": prefill, "decode": decode},
            ),
            logprobs=tuple(reply.logprobs or ()) if request.logprobs else None,
            reply=Reply(text, reason=finish, opened=opened) if opened else None,
        )
