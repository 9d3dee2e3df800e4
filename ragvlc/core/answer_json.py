"""Conversion between parts of answers and JSON values, for rows of results and for the result cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from ragvlc.core.answer import Failure, Step, Timing, Usage

__all__ = ["FAILURE", "STEP", "TIMING", "USAGE", "fields_json", "made", "read_steps", "step_json", "timing_json"]

MadeT = TypeVar("MadeT")


def fields_json(value: Usage | Failure) -> dict[str, Any]:
    """Returns the fields of a flat dataclass by name; `dataclasses.asdict` copies deeply and is much slower.

    Numbers that came later than rows of today are left out where they are 0.
    """
    if isinstance(value, Failure):
        return {name: getattr(value, name) for name in _FAILURE}
    return {name: one for name in _USAGE if (one := getattr(value, name)) or name not in _LATER}


_USAGE = tuple(field.name for field in fields(Usage))
_LATER = {"thought_tokens", "written_tokens", "longest_prompt"}
_FAILURE = tuple(field.name for field in fields(Failure))
USAGE, FAILURE, TIMING = (dict.fromkeys(field.name for field in fields(one)) for one in (Usage, Failure, Timing))
STEP: dict[str, Any] = {"name": None, "facts": None, "seconds": None, "usage": USAGE}
STEP["steps"] = [STEP]
"""The fields that this version knows: see `ragvlc.results.rows`."""


def made(cls: type[MadeT], stored: Mapping[str, Any]) -> MadeT:
    """Returns a flat dataclass made of JSON values; fields of later versions are ignored."""
    try:
        return cls(**stored)
    except TypeError:
        known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        return cls(**{name: value for name, value in stored.items() if name in known})


def timing_json(timing: Timing) -> dict[str, Any]:
    """Returns a timing as JSON values; `made(Timing, json)` converts them back."""
    return {
        "queue_seconds": timing.queue_seconds,
        "first_token_seconds": timing.first_token_seconds,
        "engine_seconds": timing.engine_seconds,
        "phases": dict(timing.phases),
    }


def step_json(step: Step) -> dict[str, Any]:
    """Returns a step and all steps inside it as JSON values."""
    row: dict[str, Any] = {"name": step.name, "facts": dict(step.facts), "seconds": step.seconds}
    if step.usage != Usage():
        row["usage"] = fields_json(step.usage)
    if step.steps:
        row["steps"] = [step_json(inner) for inner in step.steps]
    return row


def read_steps(rows: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    """Returns the steps described by JSON values from `step_json`."""
    return tuple(
        Step(
            row["name"],
            row["facts"],
            made(Usage, row.get("usage", {})),
            row["seconds"],
            read_steps(row.get("steps", ())),
        )
        for row in rows
    )
