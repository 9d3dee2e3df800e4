"""Generations as they are passed on: the answer alone, its thought beside it, and the reply as it came.

Every call passes here between the engine, or the cache of replies, and whoever asked, so that no route, agent,
reranker, router or judge ever sees a thought. The cache stores replies as they came.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ragvlc.core.answer import Usage
from ragvlc.core.engines import Generation, Request, Tokenizer
from ragvlc.core.replies import Reply
from ragvlc.core.surrogates import joined
from ragvlc.text.replies import ReadReply, read_reply

__all__ = ["read_generation", "with_thinking_tokens"]


def with_thinking_tokens(request: Request, tokens: int | None) -> Request:
    """Returns the request with `tokens` more new tokens, for the thought of a model that thinks."""
    return replace(request, max_tokens=request.max_tokens + tokens) if tokens else request


def read_generation(
    generation: Generation, thinking: str, tokenizer: Callable[[], Tokenizer], *, limit: int | None = None
) -> Generation:
    """Returns the generation with the answer as its text, and the reply as it came.

    Args:
        generation: as the engine returned it.
        thinking: how thoughts are marked in its text; see `ragvlc.text.thoughts.read_text`.
        tokenizer: returns the generator's tokenizer, which is asked for where tokens of a thought must be counted.
        limit: tokens that the answer may have, where the reply was given more for its thought; None for no check.
    """
    reply = generation.reply or Reply(joined(generation.text), reason=generation.finish)
    read = read_reply(reply, thinking)
    answer, finish = read.answer, read.finish
    if limit is not None and answer and len(spans := tokenizer().spans(answer)) > limit:
        answer, finish = answer[: spans[limit - 1][1]], "length"
    plain = answer == reply.text and not reply.thought
    return replace(
        generation,
        text=answer,
        finish=finish,
        usage=generation.usage if plain else _counted(generation.usage, reply, read, tokenizer),
        logprobs=generation.logprobs if plain else _of_answer(generation, reply, read, tokenizer),
        notes={**generation.notes, **_notes(reply, read)},
        reply=reply,
        thought=read.thought,
    )


def _counted(usage: Usage, reply: Reply, read: ReadReply, tokenizer: Callable[[], Tokenizer]) -> Usage:
    """Returns the usage with the tokens of the thought, which are part of the new ones."""
    if usage.thought_tokens or not read.thought:
        return usage
    tokens = tokenizer().count(read.thought) if reply.thought_tokens is None else reply.thought_tokens
    return replace(usage, thought_tokens=min(tokens, usage.completion_tokens))


def _of_answer(
    generation: Generation, reply: Reply, read: ReadReply, tokenizer: Callable[[], Tokenizer]
) -> tuple[float | None, ...] | None:
    """Returns the log-probabilities of the answer's tokens; None where they cannot be told from the thought's."""
    if generation.logprobs is None or not read.text.marked:
        return generation.logprobs
    if not read.answered:
        return ()
    counted = tokenizer()
    if read.text.start is None or getattr(counted, "estimated", False):
        return None
    return generation.logprobs[min(counted.count(reply.text[: read.text.start]), len(generation.logprobs) - 1) :]


def _notes(reply: Reply, read: ReadReply) -> dict[str, Any]:
    """Returns facts for the trace: numbers are added up over the calls of a step."""
    notes: dict[str, Any] = {}
    if read.thought:
        notes["thought_characters"] = len(read.thought)
    if read.text.marked:
        notes["thoughts_read"] = 1
    if not read.answered:
        notes["no_answer"] = 1
    if reply.unread:
        notes["unread_parts"] = ", ".join(reply.unread)
    return notes
