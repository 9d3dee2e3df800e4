"""Thoughts that a model writes into its reply, by the marks around them: the answer is what is left.

Known marks: `<think>` and its relatives (`<thinking>`, `<thought>`, `<reasoning>`, `<reflection>`, `<seed:think>`...),
`[THINK]`, `◁think▷`, `<|begin_of_thought|>` and the like, Gemma's and Cohere's control tokens, Granite's headings,
`<details type="reasoning">`, and gpt-oss's channels, with their control tokens or without. A thought may be closed,
unclosed (the reply ended in it), or open with its closing mark alone (the chat template had written the opening one).

A mark counts where a model writes one: at the start of the reply or of a line. One in the middle of a sentence, in
backticks or in a block of code is part of the answer, as in "HTML has no `<think>` element".
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ragvlc.text.channels import channels

__all__ = ["FORMATS", "ReadText", "marks_thought", "opened_mark", "read_text"]


@dataclass(frozen=True, slots=True)
class _Format:
    """The marks of one way to write a thought, as regular expressions.

    `common` formats also count in the middle of a reply, and by their closing mark alone; the others, whose marks an
    answer may well have, only at the start of the reply.
    """

    opening: str
    closing: str
    common: bool = True


def _tag(name: str, *, common: bool) -> _Format:
    return _Format(rf"<{name}(?:\s[^<>\n]*)?(?<!/)>", rf"</{name}\s*>|<{name}\s*/>", common)


_COMMON_TAGS = ("think", "thinking", "thought", "thoughts", "reasoning", "seed:think", "antthinking", "antml:thinking")
_OTHER_TAGS = (
    "analysis",
    "chain_of_thought",
    "cot",
    "inner_monologue",
    "internal_monologue",
    "reasoning_process",
    "reflect",
    "reflection",
    "scratchpad",
)
_OF = r"[_▁ ]?of[_▁ ]?(?:thoughts?|thinking|think|reasoning)[|｜]>"
_NOUNS = (
    r"(?:(?:deep[_-]?)?think(?:ing)?|thoughts?|reason(?:ing)?|rationale|monologue|ponder(?:ing)?|deliberation|planning)"
)
_FORMATS: dict[str, _Format] = {
    **{name: _tag(name, common=True) for name in _COMMON_TAGS},
    **{name: _tag(name, common=False) for name in _OTHER_TAGS},
    "related": _Format(
        rf"<(?:\w{{1,16}}[_:-])?{_NOUNS}(?:[_-]\w{{1,16}})?>|<(?:start|begin)_working_out>",
        rf"</(?:\w{{1,16}}[_:-])?{_NOUNS}(?:[_-]\w{{1,16}})?\s*>|<end_(?:working_out|{_NOUNS})>",
        common=False,
    ),
    "brackets": _Format(r"\[(?:(?:BEGIN|START)_)?THINK(?:ING)?\]", r"\[(?:/|END_)THINK(?:ING)?\]"),
    "kimi": _Format("◁think▷", "◁/think▷"),
    "begin_of_thought": _Format(rf"<[|｜](?:begin|start){_OF}", rf"<[|｜]end{_OF}"),
    "start_thinking": _Format(
        r"<\|(?:START_THINKING|thinking_start|think_start|start_think|think|inner_prefix|thinking|reasoning|(?:thoughts?|reasoning)_start)\|>",
        r"<\|(?:END_THINKING|thinking_end|think_end|end_think|/think|inner_suffix|/thinking|/reasoning|(?:thoughts?|reasoning)_end)\|>",
    ),
    "gemma": _Format(r"<\|channel>\s*thought\b|<unused94>(?:\s*thought\b)?", r"<channel\|>|<unused95>"),
    "granite": _Format(
        r"Here(?:'s| is) my (?:thought|thinking) process:", r"Here(?:'s| is) my response:", common=False
    ),
    "details": _Format(r"<details\s[^<>]*type=[\"']?reasoning[\"']?[^<>]*>", r"</details\s*>", common=False),
}
FORMATS = (*_FORMATS, "harmony")
"""Names of the known formats."""

_WRAPPED = re.compile(
    r"\A(?:<(answer|response|output|solution|final|final_answer|final_response)>(?P<tagged>.*?)(?:</\1>|\Z)"
    r"|<\|begin_of_(?:solution|answer|response)\|>(?P<begun>.*?)(?:<\|end_of_(?:solution|answer|response)\|>|\Z)"
    r"|<\|START_(?:RESPONSE|TEXT)\|>(?P<started>.*?)(?:<\|END_(?:RESPONSE|TEXT)\|>|\Z))\s*\Z",
    re.DOTALL | re.IGNORECASE,
)
_FENCE = re.compile(r"^ {0,3}(```|~~~)", re.MULTILINE)
_INLINE = re.compile(r"(`+)[^`\n](?:[^\n]*?[^`\n])?\1(?!`)")
_SENTENCE_ENDS = frozenset(".!?:;…。！？)]}\"'”*")
_PERIODS = frozenset(".!?…。！？")
_AFTER_WORD = frozenset(".,:;!?)'\"`”’")
_ROLE = re.compile(r"\s*(?:<\|[a-z_]{5,20}\|>\s*)?assistant\s*(?:<\|[a-z_]{5,20}\|>\s*)?\n?\s*", re.IGNORECASE)
_BEFORE_MARK = " \t*_>#\u200b\ufeff"  # what may come before a mark on its line


@dataclass(frozen=True, slots=True)
class ReadText:
    """A reply's text, separated.

    Attributes:
        answer: what is left without thoughts; the text itself if there is none.
        thought: the thoughts, with a blank line between them.
        marked: marks of a thought were found, and read.
        unclosed: the reply ended within a thought.
        tool_call: a tool call was written in place of an answer.
        start: where the answer begins in the text; None if it is in several pieces.
    """

    answer: str
    thought: str = ""
    marked: bool = False
    unclosed: bool = False
    tool_call: bool = False
    start: int | None = 0


def read_text(text: str, thinking: str = "auto", *, opened: bool = False) -> ReadText:
    """Returns the answer and the thoughts in the text of a reply.

    Args:
        text: as the model wrote it.
        thinking: `auto` for every known format, `none` for no reading at all, the name of a format for that one alone,
            `opened` for `auto` where the template is known to open a thought, or an opening and a closing mark.
        opened: whether the prompt had opened a thought.
    """
    if thinking == "none":
        return ReadText(text)
    if thinking in {"auto", "opened", "harmony"} and (found := channels(text)) is not None:
        return ReadText(found.answer, found.thought, True, found.unclosed, found.tool_call, found.start)
    if thinking == "harmony":
        return ReadText(text)
    opened = opened or thinking == "opened"
    if not opened and not any(hint in text for hint in _hints(thinking)):
        return ReadText(text)
    return _read_marks(text, _patterns(thinking), opened=opened)


_CHANNEL_TOKENS = frozenset(
    {"<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>", "<|call|>", "<|constrain|>"}
)
_AROUND_ANSWER = re.compile(
    r"<\|(?:START|END)_(?:RESPONSE|TEXT)\|>|<\|(?:begin|end)_of_(?:solution|answer|response)\|>"
)


def marks_thought(token: str, *, among: Container[str]) -> bool:
    """Returns whether a control token marks a thought or a channel, so that a reply cannot be read without it.

    Args:
        token: its text.
        among: the other control tokens of its vocabulary.
    """
    if token in _CHANNEL_TOKENS:
        return "<|channel|>" in among
    patterns = _patterns("auto")
    # Gemma's marks are a control token and a word after it.
    mark = any(one.fullmatch(token) for one in (patterns.opening, patterns.closing))
    return mark or token == "<|channel>" or bool(_AROUND_ANSWER.fullmatch(token))  # noqa: S105 - not a password


def opened_mark(text: str) -> str:
    """Returns the mark of a thought that the end of a rendered chat template leaves open; empty if there is none."""
    patterns = _patterns("auto")
    found = list(patterns.common_opening.finditer(text))
    if not found or _closing(text, found[-1].end(), found[-1][0], patterns) or text[found[-1].end() :].strip():
        return ""
    return found[-1][0]


def _hints(thinking: str) -> Sequence[str]:
    pair = thinking.split()
    return pair if len(pair) == 2 else ("<", "[", "◁", "Here")


@dataclass(frozen=True, slots=True)
class _Patterns:
    opening: re.Pattern[str]
    closing: re.Pattern[str]
    common_opening: re.Pattern[str]
    common_closing: re.Pattern[str]


@lru_cache(maxsize=64)
def _patterns(thinking: str) -> _Patterns:
    pair = thinking.split()
    if len(pair) == 2:
        chosen = [_Format(re.escape(pair[0]), re.escape(pair[1]))]
    elif thinking in _FORMATS:
        chosen = [_Format(_FORMATS[thinking].opening, _FORMATS[thinking].closing)]  # named, so it counts anywhere
    else:
        chosen = list(_FORMATS.values())
    common = [one for one in chosen if one.common]
    return _Patterns(
        _any(one.opening for one in chosen),
        _any(one.closing for one in chosen),
        _any(one.opening for one in common),
        _any(one.closing for one in common),
    )


def _any(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(rf"(?:{one})" for one in patterns), re.IGNORECASE)


def _read_marks(text: str, patterns: _Patterns, *, opened: bool) -> ReadText:
    thoughts: list[str] = []
    answers: list[str] = []
    role = _ROLE.match(text)
    place, unclosed = (role.end() if role and patterns.opening.match(text, role.end()) else 0), False
    if _leading(text, place, patterns) is None:
        end = _closing(text, 0, "", patterns) if opened else _orphan(text, patterns)
        if end is None and opened:
            return ReadText("", text.strip(), marked=True, unclosed=True)
        if end is not None:
            thoughts.append(text[: end.start()])
            place = end.end()
    while opening := _leading(text, place, patterns) or _later(text, place, patterns):
        answers.append(text[place : opening.start()])
        end = _closing(text, opening.end(), opening[0], patterns)
        end = end and (_further(text, opening, end, patterns) or end)
        thoughts.append(text[opening.end() : end.start() if end else len(text)])
        place, unclosed = (end.end(), False) if end else (len(text), True)
    if not thoughts:
        return ReadText(text)
    in_pieces = bool("".join(answers).strip())
    answer = _unwrapped("".join((*answers, text[place:])), patterns)
    thought = "\n\n".join(stripped for one in thoughts if (stripped := one.strip()))
    return ReadText(answer, thought, marked=True, unclosed=unclosed, start=None if in_pieces else place)


def _leading(text: str, place: int, patterns: _Patterns) -> re.Match[str] | None:
    """Returns the opening mark with which the text from `place` on begins."""
    found = patterns.opening.search(text, place)
    return found if found and not text[place : found.start()].strip(_BEFORE_MARK + "\r\n") else None


def _later(text: str, place: int, patterns: _Patterns) -> re.Match[str] | None:
    """Returns the next opening mark of a thought: at the start of a line or after a sentence, where it is no word."""
    code = _code(text, place)
    for found in patterns.common_opening.finditer(text, place):
        start = found.start()
        line = text[max(place, text.rfind("\n", 0, start) + 1) : start]
        at_start = not line.strip(_BEFORE_MARK)
        if _within(start, code) or not (at_start or line[-1].isalnum() or line.rstrip()[-1] in _PERIODS):
            continue
        if at_start and not text[found.end() :].partition("\n")[0].strip():
            return found
        end = _closing(text, found.end(), found[0], patterns)
        if end is not None and _ends_block(text[end.end() :].partition("\n")[0]):
            return found
    return None


def _ends_block(rest: str) -> bool:
    """Returns whether the rest of a line after a closing mark begins anew, rather than speaks of the mark."""
    if not rest.strip():
        return True
    first = rest.lstrip()[0]
    return (
        not first.islower() and first not in _AFTER_WORD if rest[0].isspace() else first.isalnum() or first in "<[*#$"
    )


def _further(text: str, opening: re.Match[str], end: re.Match[str], patterns: _Patterns) -> re.Match[str] | None:
    """Returns the last closing mark of a thought that has more than one, as one with a thought within has."""
    nested = patterns.opening.search(text, opening.end(), end.start())
    found, code = None, _code(text, end.end())
    following = _leading(text, end.end(), patterns) or _later(text, end.end(), patterns)
    for mark in patterns.common_closing.finditer(text, end.end(), following.start() if following else len(text)):
        if not text[mark.end() :].strip() or _within(mark.start(), code) or _name(mark[0]) != _name(end[0]):
            continue
        if _closes(text, mark) and (nested or text[mark.start() - 1] != " "):
            found = mark
    return found


def _closing(text: str, place: int, opening: str, patterns: _Patterns) -> re.Match[str] | None:
    """Returns the mark that closes a thought: of the opening's name if possible, and not in backticks if possible."""
    following = _closings(text, patterns)
    following = following[bisect_left(following, place, key=re.Match.start) :]
    if opening and any(_name(mark[0]) == _name(opening) for mark in following):
        following = tuple(mark for mark in following if _name(mark[0]) == _name(opening))
    spoken = [one.span() for one in _INLINE.finditer(text, place)] if following and "`" in text else []
    return next((mark for mark in following if not _within(mark.start(), spoken)), following[0] if following else None)


