"""Types of the JSON values of generated questions and of attempts, checked once, where a file of them is read."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict  # pydantic refuses that of `typing` before Python 3.12

from ragvlc.core.answer_shapes import Count, Number, UsageShape

__all__ = ["ATTEMPT", "QUESTION"]

_STRICT = ConfigDict(strict=True)
_Whole = Annotated[int, Field(ge=-(2**63), lt=2**64)]


@with_config(_STRICT)
class _Place(TypedDict):
    doc_id: str
    start: Count
    end: Count


@with_config(_STRICT)
class _Evidence(_Place):
    text: str


@with_config(_STRICT)
class _Finding(TypedDict):
    filter: str
    verdict: Literal["passed", "dropped", "marked", "skipped"]
    reason: NotRequired[str]


@with_config(_STRICT)
class _Meta(TypedDict):
    kind: str
    level: str
    written_by: str
    prompt: str
    seed: _Whole
    overlap: NotRequired[Number | None]


@with_config(_STRICT)
class _Generation(TypedDict):
    attempt: Count
    passages: list[_Place]
    quotes: list[str]
    findings: list[_Finding]
    usage: NotRequired[UsageShape]


@with_config(_STRICT)
class _Question(TypedDict):
    question_id: str
    question: str
    answers: list[str]
    doc_ids: list[str]
    unanswerable: NotRequired[bool | None]
    evidence: NotRequired[list[_Evidence]]
    meta: _Meta
    generation: _Generation
    review: NotRequired[dict[str, Any]]


@with_config(_STRICT)
class _Attempt(TypedDict):
    key: str
    kind: str
    number: Count
    bills: dict[str, UsageShape]
    seconds: Number
    reason: NotRequired[str]
    question: NotRequired[_Question]


QUESTION = TypeAdapter(_Question)
ATTEMPT = TypeAdapter(_Attempt)
