"""Reads the body of a reply: a stream of events, or whole JSON where a server does not stream.

The body decides, not its content type: some servers stream as `text/plain`, and some answer a request for a stream
with whole JSON. What is neither is a `ReplyUnusable` that says what came.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ragvlc.core.json_text import parse_json
from ragvlc.engines.remote.api_errors import ReplyRefused, ReplyUnusable
from ragvlc.engines.remote.error_words import parsed
from ragvlc.engines.remote.server import StreamBroken, not_an_answer

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionChunk

__all__ = ["ReplyChunks"]

_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
_SHOWN = 200
_END = "[DONE]"
_NO_REASON = "none"  # whole JSON is a whole answer, whether it says why it ended or not


class ReplyChunks:
    """The chunks of one reply, in order; may be iterated once.

    Args:
        data: the body, in pieces as they come in.
        check: called at each piece; may raise to stop reading.

    Attributes:
        done: whether the server marked the end of its stream with `[DONE]`.
        whole: whether the reply came as whole JSON, not as a stream.
    """

    def __init__(self, data: Iterable[bytes], check: Callable[[], None]) -> None:
        self._data = data
        self._check = check
        self.done = False
        self.whole = False

    def __iter__(self) -> Iterator[ChatCompletionChunk]:
        lines = self._lines()
        first = next((line for line in lines if line.strip()), b"")
        if first.lstrip(b"\xef\xbb\xbf").startswith(_FIELDS):
            yield from self._streamed(first.lstrip(b"\xef\xbb\xbf"), lines)
            return
        self.whole = True
        yield _whole(parsed(b"\n".join([first, *lines]).decode("utf-8", "replace")))

    def _lines(self) -> Iterator[bytes]:
        """Yields the lines of the body, which end with LF, CR LF or CR and with nothing else."""
        rest = b""
        for piece in self._data:
            self._check()
            # A CR at the end may be half of a line's end: it waits for the next piece.
            *lines, rest = (rest + piece).replace(b"\r\n", b"\n").split(b"\n")
            for line in lines:
                yield from line.split(b"\r") if b"\r" in line else (line,)
        if rest:
            yield from rest.split(b"\r")

    def _streamed(self, first: bytes, lines: Iterator[bytes]) -> Iterator[ChatCompletionChunk]:
        data: list[bytes] = []
        name = _read_line(first, data, b"")
        for line in lines:
            if line:
                name = _read_line(line, data, name)
                continue
            yield from self._event(name, data)
            data, name = [], b""
            if self.done:
                return
        yield from self._event(name, data)  # an end without its blank line

    def _event(self, name: bytes, data: list[bytes]) -> Iterator[ChatCompletionChunk]:
        text = b"\n".join(data).decode("utf-8", "replace").strip()
        if text.startswith(_END):
            self.done = True
        elif text:
            yield _chunk(_event_object(text), is_error=name == b"error")


def _read_line(line: bytes, data: list[bytes], name: bytes) -> bytes:
    """Adds a line of an event to its data; returns the event's name, which the line may set."""
    field, _, value = line.partition(b":")
    value = value.removeprefix(b" ")
    if field == b"data":
        data.append(value)
    return value.strip() if field == b"event" else name


def _event_object(text: str) -> object:
    try:
        return parse_json(text)
    except ValueError:
        raise StreamBroken(f"a part of the stream is no JSON: '{text[:_SHOWN]}'") from None


def _chunk(body: object, *, is_error: bool = False) -> ChatCompletionChunk:
    """Returns one event of a stream as a chunk. Raises `ReplyRefused` for an error, `ReplyUnusable` for other JSON."""
    from openai.types.chat import ChatCompletionChunk

    if is_error or _is_error(body):
        raise ReplyRefused(body)
    if not isinstance(body, Mapping) or not _has_choices(body):
        raise ReplyUnusable(f"a part of its stream is not of OpenAI's protocol: {_shown(body)}")
    choices = [{**choice, "delta": _sent(choice) or {}} for choice in body.get("choices") or ()]
    return ChatCompletionChunk.construct(**{**_without_nulls(body), "choices": choices})


def _sent(choice: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Returns what a choice says: its delta, message or text. Raises `ReplyRefused` if it has an error instead."""
    if _is_error(choice):
        raise ReplyRefused(choice)
    found = choice.get("delta") or choice.get("message")
    return found or ({"content": choice["text"]} if isinstance(choice.get("text"), str) else found)


def _whole(body: object) -> ChatCompletionChunk:
    """Returns whole JSON as a chunk that holds all of the reply."""
    from openai.types.chat import ChatCompletionChunk

    if _is_error(body):
        raise ReplyRefused(body)
    if body == "":
        raise StreamBroken("the reply is empty")
    if isinstance(body, str) and body[0] in "{[":
        raise StreamBroken("the reply is cut in the middle of its JSON")
    if not isinstance(body, Mapping) or "choices" not in body or not _has_choices(body):
        raise ReplyUnusable(f"the reply is no answer: {not_an_answer(body)}")
    choices = [
        {**choice, "delta": _sent(choice), "finish_reason": choice.get("finish_reason") or _NO_REASON}
        for choice in body["choices"] or ()
    ]
    if not choices and isinstance(state := body.get("base_resp"), Mapping) and state.get("status_msg"):
        raise ReplyRefused({"code": state.get("status_code"), "message": state["status_msg"]})  # of MiniMax
    if not choices:
        raise ReplyUnusable("the reply has no choices: the server sent an empty list of answers.", transient=True)
    if all(choice["delta"] is None for choice in choices):
        raise ReplyUnusable("the reply has no message: the server sent null in its place.", transient=True)
    choices = [{**choice, "delta": choice["delta"] or {}} for choice in choices]
    return ChatCompletionChunk.construct(**{**_without_nulls(body), "choices": choices})


def _is_error(body: object) -> bool:
    """Returns whether a body is an error, or a list of them, as Google's servers send."""
    if isinstance(body, list):
        return bool(body) and all(map(_is_error, body))
    return isinstance(body, Mapping) and (bool(body.get("error")) or body.get("object") == "error")


def _has_choices(body: Mapping[str, Any]) -> bool:
    """Returns whether the choices, if there are any, are objects whose delta or message is an object or null."""
    choices = body.get("choices") or []
    return isinstance(choices, list) and all(
        isinstance(choice, Mapping)
        and isinstance(choice.get("delta") or choice.get("message") or {}, Mapping)
        and isinstance(choice.get("logprobs") or {}, Mapping)
        for choice in choices
    )


def _without_nulls(body: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in body.items() if value is not None or name == "usage"}


def _shown(body: object) -> str:
    text = json.dumps(body, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
