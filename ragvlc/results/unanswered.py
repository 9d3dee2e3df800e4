"""Rows without an answer, counted by cause, and what to do about each.

No answer is no refusal: it scores 0 on every question, those without an answer in the text included.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ragvlc.core.answer import Answer
from ragvlc.results.row_form import AnswerForm

__all__ = ["CAUSES", "advice", "cause", "unanswered", "words"]

CAUSES: Mapping[str, str] = {
    "thinking_cut": "ran out of tokens while thinking: raise thinking_tokens or answer_tokens, or set enable_thinking: "
    "false in template_options (of a server: in extra.chat_template_kwargs), or a lower reasoning_effort in extra",
    "thinking_only": "ended with a thought and no answer: if that text is the answer, set thinking: none in the "
    "generator; otherwise set enable_thinking: false",
    "cut": "ran out of tokens before any text came: raise answer_tokens",
    "filtered": "were taken out by a content filter: see the server's safety settings",
    "tool_call": "were tool calls, and no tools are offered: set tool_choice: none in extra",
    "refused": "were refused by the server or its model, outside of the answer's text",
    "empty": "were empty: no text and no thought came",
}
"""What happened, by cause, and what to do: after a number of answers."""


def unanswered(answer: Answer) -> bool:
    """Returns whether a model was asked and no answer came; a route that asks no model has none to give."""
    return not answer.answered and answer.usage.calls > 0


def cause(answer: Answer | AnswerForm) -> str:
    """Returns why there is no answer: one of `CAUSES`."""
    if answer.finish in {"filtered", "tool_call", "refused"}:
        return answer.finish
    if answer.thought:
        return "thinking_cut" if answer.finish == "length" else "thinking_only"
    return "cut" if answer.finish == "length" else "empty"


def words(answer: Answer) -> str:
    """Returns a sentence for an answer that is none, such as `no answer: ran out of tokens while thinking`."""
    return f"no answer: {_singular(CAUSES[cause(answer)]).partition(':')[0]}"


def advice(counts: Sequence[Mapping[str, int]]) -> list[str]:
    """Returns a sentence for each cause, with its number over all cells: the most frequent first."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return [
        f"{number:,} answer{'s' if number > 1 else ''} {_singular(CAUSES[name]) if number == 1 else CAUSES[name]}."
        for name, number in total.most_common()
    ]


def _singular(words: str) -> str:
    return f"was{words[4:]}" if words.startswith("were") else words
