"""A tokenizer that caches rendered prompts, because dry runs render the same long prompts many times."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragvlc.core.engines import Prompt, Tokenizer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CachedTokenizer"]

_MOST = 20_000_000
"""Tokens of rendered prompts in memory."""


class CachedTokenizer:
    """A tokenizer that caches the most recently rendered prompts; for use by one thread."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._rendered: OrderedDict[str, NDArray[np.int64]] = OrderedDict()
        self._held = 0

    @property
    def id(self) -> str:
        """Identifier of the vocabulary and tokenization rules."""
        return self._tokenizer.id

    def count(self, text: str) -> int:
        """Returns the number of tokens of `text`, encoded as plain text."""
        return self._tokenizer.count(text)

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        """Returns the character span of each token of `text`."""
        return self._tokenizer.spans(text)

    def render(self, prompt: Prompt) -> list[int]:
        """Returns the token ids of the prompt, as they would be sent to a model."""
        import numpy as np

        key = prompt.digest()
        found = self._rendered.get(key)
        if found is None:
            found = self._rendered[key] = np.array(self._tokenizer.render(prompt), np.int64)
            self._held += len(found)
            while self._held > _MOST and len(self._rendered) > 1:
                self._held -= len(self._rendered.popitem(last=False)[1])
        else:
            self._rendered.move_to_end(key)
        ids: list[int] = found.tolist()
        return ids
