"""Types of the JSON values that stored answers are made of: rows of results and entries of the result cache.

They are checked once, where a file is read, so that no later code meets a text where a number belongs.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, Strict, with_config
from typing_extensions import TypedDict  # pydantic refuses that of `typing` before Python 3.12

__all__ = ["Count", "Number", "Place", "ReplyShape", "StepShape", "TimingShape", "UsageShape"]

Count = Annotated[int, Field(ge=0, lt=2**53)]
Number = Annotated[float, Field(ge=-1e18, le=1e18, allow_inf_nan=False)]
Place = Annotated[tuple[str, Count, Count], Strict(False)]
"""Document, first character and end; JSON has lists, no tuples."""

_STRICT = ConfigDict(strict=True)


@with_config(_STRICT)
class UsageShape(TypedDict, total=False):
    """Numbers of tokens and calls."""

    prompt_tokens: Count
    cached_tokens: Count
    completion_tokens: Count
    calls: Count
    drafted: Count
    accepted: Count
    thought_tokens: Count


@with_config(_STRICT)
class TimingShape(TypedDict, total=False):
    """Times in seconds."""

    queue_seconds: Number
    first_token_seconds: Number | None
    engine_seconds: Number
    phases: dict[str, Number]


@with_config(_STRICT)
class _OptionalStepShape(TypedDict, total=False):
    usage: UsageShape
    steps: list[StepShape]


@with_config(_STRICT)
class StepShape(_OptionalStepShape):
    """A step of a route, and the steps inside it."""

    name: str
    facts: dict[str, Any]
    seconds: Number


@with_config(_STRICT)
class ReplyShape(TypedDict, total=False):
    """A reply as it came."""

    text: str
    thought: str
    refusal: str
    tool_call: bool
    reason: str
    opened: str
    thought_tokens: Count | None
    unread: list[str]
