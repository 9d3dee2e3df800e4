"""Decode state without a model: the next token is the next word of a scripted reply, with probability 1."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragvlc.core.answer import Timing, Usage
from ragvlc.core.decode_state import Draft
from ragvlc.core.errors import EngineError
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer

if TYPE_CHECKING:
    import torch

__all__ = ["END", "WIDTH", "ScriptedDecodeState"]

WIDTH = 2**15
"""Columns of a row of probabilities: the number of words that all scripted replies of a process may have together."""
END = 0
"""The token after a reply."""

_WORDS: dict[str, int] = {"": END}
_TEXTS: list[str] = [""]
_LOCK = threading.Lock()


def _ids(text: str) -> tuple[int, ...]:
    """Returns the token ids of `text`; equal words have equal ids in all decode states of the process."""
    words = [text[start:end] for start, end in WordTokenizer().spans(text)]
    with _LOCK:
        for word in words:
            if word not in _WORDS:
                if len(_TEXTS) == WIDTH:
                    raise EngineError(f"scripted replies may have at most {WIDTH} different words in a process.")
                _WORDS[word] = len(_TEXTS)
                _TEXTS.append(word)
        return tuple(_WORDS[word] for word in words)


class ScriptedDecodeState:
    """A `ragvlc.core.decode_state.DecodeState` that produces a scripted reply word by word, and then ends.

    Args:
        reply: the text. The next word depends on the number of tokens so far, not on which tokens they are.
        prompt_tokens: of its prompt, for its usage.
        max_tokens: the largest number of tokens after the prompt.
        width: of the rows of probabilities; None for `WIDTH`.
    """

    def __init__(self, reply: str, prompt_tokens: int, *, max_tokens: int, width: int | None = None) -> None:
        self._script = _ids(reply)
        self._prompt_tokens = prompt_tokens
        self._max_tokens = max_tokens
        self._width = width or WIDTH
        self._tokens: list[int] = []
        self._drafted = self._removed = 0
        self._verified = False

    @property
    def width(self) -> int:
        """The number of token ids in each row of probabilities."""
        return self._width

    @property
    def end_ids(self) -> frozenset[int]:
        """The ids of tokens that end an answer."""
        return frozenset({END})

    def propose(self, n: int, *, min_probability: float = 0.0) -> Draft:  # noqa: ARG002 - probability is always 1
        """Appends the next words of the reply, up to its end."""
        import torch

        first = len(self._tokens)
        tokens: list[int] = []
        while len(tokens) < min(n, self._max_tokens - first) and END not in tokens:
            tokens.append(self._next(first + len(tokens)))
        rows = [self._row(first + i) for i in range(len(tokens))]
        self._tokens += tokens
        self._drafted += len(tokens)
        return Draft(tuple(tokens), torch.stack(rows) if rows else torch.empty(0, self._width))

    def verify(self, draft: Sequence[int]) -> torch.Tensor:
        """Appends `draft`; returns the next-token distributions before each of its tokens and after the last."""
        import torch

        first = len(self._tokens)
        self.extend(draft)
        self._verified = True
        return torch.stack([self._row(first + i) for i in range(len(draft) + 1)])

    def peek(self) -> torch.Tensor:
        """Returns the distribution of the next token."""
        return self._row(len(self._tokens)).unsqueeze(0)

    def extend(self, tokens: Sequence[int]) -> None:
        """Appends tokens that the caller has chosen."""
        if len(self._tokens) + len(tokens) > self._max_tokens:
            message = f"{len(tokens)} more tokens exceed the {self._max_tokens} that this decode state was opened for"
            raise ValueError(message)
        self._tokens += tokens

    def rewind(self, n: int) -> None:
        """Removes the last `n` tokens."""
        del self._tokens[len(self._tokens) - n :]
        self._removed += n

    def text(self, tokens: Sequence[int]) -> str:
        """Returns the text of generated token ids."""
        return "".join(_TEXTS[token] for token in tokens)

    def plain_seconds(self, n: int) -> float:  # noqa: ARG002 - takes no time
        """Returns 0, because scripted decoding takes no time."""
        return 0.0

    @property
    def usage(self) -> Usage:
        """Token usage so far; a verifying state counts the tokens of its text, a drafting state all sampled tokens."""
        written = len(self._tokens) if self._verified else self._drafted
        accepted = self._drafted - self._removed if self._drafted else 0
        return Usage(self._prompt_tokens, 0, written, 1, self._drafted, accepted)

    @property
    def timing(self) -> Timing:
        """Zero seconds, because scripted decoding takes no time."""
        return Timing(engine_seconds=0.0)

    def close(self) -> None:
        """Does nothing, because there is no memory to free."""

    def _next(self, place: int) -> int:
        return self._script[place] if place < len(self._script) else END

    def _row(self, place: int) -> torch.Tensor:
        import torch

        row = torch.zeros(self._width)
        row[self._next(place)] = 1.0
        return row
