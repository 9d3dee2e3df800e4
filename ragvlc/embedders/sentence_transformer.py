"""Embedding models in the format of sentence-transformers, run here."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ragvlc import packaged
from ragvlc.core.component import Execution
from ragvlc.core.engines import VectorEngine
from ragvlc.core.errors import EngineError
from ragvlc.core.families import Embedder

if TYPE_CHECKING:
    from ragvlc.core.engines import Vectors


class SentenceTransformerEmbedder(Embedder):
    """An embedding model from a folder, a hub, or packaged.

    Attributes:
        model: a local folder, a hub id, or `packaged:NAME`.
        query_prompt: put before a question. None takes the model's own prompt, if it declares one; "" is none.
        passage_prompt: put before a passage; likewise.
        max_length: cut texts at so many tokens; None takes the model's own window.
        dtype: of the weights. Vectors come out as float32 whatever it is.
        device: `auto`, or a torch device.
        batch_size: texts computed together.
    """

    model: packaged.Model = "packaged:all-minilm-l6-v2"
    query_prompt: str | None = None
    passage_prompt: str | None = None
    max_length: Annotated[int | None, Field(ge=3)] = None
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    device: Annotated[str, Execution] = "auto"
    batch_size: Annotated[int, Field(ge=1), Execution] = 32

    def identity(self) -> Mapping[str, Any]:
        """Returns the fingerprint of the model's files."""
        return {"model": packaged.fingerprint(self.model)}

    def open(self) -> VectorEngine:
        """Returns the loaded model. Raises `EngineError` if it cannot be loaded or lacks room for `max_length`."""
        folder = packaged.resolve(self.model)
        try:
            model = _loaded(folder, device=self.device, dtype=self.dtype)
        except Exception as error:
            reason = str(error).rstrip(".")
            message = (
                f"embedder '{self.model}' cannot be loaded on device '{self.device}': {reason}. Give a folder with a "
                "sentence-transformers model, the id of one on a hub that can be reached, or packaged:all-minilm-l6-v2."
            )
            raise EngineError(message) from error
        if self.max_length is not None:
            _set_window(model, self)
        return _Engine(model, self)


class _Engine:
    """A loaded model. One thread at a time: the tokenizer keeps its cutting rules as state."""

    def __init__(self, model: Any, spec: SentenceTransformerEmbedder) -> None:  # noqa: ANN401 - the library's class
        self._model = model
        self._spec = spec
        self._lock = threading.Lock()
        own = model.prompts
        passage = next((own[name] for name in ("document", "passage", "corpus") if own.get(name)), "")
        self._prompts = {
            "query": own.get("query") or "" if spec.query_prompt is None else spec.query_prompt,
            "passage": passage if spec.passage_prompt is None else spec.passage_prompt,
        }

    @property
    def window(self) -> int:
        """Tokens beyond which a text is cut, prompt and special tokens included; `sys.maxsize` if nothing is cut."""
        length = self._model.max_seq_length
        return sys.maxsize if length is None or math.isinf(length) else int(length)

    def embed(self, texts: Sequence[str], *, side: str = "passage") -> Vectors:
        """Returns unit vectors, float32 of shape [texts, dimensions]. Raises `EngineError` if the model fails."""
        import numpy as np
        import torch

        if not texts:
            return self.embed([""], side=side)[:0]
        try:
            with self._lock:
                vectors = self._model.encode(
                    list(texts),
                    prompt=self._prompts[side],
                    batch_size=self._spec.batch_size,
                    show_progress_bar=False,
                    normalize_embeddings=True,
                )
        except (RuntimeError, IndexError) as error:
            full = isinstance(error, torch.OutOfMemoryError)
            hint = " Lower its batch_size." if full else ""
            message = f"embedder '{self._spec.model}' failed on {len(texts)} texts: {error}{hint}"
            raise EngineError(message, transient=full) from error
        vectors = vectors.astype(np.float32)
        if not np.isfinite(vectors).all():
            message = f"embedder '{self._spec.model}' gave numbers that are not finite. Use dtype: float32."
            raise EngineError(message)
        # Again in 32 bits: half precision leaves lengths off by up to a per cent.
        unit: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
        return unit

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Returns each text's tokens as a passage: its prompt and special tokens included, nothing cut."""
        if not texts:
            return []
        whole = [self._prompts["passage"] + text for text in texts]
        tokenizer = self._model.tokenizer
        with self._lock:
            if not callable(tokenizer):  # models of static vectors carry the bare tokenizer
                return [len(found) for found in tokenizer.encode_batch(whole, add_special_tokens=False)]
            return [len(ids) for ids in tokenizer(whole, truncation=False, verbose=False)["input_ids"]]

    def close(self) -> None:
        """Frees the memory."""
        import torch

        self._model = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _loaded(folder: str, *, device: str, dtype: str) -> Any:  # noqa: ANN401 - the library's class
    import torch
    from sentence_transformers import SentenceTransformer

    with _no_progress_bars():
        return SentenceTransformer(
            folder,
            device=None if device == "auto" else device,
            model_kwargs={"dtype": getattr(torch, dtype)},
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
    room = getattr(getattr(transformer, "config", None), "max_position_embeddings", None)
    if room is not None and spec.max_length is not None and spec.max_length > room:
        message = f"embedder '{spec.model}': max_length {spec.max_length} exceeds the {room} positions of the model."
        raise EngineError(message)
    model.max_seq_length = spec.max_length
