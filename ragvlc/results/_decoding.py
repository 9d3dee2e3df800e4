"""Rows decoded straight into their classes, several times as fast as by way of dicts.

A row with a field that this version does not know, or with a value of another type than its class says, is refused:
`rows.from_row` reads it then, and keeps the unknown fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ragvlc.core.answer import Answer, Failure, Prediction, Step, Timing, Usage
from ragvlc.core.answer_json import STEP
from ragvlc.core.data import Hit, Span
from ragvlc.results.rows import KNOWN, chunk_at, read_stored_reply

__all__ = ["decoded"]


class _Answer(msgspec.Struct):
    text: str
    route: str = ""
    finish: str = "stop"
    reused: bool = False
    ranking: tuple[tuple[str, int, int, int, int, float], ...] = ()
    context: tuple[tuple[str, int, int], ...] = ()
    usage: Usage = Usage()
    timing: Timing = msgspec.field(default_factory=Timing)
    trace: tuple[Step, ...] = ()
    bills: dict[str, Usage] = {}
    long_prompts: dict[str, Usage] = {}
    memory: dict[str, int] = {}
    thought: str = ""
    reply: dict[str, Any] = {}


class _Row(msgspec.Struct):
    id: str
    example_key: str
    version: int
    answer: _Answer | None = None
    failure: Failure | None = None
    scores: dict[str, float | None] = {}
    scored_by: dict[str, str] = {}
    flags: tuple[str, ...] = ()
    scoring: Usage = Usage()


def _names(known: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a type
    """Returns a type that has these fields, whatever their values, and refuses all others."""
    fields = [(name, _inner(inner), msgspec.UNSET) for name, inner in known.items()]
    return msgspec.defstruct("_Names", fields, forbid_unknown_fields=True)


def _inner(known: Any) -> Any:  # noqa: ANN401 - a type
    if known is STEP:
        return _StepNames
    if isinstance(known, list):
        return list[_inner(known[0])]  # type: ignore[misc]
    if isinstance(known, Mapping):
        return (dict[str, _inner(known["*"])] if "*" in known else _names(known)) | None  # type: ignore[misc]
    return msgspec.Raw


class _StepNames(msgspec.Struct, forbid_unknown_fields=True):
    name: msgspec.Raw
    facts: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    seconds: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    usage: _names(STEP["usage"]) | msgspec.UnsetType = msgspec.UNSET  # type: ignore[valid-type]
    steps: list[_StepNames] | msgspec.UnsetType = msgspec.UNSET


_ROW = msgspec.json.Decoder(_Row)
_KNOWN_ONLY = msgspec.json.Decoder(_names(KNOWN))


def decoded(data: bytes) -> Prediction:
    """Returns the row of a line of version 3 without unknown fields.

    Raises:
        ValueError: it has, or is no row.
    """
    _KNOWN_ONLY.decode(data)
    row = _ROW.decode(data)
    return Prediction(
        row.id,
        row.example_key,
        None if row.answer is None else _answer(row.answer),
        row.failure,
        row.scores,
        row.flags,
        row.scored_by,
        row.scoring,
        row.version,
    )


def _answer(row: _Answer) -> Answer:
    reply = None
    if row.reply or row.thought:
        thought = {"thought": row.thought} if row.thought else {}
        reply = read_stored_reply({"text": row.text, "finish": row.finish, "reply": row.reply, **thought})
    return Answer(
        text=row.text,
        route=row.route,
        ranking=tuple([Hit(chunk_at(*place), score) for *place, score in row.ranking]),
        context=tuple([Span(*span) for span in row.context]),
        usage=row.usage,
        timing=row.timing,
        trace=row.trace,
        finish=row.finish,  # type: ignore[arg-type]
        reused=row.reused,
        bills=row.bills,
        memory=row.memory,
        thought=row.thought,
        reply=reply,
        long_prompts=row.long_prompts,
    )
