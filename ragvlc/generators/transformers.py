"""Causal language models of the `transformers` library, on CPU or GPU.

Decoding is our own loop over the public forward pass (see `_decoding`). Greedy answers in float32 are those of
`model.generate(do_sample=False)`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ragvlc import packaged
from ragvlc.core.answer import Timing, Usage
from ragvlc.core.component import Execution
from ragvlc.core.engines import Generation, Request
from ragvlc.core.errors import EngineError, WindowExceeded
from ragvlc.core.families import Generator
from ragvlc.generators._chat import ChatTokenizer
from ragvlc.generators._decoding import Batch, Row, decode
from ragvlc.generators._dtypes import settled_dtype

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

__all__ = ["TransformersGenerator"]


class TransformersGenerator(Generator):
    """A causal language model from a folder, the hub or a wheel.

    Attributes:
        model: local folder, hub id, or `packaged:NAME`. Part of the key by what its files hold, not by its name.
        dtype: `auto` is settled when the part is made: what the model was published in, or float32 on a CPU that has
            no instructions for 16-bit numbers. float32 makes answers independent of batching; in bfloat16 near-ties
            between two tokens may flip.
        device: `auto` takes CUDA, then MPS, then the CPU.
        batch_size: requests of one call that are computed together. Hashed, for what it may flip in bfloat16.
        window: tokens of prompt and answer together; None takes the model's own.
        system: a system message; None leaves it to the chat template.
        template_options: variables for the chat template, such as `enable_thinking: false`.
        attention: kernel family of the attention, as `transformers` names it.
    """

    version: ClassVar[int] = 1
    model: Annotated[packaged.Model, Execution] = "packaged:smollm2-135m-instruct"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: Annotated[str, Field(min_length=1), Execution] = "auto"
    batch_size: Annotated[int, Field(ge=1)] = 1
    window: Annotated[int, Field(ge=2)] | None = None
    system: str | None = None
    template_options: Mapping[str, bool | int | float | str] = Field(default_factory=dict)
    attention: str = "sdpa"

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
    """The model in memory. One call computes at a time; the others wait, and their wait is counted."""

    def __init__(self, spec: TransformersGenerator) -> None:
        self._spec = spec
        self._lock = threading.Lock()
        self._tokenizer = spec.tokenizer()
        self._model: PreTrainedModel | None = _load(spec)
        self._window = spec.window or _own_window(spec, self._model.config)
        ends = self._model.generation_config.eos_token_id
        # Some chat models end a turn with a token that only their tokenizer knows as the end.
        self._end_ids = self._tokenizer.end_ids | set([ends] if isinstance(ends, int) else ends or ())

    @property
    def window(self) -> int:
        """Tokens of prompt and answer together."""
        return self._window

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Returns one generation a request, in order.

        Raises `WindowExceeded` before any is made, and a transient `EngineError` when the accelerator's memory is full.
        """
        rows = [self._row(request) for request in requests]
        done: list[Generation | None] = [None] * len(rows)
        order = sorted(range(len(rows)), key=lambda i: -len(rows[i].prompt))
        size = self._spec.batch_size
        asked = time.perf_counter()
        with self._lock:
            for start in range(0, len(order), size):
                places = order[start : start + size]
                waited = time.perf_counter() - asked
                batch = self._compute([rows[i] for i in places])
                prompts = sum(len(rows[i].prompt) for i in places)
                news = sum(len(rows[i].tokens) for i in places)
                for i in places:
                    shares = (len(rows[i].prompt) / prompts, len(rows[i].tokens) / news)
                    done[i] = _generation(rows[i], batch, waited, shares)
        return [generation for generation in done if generation is not None]

    def close(self) -> None:
        """Frees the model's memory."""
        import torch

        with self._lock:
            self._model = None
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _row(self, request: Request) -> Row:
        spec = self._spec
        prompt = self._tokenizer.render(request.prompt)
        if not prompt:
            raise EngineError(f"The prompt is empty, and '{spec.model}' has no token to begin with.")
        if len(prompt) + request.max_tokens > self._window:
            raise WindowExceeded(
                f"{len(prompt)} prompt tokens and {request.max_tokens} new ones exceed the window of {self._window} of "
                f"'{spec.model}'. Shorten the prompt or ask for fewer tokens."
            )
        return Row(
            prompt=prompt,
            max_tokens=request.max_tokens,
            temperature=spec.temperature if request.temperature is None else request.temperature,
            top_p=spec.top_p if request.top_p is None else request.top_p,
            seed=request.seed,
            stop=request.stop,
            wants_logprobs=request.logprobs,
        )

    def _compute(self, rows: Sequence[Row]) -> Batch:
        import torch

        if self._model is None:
            raise EngineError(f"The engine of '{self._spec.model}' is closed.")
        try:
            with torch.inference_mode():
                return decode(self._model, rows, end_ids=self._end_ids, to_text=self._tokenizer.decode)
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise EngineError(
                f"'{self._spec.model}' ran out of accelerator memory on {len(rows)} prompts of up to "
                f"{max(len(row.prompt) for row in rows)} tokens. Lower batch_size or shorten the prompts.",
                transient=True,
            ) from error


def _generation(row: Row, batch: Batch, waited: float, shares: tuple[float, float]) -> Generation:
    """A request is charged its share of the batch: of prefill by prompt tokens, of decoding by new tokens."""
    prefill, decoding = batch.prefill_seconds * shares[0], batch.decode_seconds * shares[1]
    return Generation(
        text=row.text,
        token_ids=tuple(row.tokens),
        finish=row.finish or "length",
        usage=Usage(prompt_tokens=len(row.prompt), completion_tokens=len(row.tokens), calls=1),
        timing=Timing(
            queue_seconds=waited,
            first_token_seconds=batch.prefill_seconds,
            engine_seconds=prefill + decoding,
            phases={"prefill": prefill, "decode": decoding},
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
