"""Conversion between predictions and the JSON lines of `predictions.jsonl`.

Version 1 has no field `version`, and of a reply only its text. Version 2 also has the reply as it came, where it is not
the text alone, and the thought. Version 3 has a hash, the cell and a revision, which belong to the line (see `lines`),
and leaves out numbers of tokens and seconds that are 0. A field that this version does not know, at any level, is kept
and written again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import lru_cache
from operator import attrgetter
from typing import Any

from ragvlc.core.answer import Answer, Failure, Prediction, Step, Timing, Usage
from ragvlc.core.answer_json import FAILURE, STEP, TIMING, USAGE, fields_json, made, read_steps, timing_json
from ragvlc.core.data import Chunk, Hit, Span
from ragvlc.core.replies import Reply, bounded, read_reply_json, reply_json

__all__ = [
    "HASHED_VERSION",
    "KNOWN",
    "REPLY_VERSION",
    "VERSION",
    "brief_answer",
    "chunk_at",
    "from_row",
    "read_stored_reply",
    "read_usages",
    "to_row",
]

VERSION = 3
REPLY_VERSION = 2
"""The first version that has the reply as it came."""
HASHED_VERSION = 3
"""The first version whose lines have a hash."""

KNOWN: dict[str, Any] = {
    **dict.fromkeys(("hash", "version", "cell", "revision", "id", "example_key", "scores", "scored_by", "flags")),
    "answer": {
        **dict.fromkeys(("text", "route", "finish", "reused", "ranking", "context", "memory", "thought")),
        "usage": USAGE,
        "timing": TIMING,
        "trace": [STEP],
        "bills": {"*": USAGE},
        "long_prompts": {"*": USAGE},
        "reply": dict.fromkeys(field.name for field in fields(Reply)),
    },
    "failure": FAILURE,
    "scoring": USAGE,
}
"""The fields of a row: None for a value without fields of its own, `*` for any name, a list for a list of such."""
_USAGE = tuple(USAGE)
_USAGE_OF = attrgetter(*_USAGE)
_NOTHING = Step("").usage


def to_row(prediction: Prediction) -> dict[str, Any]:
    """Returns a prediction as JSON values. Hits contain the position of their chunk, not its text."""
    row: dict[str, Any] = {"version": VERSION, "id": prediction.example_id, "example_key": prediction.example_key}
    if prediction.answer is not None:
        row["answer"] = _answer(prediction.answer)
    if prediction.failure is not None:
        row["failure"] = fields_json(prediction.failure)
    others = {"scores": dict(prediction.scores), "scored_by": dict(prediction.scored_by)}
    others |= {"flags": list(prediction.flags), "scoring": _usage(prediction.scoring)}
    row |= {name: value for name, value in others.items() if value}
    _add_unknown(row, prediction.unknown, KNOWN)
    return row


def from_row(row: Mapping[str, Any]) -> Prediction:
    """Returns the prediction stored in a row. Its chunks have no text."""
    answer, failure = row.get("answer"), row.get("failure")
    return Prediction(
        example_id=row["id"],
        example_key=row["example_key"],
        answer=None if answer is None else _read_answer(answer),
        failure=None if failure is None else made(Failure, failure),
        scores=row.get("scores", {}),
        flags=tuple(row.get("flags", ())),
        scored_by=row.get("scored_by", {}),
        scoring=made(Usage, row.get("scoring", {})),
        version=row.get("version", 1),
        unknown=_unknown(row, KNOWN),
    )


def _answer(answer: Answer) -> dict[str, Any]:
    chunks = [hit.chunk for hit in answer.ranking]
    return {
        "text": answer.text,
        "route": answer.route,
        "finish": answer.finish,
        "reused": answer.reused,
        "ranking": [
            [chunk.document_id, chunk.index, chunk.start, chunk.end, chunk.document_index, hit.score]
            for chunk, hit in zip(chunks, answer.ranking, strict=True)
        ],
        "context": [[span.document_id, span.start, span.end] for span in answer.context],
        "usage": _usage(answer.usage),
        "timing": _timing(answer.timing),
        "trace": [_step(step) for step in answer.trace],
        "bills": _usages(answer.bills),
        **({"long_prompts": _usages(answer.long_prompts)} if answer.long_prompts else {}),
        **({"memory": dict(answer.memory)} if answer.memory else {}),
        **({"thought": bounded(answer.thought)} if answer.thought else {}),
        **_sent(answer),
    }


def _usage(usage: Usage) -> dict[str, Any]:
    if usage is _NOTHING:  # of most steps
        return {}
    return {name: value for name, value in zip(_USAGE, _USAGE_OF(usage), strict=True) if value}


def _usages(usages: Mapping[str, Usage]) -> dict[str, Any]:
    return {name: _usage(usage) for name, usage in usages.items()}


def _timing(timing: Timing) -> dict[str, Any]:
    found = {name: value for name, value in timing_json(timing).items() if value}
    return found | ({"first_token_seconds": 0.0} if timing.first_token_seconds == 0 else {})


def _step(step: Step) -> dict[str, Any]:
    """Returns a step and all steps inside it as JSON values, without numbers that are 0."""
    found: dict[str, Any] = {"name": step.name, "facts": dict(step.facts), "seconds": step.seconds}
    if usage := _usage(step.usage):
        found["usage"] = usage
    if step.steps:
        found["steps"] = [_step(inner) for inner in step.steps]
    return found


def _sent(answer: Answer) -> dict[str, Any]:
    """Returns the reply as it came, without what the row has anyway; nothing if it was the answer's text alone."""
    reply = answer.reply
    if reply is None:
        return {}
    text = "" if reply.text.strip() == answer.text else bounded(reply.text)
    # A thought that was sent apart, and no other, is the row's `thought`.
    thought = "" if reply.thought.strip() == answer.thought else bounded(reply.thought)
    reason = "" if reply.reason == answer.finish else reply.reason
    found = reply_json(replace(reply, text=text, thought=thought, reason=reason))
    return {"reply": found} if found else {}


