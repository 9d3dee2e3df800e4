"""A stored row as a row of a table, with the settings of its cell and the facts of its question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragvlc.core.answer import Prediction

if TYPE_CHECKING:
    from ragvlc.results.loading import CellResult

__all__ = ["frame_row"]


def frame_row(cell: CellResult, name: str, row: Prediction) -> dict[str, Any]:
    """Returns a row as a row of the table of all rows."""
    facts, answer = cell.examples[name], row.answer
    found: dict[str, Any] = {
        "cell": cell.name,
        "pipeline": cell.facts["pipeline"],
        **cell.facts["settings"],
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
        **{label: row.scores.get(label) for label in cell.metrics},
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
