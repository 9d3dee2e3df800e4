"""Reads streamed answers: text, times, usage and finish reason, from the chunks of a stream."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ragvlc.core.answer import Usage
from ragvlc.core.replies import Reply
from ragvlc.core.surrogates import joined
from ragvlc.engines.remote.api_errors import ReplyUnusable
from ragvlc.engines.remote.reply_parts import ReplyParts
from ragvlc.engines.remote.server import StreamBroken
from ragvlc.text.replies import broken_off

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionChunk
    from openai.types.chat.chat_completion_chunk import Choice

__all__ = ["CHARACTERS_PER_TOKEN", "StreamedReply", "cut_at_stop", "message_fields", "read_stream"]

_MISSING = -9999.0


@dataclass(slots=True)
class StreamedReply:
    """A streamed answer, with its times, usage and finish reason.

    Attributes:
        parts: text, thought, refusal and tool calls so far, and why the reply ended, in the server's word.
        usage: as the server counted; None if it sent none.
        logprobs: one for each token, None for a token without one; None if there were none at all.
        counted_last: whether the usage came in a chunk of its own, as it does at the end of a whole stream.
        model: the model that answered, in the server's word.
        fingerprint: of the server's configuration, if it sends one.
        streamed: whether it came in parts, so that its first token has a time of its own.
        started: when the request was sent, on the clock of `time.perf_counter`.
        first: when the first token was received, of the thought or of the text.
        last: when the last was received.
        cut_here: whether reading ended because the reply was far longer than its limit of tokens.
    """

    started: float
    parts: ReplyParts = field(default_factory=ReplyParts)
    usage: Usage | None = None
    logprobs: list[float | None] | None = None
    counted_last: bool = False
    model: str = ""
    fingerprint: str = ""
    streamed: bool = True
    first: float | None = None
    last: float = 0.0
    cut_here: bool = False

    @property
    def reply(self) -> Reply:
        """The reply as it came."""
        return self.parts.reply(thought_tokens=(self.usage.thought_tokens or None) if self.usage else None)

    def take(self, chunk: ChatCompletionChunk, now: float) -> None:
        """Adds the content of a stream's chunk to the answer."""
        self.model = joined(str(chunk.model or self.model))
        self.fingerprint = joined(str(getattr(chunk, "system_fingerprint", None) or self.fingerprint))
        if chunk.usage is not None:
            self.usage = _usage(chunk.usage) or self.usage
            self.counted_last = not chunk.choices
        for choice in chunk.choices or ():
            if (getattr(choice, "index", None) or 0) == 0 and self._take_choice(choice):
                self.last = now
                self.first = now if self.first is None else self.first

    def _take_choice(self, choice: Choice) -> bool:
        """Adds one choice of a chunk to the answer; returns whether the choice had any content or ended the answer."""
        before = self.parts.characters
        found = self.parts.take(message_fields(choice.delta))
        self.parts.reason = choice.finish_reason or self.parts.reason
        listed = _logprobs(choice.logprobs)
        if listed and (self.parts.characters > before or not found):  # a thought sent apart has its own
            self.logprobs = [*(self.logprobs or ()), *listed]
        return bool(found or choice.finish_reason)

    def finish(self, *, ended: bool = False, accept_unfinished: bool = False) -> StreamedReply:
        """Returns the complete reply.

        Args:
            ended: whether the server marked the end of the stream.
            accept_unfinished: whether a stream that ended without a finish reason is an answer.

        Raises:
            StreamBroken: the stream broke off, or its finish reason says that the answer did. A connection that is cut
                looks like the end of a stream: only a finish reason, or another mark of the end, tells a whole answer
                from a part.
            ReplyUnusable: the stream ended, and has no finish reason.
        """
        if broken_off(self.parts.reason):
            raise StreamBroken(f"the server broke off its answer: its finish reason is '{self.parts.reason}'")
        if not self.parts.reason and not (ended or self.counted_last):
            raise StreamBroken("the stream ended before the answer did")
        if not self.parts.reason and not accept_unfinished:
            raise ReplyUnusable(
                "the server ended its stream without a finish reason, so that a whole answer cannot be told from a "
                "part. If it always does, set missing_finish: accept in the generator."
            )
        if self.first is None:
            self.first = self.last = time.perf_counter()
        return self


def message_fields(message: object) -> dict[str, Any]:
    """Returns the fields of a client's message or delta, those that the client does not know included."""
    if message is None:
        return {}
    known = {name: getattr(message, name, None) for name in ("content", "refusal", "tool_calls", "function_call")}
    return {**(getattr(message, "model_extra", None) or {}), **known}


CHARACTERS_PER_TOKEN = 16
"""Four times the usual four: a reply with more characters for each token of its limit ignores the limit."""


def read_stream(
    stream: Iterable[ChatCompletionChunk],
    started: float,
    check: Callable[[], None],
    *,
    max_tokens: int = sys.maxsize,
    ended: Callable[[], bool] = lambda: False,
    accept_unfinished: bool = False,
) -> StreamedReply:
    """Returns the answer read from `stream`.

    Servers may ignore the limit of tokens and send without end: reading ends at 16 characters for each token of it,
    thoughts included, with the finish reason `length`.

    Args:
        stream: its chunks.
        started: when the request was sent.
        check: called at each chunk; may raise to stop reading.
        max_tokens: the limit of tokens that was sent.
        ended: called at the end; whether the server marked it.
        accept_unfinished: whether a stream that ended without a finish reason is an answer.
    """
    reply = StreamedReply(started)
    most = CHARACTERS_PER_TOKEN * max_tokens
    for chunk in stream:
        check()
        reply.take(chunk, time.perf_counter())
        if reply.parts.sent > most:
            reply.cut_here = True
            reply.parts.cut(most)
            break
    return reply.finish(ended=ended(), accept_unfinished=accept_unfinished)


def cut_at_stop(text: str, stops: Iterable[str]) -> tuple[str, bool]:
    """Returns `text` up to the first of the stop texts, and whether one was found."""
    places = [place for stop in stops if stop and (place := text.find(stop)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def _usage(counted: object) -> Usage | None:
    """Returns the tokens that a server counted; None if what it sent in their place has none."""
    prompt, written = (_whole(counted, name) for name in ("prompt_tokens", "completion_tokens"))
    if prompt is None and written is None:
        return None
    of_prompt = getattr(counted, "prompt_tokens_details", None)
    cached = _whole(of_prompt, "cached_tokens")
    put = _whole(of_prompt, "cache_write_tokens") or _whole(counted, "cache_creation_input_tokens")
    details = getattr(counted, "completion_tokens_details", None)
    thought = _whole(details, "reasoning_tokens") or _whole(counted, "reasoning_tokens")
    return Usage(prompt or 0, cached or 0, written or 0, 1, thought_tokens=thought or 0, written_tokens=put or 0)


def _whole(holder: object, name: str) -> int | None:
    """Returns a count of tokens; None where there is none, or one that is no number from 0 on."""
    found: Any = holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
    if isinstance(found, str):
        return int(found) if found.isascii() and found.isdigit() else None
    known = isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found < math.inf
    return int(found) if known else None


def _logprobs(sent: object) -> list[float | None]:
    """Returns the log-probabilities of a chunk's tokens; a null, an infinity or OpenAI's -9999 is a missing one."""
    listed = getattr(sent, "content", None)
    values = [getattr(token, "logprob", None) for token in listed] if isinstance(listed, list) else []
    return [float(one) if isinstance(one, int | float) and _MISSING < one < math.inf else None for one in values]
