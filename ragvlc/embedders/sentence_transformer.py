"""Local sentence-transformers embedding models, with an optional extension of their context window."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ragvlc import memory, packaged
from ragvlc.core.component import Execution
from ragvlc.core.engines import SpanVectorEngine, TextLimit
from ragvlc.core.errors import EngineError
from ragvlc.core.families import Embedder
from ragvlc.documents.text_limits import text_limit
from ragvlc.embedders._extension import ExtensionSetting
from ragvlc.embedders._formats import chosen_dtype, format_remarks
from ragvlc.embedders._prompts import Declared, declared, declared_in, prompt_remarks
from ragvlc.engines.batching.dtypes import has_accelerator
from ragvlc.packaged.model_files import (
    code_refusals,
    model_remarks,
    reason_not_loaded,
    refuse_own_code,
    weight_bytes,
)

_log = logging.getLogger("ragvlc")
_said: set[str] = set()
BATCH_TOKENS = {"cpu": 1_024}
"""Tokens of a batch by the device's type: few on a CPU, whose caches then hold them, which is 5 to 13 % faster than
4,096; any other type gets more, to be fully used."""


class SentenceTransformerEmbedder(Embedder):
    """A sentence-transformers embedding model from a folder, a hub or a wheel.

    Attributes:
        model: a local folder, a hub id, or `packaged:NAME`.
        query_prompt: put before a question, unless it begins so. None takes the model's own prompt, if it declares one
            under any name in use; "" is none.
        passage_prompt: put before a passage; likewise.
        max_length: the number of tokens that texts are truncated to; None takes the model's own window, or eight times
            that of `extension`.
        extension: reads texts beyond the model's window: `{strategy: ...}`, or the strategy alone: `parallel_windows`,
            `grouped`, `recurrent`, `interpolated`, `ntk` or `self_extend`. None truncates them.
        dtype: of the weights; vectors are float32 in any case. Use `bfloat16` for long texts on a GPU.
        backend: `torch` computes in `dtype`; `auto` in that of a measured table of speed and ranking: bfloat16 on a CPU
            with AMX, else float32. What that gains and loses is said; the key has the dtype of this machine.
        trust_remote_code: run the code in the model's own files, for models that the library cannot load without.
        device: `auto`, or a torch device.
        batch_tokens: the largest number of tokens computed together, padding included; None takes 1,024 on a CPU and
            65,536 elsewhere.
        batch_size: the largest number of texts computed together; None is no limit.
    """

    version: ClassVar[int] = 2
    later_fields: ClassVar[frozenset[str]] = Embedder.later_fields | {"trust_remote_code", "backend"}

    model: packaged.Model = "packaged:all-minilm-l6-v2"
    query_prompt: str | None = None
    passage_prompt: str | None = None
    max_length: Annotated[int | None, Field(ge=3)] = None
    extension: ExtensionSetting = None
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    backend: Literal["torch", "auto"] = "torch"
    trust_remote_code: bool = False
    device: Annotated[str, Execution] = "auto"
    batch_tokens: Annotated[int | None, Field(ge=1), Execution] = None
    batch_size: Annotated[int | None, Field(ge=1), Execution] = None

    @property
    def computed_dtype(self) -> str:
        """The dtype of the weights: the chosen one, or that of this machine under `backend: auto`."""
        return chosen_dtype(self.device) if self.backend == "auto" else self.dtype

    def refusals(self) -> list[str]:
        """Returns sentences if the model needs code of its own that is not trusted, or the dtype is chosen twice."""
        said = code_refusals(self.model, trusted=self.trust_remote_code)
        if self.backend == "auto" and self.dtype != "float32":
            said += [f"backend 'auto' chooses the dtype, and dtype is '{self.dtype}'. Leave out one of the two."]
        return said

    def remarks(self) -> list[str]:
        """Returns what to know about the model's own code and its prompts, from its files and its name."""
        return [
            *model_remarks(self.model, trusted=self.trust_remote_code),
            *self._remarks(declared_in(self.model)),
            *format_remarks(self.model, self.computed_dtype, self.device, auto=self.backend == "auto"),
        ]

    def identity(self) -> Mapping[str, Any]:
        """Returns the hash of the model's files, the prompts put before texts if there are any, and a chosen dtype."""
        prompts = self._chosen(declared_in(self.model))
        chosen = {"dtype": self.computed_dtype} if self.backend == "auto" else {}
        found = {"model": packaged.fingerprint(self.model)} | chosen
        return found | ({"prompts": prompts} if any(prompts.values()) else {})

    def _remarks(self, own: Declared | None) -> tuple[str, ...]:
        return tuple(prompt_remarks(self.model, own, self.query_prompt, self.passage_prompt))

    def text_limit(self) -> TextLimit | None:
        """Returns the window of the model with its tokenizer, or None if its files are not on this machine."""
        prompt = self._chosen(declared_in(self.model))["passage"]
        limit = text_limit(self.model, self.max_length, prompt)
        if limit is None or self.extension is None or self.max_length is not None:
            return limit
        return text_limit(self.model, self.extension.reach(limit.window), prompt)

    def open(self) -> SpanVectorEngine:
        """Returns the loaded model.

        Raises:
            EngineError: it cannot be loaded, has too few positions for `max_length`, or cannot be extended that way.
        """
        refuse_own_code(self.model, trusted=self.trust_remote_code)
        here = self.device == "cpu" or (self.device == "auto" and not has_accelerator())
        return memory.loaded(self.model, weight_bytes(self.model, self.dtype) if here else None, self._open)

    def _open(self) -> SpanVectorEngine:
        from ragvlc.embedders._engine import BatchLimits, SentenceTransformerEngine

        folder = packaged.resolve(self.model)
        try:
            model = _loaded(folder, self)
        except Exception as error:
            reason = str(error).rstrip(".")
            message = (
                f"embedder '{self.model}' cannot be loaded on device '{self.device}': {reason}. Give a folder with a "
                "sentence-transformers model, the id of one on a hub that can be reached, or packaged:all-minilm-l6-v2."
            )
            raise EngineError(reason_not_loaded(self.model, error, message)) from error
        applied = None
        if self.extension is not None:
            from ragvlc.embedders._applied_extension import apply_extension

            applied = apply_extension(model, self.extension, self.max_length, self.model)
            model.max_seq_length = self.max_length or self.extension.reach(applied.window)
        elif self.max_length is not None:
            _set_window(model, self)
        limits = BatchLimits(self.batch_tokens or BATCH_TOKENS.get(model.device.type, 65_536), self.batch_size)
        return SentenceTransformerEngine(model, self.model, self._prompts(model), limits, applied)

    def _prompts(self, model: Any) -> dict[str, str]:  # noqa: ANN401 - the library's class
        """Returns the prompts put before texts, keyed by `query` and `passage`."""
        own = declared(model.prompts, model.default_prompt_name)
        for remark in self._remarks(own):
            if remark not in _said:
                _said.add(remark)
                _log.warning(remark)
        return self._chosen(own)

    def _chosen(self, own: Declared | None) -> dict[str, str]:
        own = own or declared({})
        return {
            "query": own.query if self.query_prompt is None else self.query_prompt,
            "passage": own.passage if self.passage_prompt is None else self.passage_prompt,
        }


def _loaded(folder: str, spec: SentenceTransformerEmbedder) -> Any:  # noqa: ANN401 - the library's class
    import torch
    from sentence_transformers import SentenceTransformer

    with _no_progress_bars():
        return SentenceTransformer(
            folder,
            device=None if spec.device == "auto" else spec.device,
            model_kwargs={"dtype": getattr(torch, spec.computed_dtype)},
            trust_remote_code=spec.trust_remote_code,
        )


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _set_window(model: Any, spec: SentenceTransformerEmbedder) -> None:  # noqa: ANN401 - the library's class
    transformer = model.transformers_model
    positions = getattr(getattr(transformer, "config", None), "max_position_embeddings", None)
    if positions is not None and spec.max_length is not None and spec.max_length > positions:
        message = (
            f"embedder '{spec.model}': max_length {spec.max_length} exceeds the {positions} positions of the model. "
            "Set an extension to read further."
        )
        raise EngineError(message)
    model.max_seq_length = spec.max_length
