"""Replies of the model that writes questions: question, answer and quotes, or why there is no question.

A reply has lines that begin with QUESTION, ANSWER and QUOTE in any dress (`**Question:**`, `- quote:`), or is a JSON
object with such names. Thoughts have been left out before, by `ragvlc.text.generations`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ragvlc.core.engines import Generation
from ragvlc.core.json_text import parse_json
from ragvlc.text.folding import fold
from ragvlc.text.refusals import refuses
from ragvlc.text.replies import broken_off

__all__ = ["NOTHING", "NoQuestion", "WrittenQuestion", "first_line_of", "read_written", "unusable"]

NOTHING = "NONE"
"""The word with which the model may say that the text holds no such question."""

_LABEL = re.compile(
    r"^[ \t>#*_\-•\d.)(]*(?P<label>question|answer|quotes?|evidence)"
    r"[ \t]*(?:\#?\d{1,2})?[ \t]*[*_]*[ \t]*[:：][ \t*_]*",
    re.IGNORECASE | re.MULTILINE,
)
_PAIRS = {'"': '"', "'": "'", "“": "”", "„": "“”", "‘": "’", "«": "»", "»": "«", "「": "」", "『": "』", "`": "`"}
_ITEM = re.compile(r"\A(?:[-*•]|\d{1,2}[.)])\s+")
_OBJECT = re.compile(r"\{.*\}", re.DOTALL)
_REFUSAL = re.compile(
    r"\A\W*(?:i'?m |i am )?(?:very |so )?sorry\b|\bas an ai\b"
    r"|\b(?:can't|cannot|can not|unable to|won't) (?:\w+ ){0,2}(?:help|assist|comply|fulfil|write|create|generate|do)\b"
    r"|\A\W*(?:es tut mir leid|tut mir leid|je suis désolé|désolé|lo siento|mi dispiace|desculpe|抱歉|对不起|申し訳)",
    re.IGNORECASE,
)
_FENCE = re.compile(r"^\s*```\w*\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class WrittenQuestion:
    """A question as the model wrote it; `answer` is empty where the text does not answer it."""

    question: str
    answer: str
    quotes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NoQuestion:
    """Why a reply holds no question, as it is counted."""

    reason: str


def read_written(generation: Generation, *, answered: bool = True) -> WrittenQuestion | NoQuestion:
    """Returns what a reply holds.

    Args:
        generation: the reply, read: its text is without thoughts.
        answered: whether the question must have an answer.
    """
    if problem := unusable(generation):
        return NoQuestion(problem)
    found = _labelled(generation.text) or _object(generation.text)
    if found is None:
        return _nothing(generation.text)
    if _is_nothing(found.question):
        return NoQuestion("the model found no such question")
    if not any(map(str.isalnum, found.question)):
        return NoQuestion("the question was empty")
    if answered and (not any(map(str.isalnum, found.answer)) or _is_nothing(found.answer)):
        return NoQuestion("the answer was empty")
    return found


def unusable(generation: Generation) -> str:
    """Returns why nothing of a reply is used: it broke off, was refused or filtered, is empty, or was cut off."""
    reply = generation.reply
    problems = {
        "the reply broke off": reply is not None and broken_off(reply.reason),
        "the model refused": generation.finish == "refused" or (reply is not None and bool(reply.refusal)),
        "the reply was filtered": generation.finish == "filtered",
        "the reply was a tool call": generation.finish == "tool_call",
        "the thought was cut off": not generation.text.strip()
        and bool(generation.thought)
        and generation.finish == "length",
        "the reply was only a thought": not generation.text.strip() and bool(generation.thought),
        "the reply was empty": not generation.text.strip() and generation.finish != "length",
        "the reply was cut off": generation.finish == "length",
    }
    return next((problem for problem, there in problems.items() if there), "")


def _nothing(text: str) -> NoQuestion:
    if _is_nothing(text):
        return NoQuestion("the model found no such question")
    refusal = refuses(text) or _REFUSAL.search(fold(text))
    return NoQuestion("the model refused" if refusal else "the reply was not in the form asked for")


def first_line_of(text: str) -> str:
    """Returns the first line of a reply that was asked for one thing, without a label and marks around it."""
    line = next((line for line in text.splitlines() if any(map(str.isalnum, line))), "")
    return _bare(_LABEL.sub("", line))


def _is_nothing(text: str) -> bool:
    return "".join(filter(str.isalnum, text)).upper() in {NOTHING, "NA", "NOTAPPLICABLE"}


def _labelled(text: str) -> WrittenQuestion | None:
    """Returns the first question with its answer and quotes; later questions of the reply are left out."""
    text = _FENCE.sub("", text)
    labels = list(_LABEL.finditer(text))
    question, answer, quotes = None, "", []
    for here, end in zip(labels, [*(label.start() for label in labels[1:]), len(text)], strict=False):
        label = here["label"].lower()
        body = text[here.end() : end].strip()
        if label == "question":
            if question is not None:
                break
            question = _first_paragraph(body)
        elif question is None:
            continue
        elif label == "answer":
            answer = answer or _first_paragraph(body)
        else:
            quotes += _lines(body)
    if question is None:
        return None
    return WrittenQuestion(_bare(question), _bare(answer), tuple(dict.fromkeys(filter(None, quotes))))


def _first_paragraph(body: str) -> str:
    return " ".join(re.split(r"\n\s*\n", body.strip())[0].split())


def _lines(body: str) -> list[str]:
    """Returns the quotes under one label: a list's items, else the whole text with the line breaks of its source."""
    lines = [line.strip() for line in body.splitlines() if line.strip()]
    items = [_ITEM.sub("", line) for line in lines]
    if len(lines) > 1 and all(item != line for item, line in zip(items, lines, strict=True)):
        return [_bare(item) for item in items]
    quoted = [line for line in lines if _bare(line) != line]
    if len(lines) > 1 and len(quoted) == len(lines):
        return [_bare(line) for line in lines]
    return [_bare(_ITEM.sub("", re.split(r"\n\s*\n", body.strip())[0]))]


def _bare(text: str) -> str:
    """Returns the text without marks of emphasis and without the quotation marks around all of it."""
    text = text.strip()
    for mark in ("**", "__"):
        if text.startswith(mark) and text.endswith(mark) and len(text) > 2 * len(mark):
            text = text[len(mark) : -len(mark)].strip()
    closing = _PAIRS.get(text[:1])
    if closing and len(text) > 2 and text[-1] in closing and text.count(text[0]) <= (2 if text[0] in closing else 1):
        return text[1:-1].strip()
    return text


def _object(text: str) -> WrittenQuestion | None:
    found = _OBJECT.search(text)
    if found is None:
        return None
    try:
        values = parse_json(found[0])
    except ValueError:
        return None
    return _of_object(values) if isinstance(values, dict) else None


def _of_object(values: Mapping[str, Any]) -> WrittenQuestion | None:
    fields = {str(name).lower(): value for name, value in values.items()}
    question, answer = fields.get("question"), fields.get("answer", "")
    quotes = next((fields[name] for name in ("quotes", "quote", "evidence") if name in fields), ())
    quotes = [quotes] if isinstance(quotes, str) else quotes
    if not isinstance(question, str) or not isinstance(quotes, list | tuple):
        return None
    said = "" if answer is None else str(answer)
    return WrittenQuestion(question.strip(), said.strip(), tuple(one.strip() for one in quotes if isinstance(one, str)))
