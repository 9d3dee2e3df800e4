"""Loaded models that score pairs of a question and a passage."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

from ragvlc import packaged
from ragvlc.core.errors import EngineError
from ragvlc.packaged.model_files import reason_not_loaded

__all__ = ["Dtype", "LoadedPairs", "Loading", "PairEngine"]

Dtype = Literal["float32", "bfloat16", "float16"]


class PairEngine(Protocol):
    """A loaded model that scores pairs of question and passage. May be called from many threads."""

    @property
    def window(self) -> int:
        """The largest number of tokens of question and passage together; longer pairs are truncated."""
        ...

    def score(self, question: str, passages: Sequence[str]) -> list[float]:
        """Returns a score for each passage; higher is better."""
        ...

    def lengths(self, question: str, passages: Sequence[str]) -> list[int]:
        """Returns the length of each pair in this model's tokens, including special tokens, before truncation."""
        ...

    def close(self) -> None:
        """Frees the memory. The engine must not be used afterwards."""
        ...


@dataclass(frozen=True, slots=True)
class Loading:
    """The settings for loading a cross-encoder.

    Attributes:
        model: a local folder, a hub id, or `packaged:NAME`.
        device: `auto`, or a torch device.
        dtype: of the weights.
        max_length: the most tokens of a pair, which is truncated; None takes the model's own window.
        trusted: whether code in the model's files is run.
    """

    model: str
    device: str
    dtype: Dtype
    max_length: int | None
    trusted: bool = False


class LoadedPairs:
    """A loaded cross-encoder; one thread at a time, because the tokenizer stores its truncation settings as state."""

    def __init__(self, model: Any, name: str, *, batch_size: int) -> None:  # noqa: ANN401 - the library's class
        self._model = model
        self._name = name
        self._batch_size = batch_size
        self._lock = threading.Lock()

    @classmethod
    def load(cls, loading: Loading, *, batch_size: int) -> Self:
        """Returns the loaded model. Raises `EngineError` if it cannot be loaded or does not score pairs."""
        folder = packaged.resolve(loading.model)
        try:
            model = _loaded(loading, folder)
        except Exception as error:
            reason = str(error).rstrip(".")
            message = (
                f"cross-encoder '{loading.model}' cannot be loaded on device '{loading.device}': {reason}. Give a "
                "folder with a cross-encoder, or the id of one on a hub that can be reached."
            )
            raise EngineError(reason_not_loaded(loading.model, error, message)) from error
        if problem := _problem(model, loading):
            raise EngineError(f"'{loading.model}' {problem}")
        return cls(model, loading.model, batch_size=batch_size)

    @property
    def window(self) -> int:
        """The number of tokens, including special tokens, to which pairs are truncated; `sys.maxsize` for no limit."""
        length = self._model.max_seq_length
        return sys.maxsize if length is None or math.isinf(length) else int(length)

    def score(self, question: str, passages: Sequence[str]) -> list[float]:
        """Returns the raw score of each pair, before any sigmoid. Raises `EngineError` if the model fails."""
        import numpy as np
        import torch

        try:
            with self._lock:
                scores = self._model.predict(
                    [(question, passage) for passage in passages],
                    batch_size=self._batch_size,
                    show_progress_bar=False,
                    activation_fn=torch.nn.Identity(),
                )
        except (RuntimeError, IndexError) as error:
            full = isinstance(error, torch.OutOfMemoryError)
            hint = " Lower its batch_size." if full else ""
            message = f"cross-encoder '{self._name}' failed on {len(passages)} passages: {error}{hint}"
            raise EngineError(message, transient=full) from error
        if not np.isfinite(scores).all():
            message = f"cross-encoder '{self._name}' gave numbers that are not finite. Use dtype: float32."
            raise EngineError(message)
        return [float(score) for score in scores]

    def lengths(self, question: str, passages: Sequence[str]) -> list[int]:
        """Returns each pair's number of tokens, including special tokens and the model's prompt, before truncation."""
        if not passages:
            return []
        pairs = [(question, passage) for passage in passages]
        prompt = self._model.prompts.get(self._model.default_prompt_name)
        uncut = {"text": {"truncation": False, "verbose": False}}
        with self._lock:
            found = self._model.preprocess(pairs, prompt=prompt, processing_kwargs=uncut)
        return [int(length) for length in found["attention_mask"].sum(dim=1)]

    def close(self) -> None:
        """Frees the memory."""
        import torch

        self._model = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _loaded(loading: Loading, folder: str) -> Any:  # noqa: ANN401 - the library's class
    import torch
    from sentence_transformers import CrossEncoder

    with _quiet():
        return CrossEncoder(
            folder,
            device=None if loading.device == "auto" else loading.device,
            max_length=loading.max_length,
            model_kwargs={"dtype": getattr(torch, loading.dtype)},
            trust_remote_code=loading.trusted,
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Hides the progress bars and warnings that Transformers shows while it loads a model."""
    from transformers.utils import logging

    shown, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()


def _problem(model: Any, loading: Loading) -> str | None:  # noqa: ANN401 - the library's class
    """Returns why this model cannot rank passages, or None if it can."""
    built, published = type(model.transformers_model).__name__, model.config.architectures
    if published and built not in published:
        # The library would then silently add a last layer with random weights and rank by it.
        return f"is no cross-encoder: it was published as {', '.join(published)}, without a layer that scores pairs."
    if model.num_labels != 1:
        return f"gives {model.num_labels} numbers for a pair; a cross-encoder that ranks gives one."
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions is not None and loading.max_length is not None and loading.max_length > positions:
        return f"has {positions} positions; max_length {loading.max_length} exceeds them."
    return None
