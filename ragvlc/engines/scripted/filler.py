"""Filler texts of a given number of tokens, used as replies and documents in dry runs."""

from __future__ import annotations

import random

from ragvlc.core.engines import Tokenizer

__all__ = ["filler"]

_WORDS = ("the", "of", "and", "to", "in", "is", "that", "for", "it", "was", "on", "are", "as", "with", "they", "at")


def filler(tokenizer: Tokenizer, tokens: int, key: str) -> str:
    """Returns a text of about `tokens` tokens; equal keys give equal texts, different keys different texts."""
    chosen = random.Random(key)  # noqa: S311 - a repeatable choice, not a secret
    text = " ".join(chosen.choice(_WORDS) for _ in range(tokens))
    spans = tokenizer.spans(text)
    while len(spans) > tokens > 0:
        text = text[: spans[tokens - 1][1]]
        spans = tokenizer.spans(text)
    return text
