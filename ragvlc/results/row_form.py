"""The form of a stored row, checked as its line is parsed: what later code reads from it is there, and typed."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # pydantic refuses that of `typing` before Python 3.12

from ragvlc.core.answer_shapes import Count, Number, ReplyShape, StepShape, TimingShape, UsageShape
from ragvlc.core.json_text import parse_json
from ragvlc.core.surrogates import joined, joined_within

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["row_values"]


class _Answer(TypedDict):
    text: str
    route: str
    finish: str
    reused: bool
    ranking: list[tuple[str, int, Count, Count, Count, Number]]
    context: list[tuple[str, Count, Count]]
    usage: UsageShape
    timing: TimingShape
    trace: list[StepShape]
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


_Score = Annotated[float, Field(allow_inf_nan=False)] | bool | None


class _Row(TypedDict):
    id: str
    example_key: str
    version: NotRequired[int]
    cell: NotRequired[str]
    revision: NotRequired[int]
    answer: NotRequired[_Answer | None]
    failure: NotRequired[_Failure | None]
    scores: NotRequired[dict[str, _Score]]
    scored_by: NotRequired[dict[str, str]]
    flags: NotRequired[list[str]]
    scoring: NotRequired[UsageShape]


def row_values(line: bytes) -> dict[str, Any]:
    """Returns the JSON values of a row that this version knows. Raises `ValueError` if the line is no row."""
    form = _form()
    try:
        found = form.validate_json(line, strict=True)
    except ValueError:
        # Rows of version 1 may have halves of characters, which are no UTF-8.
        mended = joined_within(parse_json(joined(line.decode("utf-8", "surrogatepass"))))
        found = form.validate_json(json.dumps(mended), strict=True)
    return dict(found)


@lru_cache(maxsize=1)
def _form() -> TypeAdapter[_Row]:
    from pydantic import TypeAdapter

    return TypeAdapter(_Row)
