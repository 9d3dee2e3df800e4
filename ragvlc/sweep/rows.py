"""Answers as JSON and back: one line of `predictions.jsonl`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from ragvlc.core.answer import Answer, Failure, Prediction, Step, Timing, Usage
from ragvlc.core.data import Chunk, Hit, Span

__all__ = ["from_row", "to_row"]


def to_row(prediction: Prediction) -> dict[str, Any]:
    """Returns a prediction as JSON values. Hits keep the place of their chunk, not its text."""
    row: dict[str, Any] = {"id": prediction.example_id, "example_key": prediction.example_key}
    if prediction.answer is not None:
        row["answer"] = _answer(prediction.answer)
    if prediction.failure is not None:
        row["failure"] = _fields(prediction.failure)
    row |= {"scores": dict(prediction.scores), "scored_by": dict(prediction.scored_by), "flags": list(prediction.flags)}
    if prediction.scoring != Usage():
        row["scoring"] = _fields(prediction.scoring)
    return row


def from_row(row: Mapping[str, Any]) -> Prediction:
    """Returns the prediction of a row. Chunks come back without their text."""
    answer, failure = row.get("answer"), row.get("failure")
    return Prediction(
        example_id=row["id"],
        example_key=row["example_key"],
        answer=None if answer is None else _read_answer(answer),
        failure=None if failure is None else Failure(**failure),
        scores=row.get("scores", {}),
        flags=tuple(row.get("flags", ())),
        scored_by=row.get("scored_by", {}),
        scoring=Usage(**row.get("scoring", {})),
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
        "usage": _fields(answer.usage),
        "timing": {
            "queue_seconds": answer.timing.queue_seconds,
            "first_token_seconds": answer.timing.first_token_seconds,
            "engine_seconds": answer.timing.engine_seconds,
            "phases": dict(answer.timing.phases),
        },
        "trace": [_step(step) for step in answer.trace],
        "bills": {role: _fields(usage) for role, usage in answer.bills.items()},
    }


def _fields(flat: Usage | Failure) -> dict[str, Any]:
    """Returns the fields of a flat dataclass; `dataclasses.asdict` copies deeply and is several times slower."""
    return {field.name: getattr(flat, field.name) for field in fields(flat)}


def _step(step: Step) -> dict[str, Any]:
    row: dict[str, Any] = {"name": step.name, "facts": dict(step.facts), "seconds": step.seconds}
    if step.usage != Usage():
        row["usage"] = _fields(step.usage)
    if step.steps:
        row["steps"] = [_step(inner) for inner in step.steps]
    return row


def _read_answer(row: Mapping[str, Any]) -> Answer:
    ranking = tuple(
        Hit(Chunk(document, index, start, end, "", document_index), score)
        for document, index, start, end, document_index, score in row["ranking"]
    )
    return Answer(
        text=row["text"],
        route=row["route"],
        ranking=ranking,
        context=tuple(Span(*span) for span in row["context"]),
        usage=Usage(**row["usage"]),
        timing=Timing(**row["timing"]),
        trace=_read_steps(row["trace"]),
        finish=row["finish"],
        reused=row["reused"],
        bills={role: Usage(**usage) for role, usage in row.get("bills", {}).items()},
    )


def _read_steps(rows: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    return tuple(
        Step(
            row["name"], row["facts"], Usage(**row.get("usage", {})), row["seconds"], _read_steps(row.get("steps", ()))
        )
        for row in rows
    )
