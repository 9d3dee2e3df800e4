"""What LooGLE's scorers share: how a reply is read."""

from __future__ import annotations

__all__ = ["EMPTY", "words_of"]

EMPTY = "None"
"""What an empty reply is scored as."""


def words_of(reply: str) -> list[str]:
    """Returns the words of a reply between blanks; one word for an empty reply."""
    return reply.split() or [EMPTY]
