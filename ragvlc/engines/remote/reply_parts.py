"""Collects a reply from messages or the deltas of a stream: text, thought sent apart, refusals and tool calls.

Servers send the content as a text or as a list of parts, and thoughts as parts of it or in fields of their own. A
message of a whole reply and a delta of a stream have the same form, so both are taken by the same function.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ragvlc.core.replies import Reply
from ragvlc.core.surrogates import joined

__all__ = ["ReplyParts"]

_THOUGHT_FIELDS = (
    *("reasoning_content", "reasoning", "reasoning_text", "thinking", "thinking_content", "thought", "thoughts"),
    *("reasoning_details", "thinking_blocks"),
)
"""Fields of a message with its thought; the first with content counts, as some servers send one thought in two."""
_THOUGHTS = frozenset(
    {
        "reasoning",
        "reasoning_content",
        "reasoning_text",
        "reasoning.text",
        "reasoning.summary",
        "redacted_thinking",
        "reasoning.encrypted",
        "summary_text",
        "thinking",
        "thinking_delta",
        "thought",
    }
)
_TEXTS = frozenset({"text", "output_text", "input_text", "text_delta", "text-plain"})
_TOOLS = frozenset(
    {
        "custom_tool_call",
        "function_call",
        "input_json_delta",
        "invalid_tool_call",
        "mcp_call",
        "server_tool_call",
        "server_tool_call_chunk",
        "server_tool_use",
        "tool_call",
        "tool_call_chunk",
        "tool_calls",
        "tool_use",
    }
)
_SILENT = frozenset({"reference", "citation", "signature", "signature_delta"})
"""Parts that say something about the text, and are none."""
_TEXT_FIELDS = (
    "text",
    "thinking",
    "reasoning",
    "reasoning_content",
    "thought",
    "summary",
    "content",
    "value",
    "reasoningContent",
    "reasoningText",
)


class _Piece(NamedTuple):
    kind: str  # text, thought, refusal, tool, or the type of a part that is none of them
    text: str = ""


@dataclass(slots=True)
class ReplyParts:
    """A reply that is being collected.

    Attributes:
        reason: why it ended, in the sender's word; empty until a message gives one.
    """

    reason: str = ""
    _texts: list[str] = field(default_factory=list)
    _thoughts: list[str] = field(default_factory=list)
    _refusals: list[str] = field(default_factory=list)
    _unread: dict[str, None] = field(default_factory=dict)
    _tool_call: bool = False
    _characters: int = 0
    _sent: int = 0

    def take(self, message: Mapping[str, Any]) -> bool:
        """Adds the content of a message or delta; returns whether it had any."""
        found = False
        for piece in _pieces(message):
            found = found or bool(piece.text) or piece.kind == "tool"
            self._sent += len(piece.text)
            if piece.kind == "text":
                self._texts.append(piece.text)
                self._characters += len(piece.text)
            elif piece.kind == "thought":
                self._thoughts.append(piece.text)
            elif piece.kind == "refusal":
                self._refusals.append(piece.text)
            elif piece.kind == "tool":
                self._tool_call = True
            else:
                self._unread[piece.kind] = None
        return found

    @property
    def text(self) -> str:
        """The visible text so far."""
        return "".join(self._texts)

    @property
    def characters(self) -> int:
        """Number of characters of the visible text so far."""
        return self._characters

    @property
    def sent(self) -> int:
        """Number of characters of everything sent so far, thoughts and refusals included."""
        return self._sent

    def cut(self, most: int) -> None:
        """Cuts text and thought to `most` characters each: the reply has ended because it became too long."""
        self._texts = [self.text[:most]]
        self._thoughts = ["".join(self._thoughts)[:most]]
        self.reason = "length"

    @property
    def empty(self) -> bool:
        """Whether nothing at all was sent: no text, thought, refusal or tool call."""
        return not (any(self._texts) or any(self._thoughts) or any(self._refusals) or self._tool_call)

    def reply(self, *, thought_tokens: int | None = None) -> Reply:
        """Returns the reply, the halves of characters that were sent in two messages joined."""
        return Reply(
            text=joined(self.text),
            thought=joined("".join(self._thoughts)),
            refusal=joined("".join(self._refusals)),
            tool_call=self._tool_call,
            reason=joined(self.reason),
            thought_tokens=thought_tokens,
            unread=tuple(map(joined, self._unread)),
        )


def _pieces(message: Mapping[str, Any]) -> Iterator[_Piece]:
    for name in _THOUGHT_FIELDS:
        if thought := _text_of(message.get(name)):
            yield _Piece("thought", thought)
            break
    yield from _of_content(message.get("content"))
    if refusal := _text_of(message.get("refusal")):
        yield _Piece("refusal", refusal)
    if message.get("tool_calls") or message.get("function_call"):
        yield _Piece("tool")


def _of_content(content: object) -> Iterator[_Piece]:
    if isinstance(content, str):
        yield _Piece("text", content)
    elif isinstance(content, Mapping):
        yield from _of_part(content)
    elif isinstance(content, Sequence):
        for part in content:
            yield from _of_content(part)


def _of_part(part: Mapping[str, Any]) -> Iterator[_Piece]:
    kind = str(part.get("type") or _guessed(part))
    if kind == "message" or (kind == "unknown" and isinstance(part.get("parts"), list)):
        yield from _of_content(part.get("content") or part.get("parts"))
    elif kind == "non_standard" and isinstance(part.get("value"), Mapping):
        yield from _of_part(part["value"])
    elif kind in _TEXTS and not part.get("thought"):
        yield _Piece("text", _text_of(part.get("text") or part.get("content")))
    elif kind in _THOUGHTS or kind in _TEXTS:
        yield _Piece("thought", _text_of(part))
    elif kind == "refusal":
        yield _Piece("refusal", _text_of(part.get("refusal") or part.get("text")))
    elif kind in _TOOLS:
        yield _Piece("tool")
    elif kind not in _SILENT:
        yield _Piece(kind)


def _guessed(part: Mapping[str, Any]) -> str:
    """Returns the type of a part that names none, by its fields."""
    if any(part.get(name) for name in ("thinking", "reasoning", "reasoning_content", "reasoningContent")):
        return "thinking"
    return "text" if "text" in part else "unknown"


def _text_of(value: object) -> str:
    """Returns the text within a text, a part or a list of parts."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return next((text for name in _TEXT_FIELDS if (text := _text_of(value.get(name)))), "")
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return "".join(map(_text_of, value))
    return ""