def _read_answer(row: Mapping[str, Any]) -> Answer:
    ranking = tuple(
        Hit(chunk_at(document, index, start, end, document_index), score)
        for document, index, start, end, document_index, score in row["ranking"]
    )
    return replace(
        brief_answer(row),
        ranking=ranking,
        context=tuple(Span(*span) for span in row["context"]),
        trace=read_steps(row["trace"]),
        bills=read_usages(row.get("bills", {})),
        long_prompts=read_usages(row.get("long_prompts", {})),
        reply=read_stored_reply(row),
    )


def read_usages(stored: Mapping[str, Mapping[str, Any]]) -> dict[str, Usage]:
    """Returns usages by name, as stored in a row."""
    return {name: made(Usage, usage) for name, usage in stored.items()}


def brief_answer(row: Mapping[str, Any]) -> Answer:
    """Returns the answer stored in a row without its ranking, context, trace, bills and reply as it came."""
    return Answer(
        text=row["text"],
        route=row["route"],
        usage=made(Usage, row["usage"]),
        timing=made(Timing, row["timing"]),
        finish=row["finish"],
        reused=row["reused"],
        memory=row.get("memory", {}),
        thought=row.get("thought", ""),
    )


def read_stored_reply(row: Mapping[str, Any]) -> Reply | None:
    """Returns the reply of a row's answer as it came; None if that was the answer's text alone."""
    if "reply" not in row and "thought" not in row:
        return None
    sent = read_reply_json(row.get("reply", {}))
    apart = "" if sent.text else row.get("thought", "")
    return replace(
        sent, text=sent.text or row["text"], thought=sent.thought or apart, reason=sent.reason or row["finish"]
    )


def _unknown(value: Any, known: Any) -> dict[Any, Any]:  # noqa: ANN401 - JSON
    """Returns the fields of a JSON value that are not known, at their places; empty if there are none."""
    found: dict[Any, Any] = {}
    if isinstance(known, list) and isinstance(value, list):
        found = {place: inner for place, one in enumerate(value) if (inner := _unknown(one, known[0]))}
    elif isinstance(known, Mapping) and isinstance(value, Mapping):
        for name, item in value.items():
            if name not in known and "*" not in known:
                found[name] = item
            elif inner := _unknown(item, known.get(name, known.get("*"))):
                found[name] = inner
    return found


def _add_unknown(value: Any, unknown: Mapping[Any, Any], known: Any) -> None:  # noqa: ANN401 - JSON
    """Puts fields that are not known back to their places, where these still exist."""
    for name, item in unknown.items():
        if isinstance(value, list):
            if name < len(value):
                _add_unknown(value[name], item, known[0])
        elif name not in known and "*" not in known:
            value.setdefault(name, item)
        elif name in value:
            _add_unknown(value[name], item, known.get(name, known.get("*")))


@lru_cache(maxsize=65536)
def chunk_at(document: str, index: int, start: int, end: int, document_index: int) -> Chunk:
    """Returns a chunk, cached because cells rank the same chunks repeatedly."""
    return Chunk(document, index, start, end, "", document_index)
