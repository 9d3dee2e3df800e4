"""Stored rows as rows of a table, with the settings of their cell and the facts of their questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ragvlc.core.answer import Prediction

__all__ = ["frame_rows"]


def frame_rows(
    cell: Mapping[str, Any],
    questions: Mapping[str, Mapping[str, Any]],
    rows: Mapping[str, Prediction],
    metrics: Sequence[str],
) -> Iterator[dict[str, Any]]:
    """Yields each row of a cell as a row of the table of all rows.

    Args:
        cell: its facts.
        questions: facts, by id.
        rows: as stored, by id.
        metrics: labels.
    """
    for name, row in rows.items():
        yield _row(cell, name, questions[name], row, metrics)


def _row(
    cell: Mapping[str, Any], name: str, facts: Mapping[str, Any], row: Prediction, metrics: Sequence[str]
) -> dict[str, Any]:
    answer = row.answer
    found: dict[str, Any] = {
        "cell": str(cell["name"]),
        "pipeline": cell["pipeline"],
        **cell["settings"],
        "id": name,
        "question": facts["question"],
        "references": tuple(facts["references"]),
        "cluster": facts["cluster"],
        "task": facts["task"],
        "answer": answer.text if answer else None,
        "route": answer.route if answer else None,
        "finish": answer.finish if answer else None,
        "answered": answer.answered if answer else None,
        "thought": answer.thought if answer else None,
        "failure": row.failure.message if row.failure else None,
        **{label: row.scores.get(label) for label in metrics},
        "flags": row.flags,
    }
    if answer:
        found |= {
            "prompt_tokens": answer.usage.prompt_tokens,
            "completion_tokens": answer.usage.completion_tokens,
            "thought_tokens": answer.usage.thought_tokens,
            "dropped_tokens": answer.dropped_tokens,
            "engine_seconds": answer.timing.engine_seconds,
            "search_seconds": answer.timing.phases.get("search", 0.0),
            "reused": answer.reused,
        }
    return found | {f"tag_{tag}": value for tag, value in facts["tags"].items()}
