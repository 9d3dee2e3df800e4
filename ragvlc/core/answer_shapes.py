"""Types of the JSON values that stored answers are made of: rows of results and entries of the result cache.

They are checked once, where a file is read, so that no later code meets a text where a number belongs.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict  # pydantic refuses that of `typing` before Python 3.12

__all__ = ["Count", "FactsShape", "Number", "ReplyShape", "StepShape", "TimingShape", "UsageShape"]

# Each limit twice: for pydantic, and for msgspec, which reads rows.
Count = Annotated[int, Field(ge=0, lt=2**53), msgspec.Meta(ge=0, lt=2**53)]
Number = Annotated[float, Field(ge=-1e18, le=1e18, allow_inf_nan=False), msgspec.Meta(ge=-1e18, le=1e18)]

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
    written_tokens: Count
    longest_prompt: Count


@with_config(_STRICT)
class TimingShape(TypedDict, total=False):
    """Times in seconds."""

    queue_seconds: Number
    first_token_seconds: Number | None
    engine_seconds: Number
    phases: dict[str, Number]


_COUNTS = r"^(\d{1,15}( \d{1,15})*)?$"
_Counts = Annotated[str, Field(pattern=_COUNTS), msgspec.Meta(pattern=_COUNTS)]


@with_config(ConfigDict(strict=True, extra="allow"))
class FactsShape(TypedDict, total=False):
    """Facts that figures are made of; steps have any others besides."""

    dropped_tokens: Count
    unread_tokens: Count
    no_answer: Count
    quotes: Count
    survived: Count
    agents: Count
    paths: Count
    chunks: Count
    ranked: Count
    passages: Count
    embedder_cut_chunks: Count
    reranker_cut_passages: Count
    prompt_tokens: Count
    index: str | int
    index_seconds: Number
    logprob_quantiles: list[Number]
    rounds: Count
    tokens: Count
    target_prompt: Count
    draft_prompt: Count
    tried_at: _Counts
    judged_at: _Counts
    accepted_at: _Counts
    draft_seconds: Number
    verify_seconds: Number
    prefill_seconds: Number
    draft_prefill_seconds: Number
    plain_seconds: Number | None


@with_config(_STRICT)
class _OptionalStepShape(TypedDict, total=False):
    usage: UsageShape
    steps: list[StepShape]


@with_config(_STRICT)
class StepShape(_OptionalStepShape):
    """A step of a route, and the steps inside it."""

    name: str
    facts: FactsShape
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
