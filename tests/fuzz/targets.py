"""The targets of fuzzing: each damages one kind of input and names the commands that read it."""

from __future__ import annotations

from collections.abc import Mapping

from tests.fuzz.case import Make
from tests.fuzz.given import (
    answers,
    document,
    experiment,
    json_lines,
    pipeline,
    public_set,
    question_set,
    replay,
    table,
)
from tests.fuzz.stored import (
    arguments,
    cache_entry,
    environment,
    learned_router,
    model_folder,
    stored_reader,
    tracker,
)

__all__ = ["TARGETS"]

TARGETS: Mapping[str, Make] = {
    "experiment": experiment,
    "pipeline": pipeline,
    "replay": replay,
    "answers": answers,
    "json_lines": json_lines,
    "table": table,
    "document": document,
    "public_set": public_set,
    "question_set": question_set,
    "rows": stored_reader("predictions.jsonl"),
    "results": stored_reader("cells.json", "examples-*.jsonl", "summary.json", "sweep.yaml", "resolved.yaml"),
    "learned_router": learned_router,
    "cache": cache_entry,
    "tracker": tracker,
    "model_folder": model_folder,
    "arguments": arguments,
    "environment": environment,
}
