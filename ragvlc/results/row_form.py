"""The form of a stored row, checked as its line is parsed: what later code reads from it is there, and typed.

A row is checked before it is written, too: what is on the disk can be read.
"""

from __future__ import annotations

import json
from typing import Any, NotRequired, get_type_hints

import msgspec
from typing_extensions import TypedDict  # pydantic refuses that of `typing` before Python 3.12

from ragvlc.core.answer_shapes import Count, FactsShape, Number, ReplyShape, TimingShape, UsageShape
from ragvlc.core.json_text import parse_json
from ragvlc.core.surrogates import joined, joined_within

__all__ = ["row_values"]


class _Step(TypedDict):
    name: str
    facts: dict[str, Any]
    seconds: Number
    usage: NotRequired[UsageShape]
    steps: NotRequired[list[_Step]]


class _Answer(TypedDict):
    text: str
    route: str
    finish: str
    reused: bool
    ranking: list[tuple[str, int, Count, Count, Count, Number]]
    context: list[tuple[str, Count, Count]]
    usage: UsageShape
    timing: TimingShape
    trace: list[_Step]
    bills: NotRequired[dict[str, UsageShape]]
    long_prompts: NotRequired[dict[str, UsageShape]]
    memory: NotRequired[dict[str, Number]]
    thought: NotRequired[str]
    reply: NotRequired[ReplyShape]


class _Failure(TypedDict):
    stage: str
    type: str
    message: str
    transient: NotRequired[bool]


class _Row(TypedDict):
    id: str
    example_key: str
    version: NotRequired[int]
    cell: NotRequired[str]
    revision: NotRequired[int]
    answer: NotRequired[_Answer | None]
    failure: NotRequired[_Failure | None]
    scores: NotRequired[dict[str, float | bool | None]]
    scored_by: NotRequired[dict[str, str]]
    flags: NotRequired[list[str]]
    scoring: NotRequired[UsageShape]


# A mapping's form would drop the facts that it does not name: those that it does are checked beside the others.
_Facts = msgspec.defstruct(
    "_Facts",
    [
        (name, hint | msgspec.UnsetType, msgspec.UNSET)
        for name, hint in get_type_hints(FactsShape, include_extras=True).items()
    ],
)


class _StepFacts(msgspec.Struct):
    facts: _Facts  # type: ignore[valid-type]
    steps: list[_StepFacts] = []


class _AnswerFacts(msgspec.Struct):
    trace: list[_StepFacts]


class _RowFacts(msgspec.Struct):
    answer: _AnswerFacts | None = None


_FORM: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(_Row)
_FACTS = msgspec.json.Decoder(_RowFacts)


def row_values(line: bytes) -> dict[str, Any]:
    """Returns the JSON values of a row that this version knows. Raises `ValueError` if the line is no row."""
    try:
        return _checked(line)
    except ValueError:
        # Rows of version 1 may have halves of characters, which are no UTF-8.
        mended = joined_within(parse_json(joined(line.decode("utf-8", "surrogatepass"))))
        return _checked(json.dumps(mended).encode())


def _checked(line: bytes) -> dict[str, Any]:
    values = _FORM.decode(line)
    _FACTS.decode(line)
    return values
