"""Reads replies: answer, thought, why the reply ended, and whether there is an answer at all.

The one place where a reply as it came (`ragvlc.core.replies.Reply`) becomes an answer, for every generator. What is
sent apart as thought, refusal or tool call is never part of an answer; thoughts within the text are those that
`ragvlc.text.thoughts` finds under the setting `thinking`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ragvlc.core.answer import Finish
from ragvlc.core.replies import Reply
from ragvlc.text.thoughts import ReadText, read_text

__all__ = ["ReadReply", "broken_off", "finish_of", "read_reply"]

_REASONS: dict[str, Finish] = {
    **dict.fromkeys(
        (
            *(
                "complete",
                "completed",
                "finish",
                "stop_token",
                "stop_word",
                "done",
                "end",
                "end_of_sequence",
                "end_of_turn",
                "end_turn",
                "eos",
                "eos_token",
            ),
            *("finished", "stop", "stop_sequence", "stop_str", "success"),
        ),
        "stop",
    ),
    **dict.fromkeys(
        (
            *("context_length", "context_length_exceeded", "context_window_exceeded", "incomplete", "length"),
            *("max_completion_tokens", "max_length", "max_new_tokens", "max_output_tokens", "max_tokens"),
            *("model_context_window_exceeded", "model_length", "token_limit"),
        ),
        "length",
    ),
    **dict.fromkeys(
        (
            *("blocklist", "blocked", "content_filter", "content_filtered", "filtered", "guardrail", "moderation"),
            *("guardrail_intervened", "language", "prohibited_content", "recitation", "safety", "sensitive", "spii"),
            *("error_toxic", "model_armor", "image_safety"),
        ),
        "filtered",
    ),
    **dict.fromkeys(
        (
            *("function_call", "malformed_function_call", "tool_call", "tool_calls", "tool_use", "tool_uses"),
            *("unexpected_tool_call",),
        ),
        "tool_call",
    ),
    **dict.fromkeys(("refusal", "refused"), "refused"),
}
_BROKEN_OFF = frozenset(
    {
        *("abort", "aborted", "cancel", "canceled", "cancelled", "error", "error_limit", "failed", "failure"),
        *("insufficient_system_resource", "internal_error", "network_error", "server_error", "time_limit", "timeout"),
        *("unload", "user_cancel"),
    }
)
_NOTHING = re.compile(
    "(?:[\\s\u034f\u180e\u200b-\u200f\u2060\u2800\ufeff\ufffd\u00ad\\x00-\\x1f]"
    r"|[.,;:!?…\-–—_*#\"'“”‘’`()\[\]{}~。，！？、；：]"
    r"|<\|(?:im_end|endoftext|end_of_text|eot_id|eom_id|end|return|eos|pad)\|>|</?s>|<(?:eos|pad|unk|bos|end_of_turn)>)+"
)
"""A text that says nothing: blanks, punctuation and what is left of control tokens."""
_TOOL_TEXT = re.compile(
    r"\A\s*(?:<tool_call>|<function_call>|<\|python_tag\|>|<\|tool_calls?(?:_begin|_start)?\|>|\[TOOL_CALLS\]"
    r"|<｜tool▁calls▁begin｜>|<function=)"
)


@dataclass(frozen=True, slots=True)
class ReadReply:
    """A reply that has been read.

    Attributes:
        answer: the text of the answer; empty if there is none.
        thought: what was read, or sent, as thought.
        finish: why the reply ended.
        answered: whether there is an answer.
        text: how the text of the reply was separated.
    """

    answer: str
    thought: str
    finish: Finish
    answered: bool
    text: ReadText


def read_reply(reply: Reply, thinking: str = "auto") -> ReadReply:
    """Returns what a reply says.

    Args:
        reply: as it came.
        thinking: how thoughts are marked in its text; see `ragvlc.text.thoughts.read_text`.
    """
    read = read_text(reply.text, thinking, opened=bool(reply.opened))
    thought = "\n\n".join(part for part in (reply.thought.strip(), read.thought) if part)
    finish = finish_of(reply.reason)
    if reply.refusal or finish == "refused":
        return ReadReply("", thought, "refused", answered=False, text=read)
    if reply.tool_call or read.tool_call or _TOOL_TEXT.match(read.answer):
        return ReadReply("", thought, "tool_call", answered=False, text=read)
    answer = read.answer if read.answer and not _NOTHING.fullmatch(read.answer) else ""
    if finish == "tool_call" and answer:
        finish = "stop"  # no call came, but an answer did
    return ReadReply(answer, thought, finish, answered=bool(answer), text=read)


def finish_of(reason: str) -> Finish:
    """Returns why a reply ended, from the sender's word; `none` if it gave no reason, or one that is not known."""
    return _REASONS.get(_word(reason), "none")


def broken_off(reason: str) -> bool:
    """Returns whether the sender's word for why a reply ended means that it failed, so that its text is only a part."""
    return _word(reason) in _BROKEN_OFF


def _word(reason: str) -> str:
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", reason.rpartition(".")[2].strip())
    return snake.lower().replace("-", "_").replace(" ", "_").removeprefix("finish_reason_")
