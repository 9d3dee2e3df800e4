"""The window of a model and the lengths of texts in its tokens, from its files without its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragvlc import packaged
from ragvlc.packaged.model_json import model_mapping, positive

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["FileTextLimit", "text_limit"]

_TOGETHER = 256
_NONE = 10**9
"""What tokenizers state as their largest length when they have none is far above this."""


@dataclass(frozen=True, slots=True)
class FileTextLimit:
    """The window of a model, with its tokenizer.

    Attributes:
        window: tokens of a text, special tokens included; longer texts are cut.
        file: the model's `tokenizer.json`.
        prompt: put before every text.
    """

    window: int
    file: Path
    prompt: str = ""

    def lengths(self, texts: Sequence[str], question: str = "") -> list[int]:
        """Returns the tokens of each text, or of each pair of `question` and text, special tokens included."""
        tokenizer = _tokenizer(self.file, self.file.stat().st_mtime_ns)
        whole = [self.prompt + text.removeprefix(self.prompt) for text in texts]
        plain = [text.encode("utf-8", "replace").decode() for text in whole]
        given: Sequence[Any] = [(question, text) for text in plain] if question else plain
        parts = (given[start : start + _TOGETHER] for start in range(0, len(given), _TOGETHER))
        return [len(found) for part in parts for found in tokenizer.encode_batch_fast(part)]


def text_limit(model: str, window: int | None = None, prompt: str = "") -> FileTextLimit | None:
    """Returns the limit of a model, or None if its files are not on this machine or state none. Fetches nothing.

    Args:
        model: `packaged:NAME`, a folder or a hub id.
        window: what its setting says; None takes the model's own.
        prompt: put before every text.
    """
    file = packaged.local_file(model, "tokenizer.json")
    window = _window(model) if window is None else window
    return None if file is None or window is None else FileTextLimit(window, file, prompt)


def _window(model: str) -> int | None:
    stated = positive(model_mapping(model, "sentence_bert_config.json"), "max_seq_length")
    if stated is not None:
        return stated
    config = model_mapping(model, "config.json")
    positions = positive(config, "max_position_embeddings")
    if positions is not None and config.get("model_type") in ("roberta", "xlm-roberta", "camembert", "mpnet"):
        positions -= 2  # their positions count from 2
    most = positive(model_mapping(model, "tokenizer_config.json"), "model_max_length")
    return min((one for one in (positions, most) if one is not None and one < _NONE), default=None)


@lru_cache(maxsize=8)
def _tokenizer(file: Path, changed: int) -> Tokenizer:  # noqa: ARG001 - part of the cache's key
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(file))
    found.no_truncation()
    found.no_padding()
    return found