@lru_cache(maxsize=1)  # of the text that is being read
def _closings(text: str, patterns: _Patterns) -> tuple[re.Match[str], ...]:
    return tuple(patterns.closing.finditer(text))


def _orphan(text: str, patterns: _Patterns) -> re.Match[str] | None:
    """Returns the closing mark that ends a thought whose opening mark is missing; the last one, if there are more."""
    found: re.Match[str] | None = None
    code = _code(text, 0)
    opened: dict[str, int] = {}
    for opening in patterns.opening.finditer(text):
        opened.setdefault(_name(opening[0]), opening.start())
    for mark in patterns.common_closing.finditer(text):
        # With an opening one in the middle of a sentence before it, both are spoken of.
        paired = opened.get(_name(mark[0]), len(text)) < mark.start()
        if paired or _within(mark.start(), code) or not _closes(text, mark):
            continue
        if found is None or text[mark.end() :].strip():
            found = mark
    return found


def _closes(text: str, mark: re.Match[str]) -> bool:
    """Returns whether a closing mark ends a thought, rather than being spoken of, by the characters around it."""
    before, after = text[: mark.start()], text[mark.end() :]
    if not before.strip() or before.endswith("\n") or after.startswith("\n"):
        return True
    last, following = before[-1], after[:1]
    if not following:
        return last.isalnum() or last in ".!?。！？"  # there was only a thought; a word would have a blank before it
    if last in "`\"'“‘(" or following in "`\"'”’),;":
        return False
    if last.isspace() and following.isspace():
        return before.rstrip()[-1] in _SENTENCE_ENDS and not after.lstrip()[:1].islower()
    return not (last.isspace() and following in ".:?!")


