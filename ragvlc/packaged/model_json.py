"""Reads the JSON files of a model's folder, tolerantly: loading the model says what is wrong with a damaged one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ragvlc import packaged
from ragvlc.core.json_text import parse_json

__all__ = ["model_json", "model_mapping", "positive"]

_MOST = 2**53


def model_json(model: str, name: str) -> object:
    """Returns the value in a model's JSON file; None if the file is not on this machine or is no JSON."""
    path = packaged.local_file(model, name)
    try:
        return None if path is None else parse_json(Path(path).read_text("utf-8"))
    except (OSError, ValueError):  # a folder that is being written, or is no model
        return None


def model_mapping(model: str, name: str) -> Mapping[str, Any]:
    """Returns the mapping in a model's JSON file; empty if there is none."""
    found = model_json(model, name)
    return found if isinstance(found, dict) else {}


def positive(facts: Mapping[str, Any], *names: str) -> int | None:
    """Returns the first of these values that is a whole number above 0, and of a size that counts have."""
    values = (facts.get(name) for name in names)
    return next((value for value in values if type(value) is int and 0 < value < _MOST), None)
