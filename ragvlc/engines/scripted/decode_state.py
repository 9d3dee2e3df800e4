"""Sessions without a model: whatever stands before, the next token is the next word of a reply, for certain."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragvlc.core.answer import Timing, Usage
from ragvlc.core.errors import EngineError
from ragvlc.core.sessions import Draft
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer

if TYPE_CHECKING:
    import torch

__all__ = ["END", "WIDTH", "ScriptedSession"]

WIDTH = 2**15
"""Columns of a row: words that all scripted replies of a process may have together."""
END = 0
"""The token behind a reply."""

_WORDS: dict[str, int] = {"": END}
_TEXTS: list[str] = [""]
_LOCK = threading.Lock()


def _ids(text: str) -> tuple[int, ...]:
    """Returns the tokens of `text`: equal words have equal ids, whichever session says them."""
    words = [text[start:end] for start, end in WordTokenizer().spans(text)]
    with _LOCK:
        for word in words:
            if word not in _WORDS:
                if len(_TEXTS) == WIDTH:
                    raise EngineError(f"scripted sessions know no more than {WIDTH} different words.")
                _WORDS[word] = len(_TEXTS)
                _TEXTS.append(word)
        return tuple(_WORDS[word] for word in words)


class ScriptedSession:
    """A `ragvlc.core.sessions.Session` that says a reply, word by word, and then ends.

    Args:
        reply: what it says, whatever has been taken on: the place counts, not the words.
        prompt_tokens: of its prompt, for its usage.
        max_tokens: at most so many behind the prompt.
        width: of the rows; None for `WIDTH`.
    """

    def __init__(self, reply: str, prompt_tokens: int, *, max_tokens: int, width: int | None = None) -> None:
        self._script = _ids(reply)
        self._prompt_tokens = prompt_tokens
        self._max_tokens = max_tokens
        self._width = width or WIDTH
        self._taken: list[int] = []
        self._drafted = self._taken_back = 0
        self._verified = False

    @property
    def width(self) -> int:
        """Columns of every row of probabilities."""
        return self._width

    @property
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer."""
        return frozenset({END})

    def propose(self, n: int, *, confident: float = 0.0) -> Draft:  # noqa: ARG002 - it is always sure
        """Takes on the next words of the reply, up to its end."""
        import torch

        first = len(self._taken)
        tokens: list[int] = []
        while len(tokens) < min(n, self._max_tokens - first) and END not in tokens:
            tokens.append(self._next(first + len(tokens)))
        rows = [self._row(first + i) for i in range(len(tokens))]
        self._taken += tokens
        self._drafted += len(tokens)
        return Draft(tuple(tokens), torch.stack(rows) if rows else torch.empty(0, self._width))

    def verify(self, draft: Sequence[int]) -> torch.Tensor:
        """Takes `draft` on; returns the rows before each of its tokens and behind the last."""
        import torch

        first = len(self._taken)
        self.extend(draft)
        self._verified = True
        return torch.stack([self._row(first + i) for i in range(len(draft) + 1)])

    def peek(self) -> torch.Tensor:
        """Returns the row behind the text so far."""
        return self._row(len(self._taken)).unsqueeze(0)

    def extend(self, tokens: Sequence[int]) -> None:
        """Takes on tokens that were chosen elsewhere."""
        if len(self._taken) + len(tokens) > self._max_tokens:
            message = f"{len(tokens)} tokens more are beyond the {self._max_tokens} that this session was opened for"
            raise ValueError(message)
        self._taken += tokens

    def rewind(self, n: int) -> None:
        """Takes the last `n` tokens back."""
        del self._taken[len(self._taken) - n :]
        self._taken_back += n

    def text(self, tokens: Sequence[int]) -> str:
        """Returns the words of generated ids."""
        return "".join(_TEXTS[token] for token in tokens)

    def plain_seconds(self, n: int) -> float:  # noqa: ARG002 - takes no time
        """Returns 0."""
        return 0.0

    @property
    def usage(self) -> Usage:
        """Tokens so far: those kept of a session that verifies, those drawn of one that proposes."""
        written = len(self._taken) if self._verified else self._drafted
        accepted = self._drafted - self._taken_back if self._drafted else 0
        return Usage(self._prompt_tokens, 0, written, 1, self._drafted, accepted)

    @property
    def timing(self) -> Timing:
        """No seconds."""
        return Timing(engine_seconds=0.0)

    def close(self) -> None:
        """Frees nothing."""

    def _next(self, place: int) -> int:
        return self._script[place] if place < len(self._script) else END

    def _row(self, place: int) -> torch.Tensor:
        import torch

        row = torch.zeros(self._width)
        row[self._next(place)] = 1.0
        return row