@lru_cache(maxsize=256)
def _name(mark: str) -> str:
    """Returns what an opening and a closing mark have in common."""
    return re.sub(r"(?i)\b(?:begin|start|end)_|[^a-z:]|\s.*", "", mark.strip("<>/[]").lower())


def _unwrapped(answer: str, patterns: _Patterns) -> str:
    """Returns an answer after a thought without stray closing marks, and without marks around the whole of it."""
    stripped = answer.strip()
    while stripped.endswith((">", "]", "▷")) and (
        trailing := next((one for one in patterns.closing.finditer(stripped) if one.end() == len(stripped)), None)
    ):
        stripped = stripped[: trailing.start()].rstrip()
    if found := _WRAPPED.match(stripped):
        return next(part for part in found.groupdict().values() if part is not None).strip()
    return stripped


def _code(text: str, place: int) -> list[tuple[int, int]]:
    """Returns the ranges of `text` from `place` on that are code: fenced blocks and what is between backticks."""
    if "`" not in text and "~~~" not in text:
        return []
    ranges = list(_fenced(text, place))
    return ranges + [one.span() for one in _INLINE.finditer(text, place) if not _within(one.start(), ranges)]


def _fenced(text: str, place: int) -> Iterator[tuple[int, int]]:
    start, fence = None, ""
    for mark in _FENCE.finditer(text, place):
        if start is None:
            start, fence = mark.start(), mark[1]
        elif mark[1] == fence:
            yield start, mark.end()
            start = None
    if start is not None:
        yield start, len(text)


def _within(place: int, ranges: Sequence[tuple[int, int]]) -> bool:
    return any(start <= place < end for start, end in ranges)
