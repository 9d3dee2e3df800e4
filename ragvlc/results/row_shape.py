"""Types of the JSON values of a row of results, checked once, where a row is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field, Strict, TypeAdapter, with_config
from typing_extensions import TypedDict  # pydantic refuses that of `typing` before Python 3.12

from ragvlc.core.answer_shapes import Count, Number, Place, ReplyShape, StepShape, TimingShape, UsageShape

__all__ = ["check_row"]

_STRICT = ConfigDict(strict=True)
_Ranked = Annotated[tuple[str, Count, Count, Count, Count, Number], Strict(False)]
"""Document, number of the chunk, first character, end, place of the document, score."""

_Score = Annotated[float, Field(allow_inf_nan=False)] | bool | None


@with_config(_STRICT)
class _OptionalAnswer(TypedDict, total=False):
    bills: dict[str, UsageShape]
    memory: dict[str, Number]
    thought: str
    reply: ReplyShape


@with_config(_STRICT)
class _Answer(_OptionalAnswer):
    text: str
    route: str
    finish: str
    reused: bool
    ranking: list[_Ranked]
    context: list[Place]
    usage: UsageShape
    timing: TimingShape
    trace: list[StepShape]


@with_config(_STRICT)
class _OptionalFailure(TypedDict, total=False):
    transient: bool


@with_config(_STRICT)
class _Failure(_OptionalFailure):
    stage: str
    type: str
    message: str


@with_config(_STRICT)
class _OptionalRow(TypedDict, total=False):
    version: Count
    answer: _Answer | None
    failure: _Failure | None
    scores: dict[str, _Score]
    scored_by: dict[str, str]
    flags: list[str]
    scoring: UsageShape


@with_config(_STRICT)
class _Row(_OptionalRow):
    id: str
    example_key: str


_ROW = TypeAdapter(_Row)


def check_row(row: Mapping[str, Any]) -> None:
    """Raises `ValueError` if a known field of a row is missing or has another type than it must have."""
    _ROW.validate_python(row)
