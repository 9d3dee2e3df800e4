"""The form of a stored row, checked as its line is parsed: what figures are made of is there, and typed.

A row is checked before it is written, too: what is on the disk can be read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, get_type_hints

import msgspec
from msgspec import UNSET, UnsetType

from ragvlc.core.answer import Failure, Prediction, Step, Usage
from ragvlc.core.answer_json import step_json
from ragvlc.core.answer_shapes import Count, FactsShape, Number, ReplyShape
from ragvlc.core.json_text import parse_json
from ragvlc.core.surrogates import joined, joined_within
from ragvlc.results.rows import to_row

__all__ = [
    "AnswerForm",
    "FactsForm",
    "RowForm",
    "StepForm",
    "UsageForm",
    "row_form",
    "row_values",
    "steps_form",
    "trace_values",
]

_READ = {"dropped_tokens", "no_answer", "agents", "paths", "prompt_tokens", "index", "index_seconds", "rounds"} | {
    "embedder_cut_chunks", "reranker_cut_passages"
}  # fmt: skip
_Checked = msgspec.defstruct(
    "_Checked",
    [
        (name, hint | UnsetType, UNSET)
        for name, hint in get_type_hints(FactsShape, include_extras=True).items()
        if name not in _READ
    ],
    gc=False,
)


# No row is part of a cycle: `gc=False` spares the search for some.
class FactsForm(_Checked, gc=False):  # type: ignore[misc, valid-type, call-arg]
    """Facts of a step that figures are made of; the others that have a type are checked only."""

    dropped_tokens: Count = 0
    no_answer: Count = 0
    agents: Count | UnsetType = UNSET
    paths: Count | UnsetType = UNSET
    prompt_tokens: Count | UnsetType = UNSET
    index: str | int = ""
    index_seconds: Number | UnsetType = UNSET
    rounds: Count | UnsetType = UNSET
    embedder_cut_chunks: Count | UnsetType = UNSET
    reranker_cut_passages: Count | UnsetType = UNSET
    temperature_unsent: Any = None
    thoughts_read: Any = None
    reason: Any = None
    escalate: Any = None
    route: Any = UNSET
    score: Any = UNSET
    favours: Any = UNSET


class UsageForm(msgspec.Struct, frozen=True, gc=False):
    """Numbers of tokens and calls, as in `Usage`."""

    prompt_tokens: Count = 0
    cached_tokens: Count = 0
    completion_tokens: Count = 0
    calls: Count = 0
    drafted: Count = 0
    accepted: Count = 0
    thought_tokens: Count = 0
    written_tokens: Count = 0
    longest_prompt: Count = 0

    def usage(self) -> Usage:
        """Returns the same as `Usage`."""
        return Usage(*msgspec.structs.astuple(self))


_NOTHING = UsageForm()


class _Timing(msgspec.Struct, gc=False):
    queue_seconds: Number = 0.0
    first_token_seconds: Number | None = None
    engine_seconds: Number = 0.0
    phases: dict[str, Number] = {}


class StepForm(msgspec.Struct, gc=False):
    """A step of a trace; of its facts, those that figures are made of."""

    name: str
    facts: FactsForm
    seconds: Number
    usage: UsageForm = _NOTHING
    steps: list[StepForm] = []


class AnswerForm(msgspec.Struct, gc=False):
    """An answer of a row."""

    text: str
    route: str
    finish: str
    reused: bool
    ranking: list[tuple[str, int, Count, Count, Count, Number]]
    context: list[tuple[str, Count, Count]]
    usage: UsageForm
    timing: _Timing
    trace: list[StepForm]
    bills: dict[str, UsageForm] = {}
    long_prompts: dict[str, UsageForm] = {}
    memory: dict[str, Number] = {}
    thought: str = ""
    reply: ReplyShape | UnsetType = UNSET


class RowForm(msgspec.Struct, gc=False):
    """A row; fields that this version does not know are left out."""

    id: str
    example_key: str
    version: int = 1
    cell: str = ""
    revision: int = 0
    answer: AnswerForm | None = None
    failure: Failure | None = None
    scores: dict[str, float | bool | None] = {}
    scored_by: dict[str, str] = {}
    flags: list[str] = []
    scoring: UsageForm = _NOTHING


class _AnswerTrace(msgspec.Struct):
    trace: list[dict[str, Any]] = []


class _RowTrace(msgspec.Struct):
    answer: _AnswerTrace | None = None


_FORM = msgspec.json.Decoder(RowForm)
_TRACE = msgspec.json.Decoder(_RowTrace)


def row_values(line: bytes) -> RowForm:
    """Returns the values of a row that this version knows. Raises `ValueError` if the line is no row."""
    try:
        return _FORM.decode(line)
    except ValueError:
        return _FORM.decode(_mended(line))


def row_form(row: Prediction) -> RowForm:
    """Returns the values of a row in memory."""
    return msgspec.convert(to_row(row), RowForm)


def steps_form(trace: Sequence[Step]) -> list[StepForm]:
    """Returns the steps of an answer in memory."""
    return msgspec.convert([step_json(step) for step in trace], list[StepForm])


def trace_values(line: bytes) -> list[dict[str, Any]]:
    """Returns the JSON values of a row's trace, with all facts, from a line that `row_values` has read."""
    try:
        found = _TRACE.decode(line)
    except ValueError:
        found = _TRACE.decode(_mended(line))
    return found.answer.trace if found.answer else []


def _mended(line: bytes) -> bytes:
    """Returns a line without halves of characters, which are no UTF-8: rows of version 1 may have some."""
    return json.dumps(joined_within(parse_json(joined(line.decode("utf-8", "surrogatepass"))))).encode()
