"""Conversion between predictions and the JSON lines of `predictions.jsonl`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ragvlc.core.answer import Answer, Failure, Prediction, Timing, Usage
from ragvlc.core.answer_json import fields_json, read_steps, step_json, timing_json
from ragvlc.core.data import Chunk, Hit, Span

__all__ = ["from_row", "to_row"]


def to_row(prediction: Prediction) -> dict[str, Any]:
    """Returns a prediction as JSON values. Hits contain the position of their chunk, not its text."""
    row: dict[str, Any] = {"id": prediction.example_id, "example_key": prediction.example_key}
    if prediction.answer is not None:
        row["answer"] = _answer(prediction.answer)
    if prediction.failure is not None:
        row["failure"] = fields_json(prediction.failure)
    row |= {"scores": dict(prediction.scores), "scored_by": dict(prediction.scored_by), "flags": list(prediction.flags)}
    if prediction.scoring != Usage():
        row["scoring"] = fields_json(prediction.scoring)
    return row


def from_row(row: Mapping[str, Any]) -> Prediction:
    """Returns the prediction stored in a row. Its chunks have no text."""
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
        "usage": fields_json(answer.usage),
        "timing": timing_json(answer.timing),
        "trace": [step_json(step) for step in answer.trace],
        "bills": {role: fields_json(usage) for role, usage in answer.bills.items()},
        **({"memory": dict(answer.memory)} if answer.memory else {}),
    }


def _read_answer(row: Mapping[str, Any]) -> Answer:
    ranking = tuple(
        Hit(_chunk(document, index, start, end, document_index), score)
        for document, index, start, end, document_index, score in row["ranking"]
    )
    return Answer(
        text=row["text"],
        route=row["route"],
        ranking=ranking,
        context=tuple(Span(*span) for span in row["context"]),
        usage=Usage(**row["usage"]),
        timing=Timing(**row["timing"]),
        trace=read_steps(row["trace"]),
        finish=row["finish"],
        reused=row["reused"],
        bills={role: Usage(**usage) for role, usage in row.get("bills", {}).items()},
        memory=row.get("memory", {}),
    )


@lru_cache(maxsize=65536)
def _chunk(document: str, index: int, start: int, end: int, document_index: int) -> Chunk:
    """Returns a chunk, cached because cells rank the same chunks repeatedly."""
    return Chunk(document, index, start, end, "", document_index)
