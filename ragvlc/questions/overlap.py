"""Shared words of questions and texts: the overlap of a question with its evidence, and likeness of questions."""

from __future__ import annotations

from collections.abc import Sequence

from ragvlc.text.folding import fold
from ragvlc.text.normalising import has_cjk, words

__all__ = ["content_words", "likeness", "overlap", "shared"]

_SHORT = 3
_ASKING = frozenset(
    {
        "what", "which", "when", "where", "whom", "whose", "does", "have", "with",
        "from", "this", "that", "there", "were", "been", "many", "much", "about",
        "into", "welche", "welcher", "welches", "wann", "wieviel", "wird", "wurde", "haben",
        "eine", "einer", "eines", "quel", "quelle", "quels", "quelles", "combien", "quand",
        "dans", "cuál", "cuándo", "cuánto", "cuántos", "dónde", "quién", "para", "como",
        "qual", "quando", "quanto", "quantos", "onde", "quem",
    }
)  # fmt: skip


def content_words(text: str) -> list[str]:
    """Returns the words of a text that carry its meaning.

    These are longer than three letters and no question words, or have a digit; Chinese and Japanese characters each
    count as a word.
    """
    return [
        word
        for word in words(fold(text))
        if has_cjk(word) or any(map(str.isdigit, word)) or (len(word) > _SHORT and word not in _ASKING)
    ]


def overlap(question: str, evidence: Sequence[str]) -> float | None:
    """Returns the share of the question's content words that occur in the evidence; None if either has none."""
    asked = set(content_words(question))
    given = {word for text in evidence for word in content_words(text)}
    return len(asked & given) / len(asked) if asked and given else None


def shared(one: str, other: str) -> bool:
    """Returns whether two texts share a word that carries meaning; any word where one of them has none."""
    first, second = set(content_words(one)), set(content_words(other))
    return bool(first & second) if first and second else likeness(one, other) > 0


def likeness(one: str, other: str) -> float:
    """Returns the share of words that two questions have in common, of all their words."""
    first, second = set(words(fold(one))), set(words(fold(other)))
    return len(first & second) / len(first | second) if first | second else 1.0
