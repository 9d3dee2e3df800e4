"""Replies as a model or server sent them: text, thought sent apart, refusal, tool call and the reason for the end.

A reply is stored as it came; `ragvlc.text.replies` separates answer and thought when the reply is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

__all__ = ["THINKING", "THOUGHT_CHARACTERS", "Reply", "bounded", "read_reply_json", "reply_json"]

THINKING = (
    *("auto", "none", "opened"),
    *("think", "thinking", "thought", "thoughts", "reasoning", "seed:think", "antthinking", "antml:thinking"),
    *("analysis", "chain_of_thought", "cot", "inner_monologue", "internal_monologue", "reasoning_process"),
    *("reflect", "reflection", "scratchpad"),
    *("related", "brackets", "kimi", "begin_of_thought", "start_thinking", "gemma", "granite", "details", "harmony"),
)
"""What a generator's `thinking` may name, besides a pair of marks; `ragvlc.text.thoughts` knows the formats."""

THOUGHT_CHARACTERS = 20_000
"""Longest thought, and longest reply as it came, that a row of results stores."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model sent, before it is read.

    Attributes:
        text: the visible text, thoughts and channel marks in it included.
        thought: what was sent apart from the text as thought: `reasoning_content`, `reasoning`, parts of type
            `thinking`.
        refusal: what was sent apart from the text as a refusal.
        tool_call: whether a tool call was sent.
        reason: why the reply ended, in the sender's word; empty if no reason was given.
        opened: the mark of a thought that the prompt had opened before the reply began, such as `<think>`; empty if
            there was none, or none is known.
        thought_tokens: tokens of the thought, as the sender counted them; None if it did not.
        unread: parts of the reply that are neither text nor thought nor refusal nor tool call, by type.
    """

    text: str = ""
    thought: str = ""
    refusal: str = ""
    tool_call: bool = False
    reason: str = ""
    opened: str = ""
    thought_tokens: int | None = None
    unread: tuple[str, ...] = ()


def reply_json(reply: Reply) -> dict[str, Any]:
    """Returns the fields of a reply that differ from their defaults."""
    found = {field.name: getattr(reply, field.name) for field in fields(Reply)}
    left = {name: value for name, value in found.items() if value not in ("", False, None, ())}
    return left | ({"unread": list(reply.unread)} if reply.unread else {})


def read_reply_json(stored: Mapping[str, Any]) -> Reply:
    """Returns the reply that `reply_json` stored; fields of later versions are ignored."""
    known = {field.name: stored[field.name] for field in fields(Reply) if field.name in stored}
    return Reply(**known | ({"unread": tuple(known["unread"])} if "unread" in known else {}))


def bounded(text: str, characters: int = THOUGHT_CHARACTERS) -> str:
    """Returns `text`, its middle replaced by a note of the number of characters left out if it is too long."""
    if len(text) <= characters:
        return text
    half = characters // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters are not stored ...]\n{text[-half:]}"
