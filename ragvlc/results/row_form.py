"""The form of a stored row, checked as its line is parsed: what later code reads from the values is there, and typed.

Of the ranking only its presence is checked here; `rows.from_row` makes hits of it.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NotRequired

from typing_extensions import TypedDict

from ragvlc.core.surrogates import joined, joined_within

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["row_values"]


class _Usage(TypedDict, total=False):
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    calls: int
    drafted: int
    accepted: int
    thought_tokens: int
    written_tokens: int
    longest_prompt: int


class _Timing(TypedDict, total=False):
    queue_seconds: float
    first_token_seconds: float | None
    engine_seconds: float
    phases: dict[str, float]


class _Step(TypedDict):
    name: str
    facts: dict[str, Any]
    seconds: float
    usage: NotRequired[_Usage]
    steps: NotRequired[list[_Step]]


class _Answer(TypedDict):
    text: str
    route: str
    finish: str
    reused: bool
    ranking: list[Any]
    context: list[tuple[str, int, int]]
    usage: _Usage
    timing: _Timing
    trace: list[_Step]
    bills: NotRequired[dict[str, _Usage]]
    long_prompts: NotRequired[dict[str, _Usage]]
    memory: NotRequired[dict[str, int]]
    thought: NotRequired[str]


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
    scores: NotRequired[dict[str, float | None]]
    scored_by: NotRequired[dict[str, str]]
    flags: NotRequired[list[str]]
    scoring: NotRequired[_Usage]


def row_values(line: bytes) -> dict[str, Any]:
    """Returns the JSON values of a row that this version knows. Raises `ValueError` if the line is no row."""
    form = _form()
    try:
        found = form.validate_json(line, strict=True)
    except ValueError:
        # Rows of version 1 may have halves of characters, which are no UTF-8.
        mended = joined_within(json.loads(joined(line.decode("utf-8", "surrogatepass"))))
        found = form.validate_json(json.dumps(mended), strict=True)
    return dict(found)


@lru_cache(maxsize=1)
def _form() -> TypeAdapter[_Row]:
    from pydantic import TypeAdapter

    return TypeAdapter(_Row)
