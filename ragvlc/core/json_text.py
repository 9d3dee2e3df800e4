"""Reads JSON within a limit of depth: code that walks values is recursive, and brackets alone would end it."""

from __future__ import annotations

import json
from typing import Any

from ragvlc.core.limits import JSON_DEPTH

__all__ = ["parse_json"]


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 - JSON
    """Returns the value of a JSON text.

    Raises:
        ValueError: it is no JSON, is nested too deeply, or has a number of thousands of digits; in one sentence.
    """
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError(f"it is nested too deeply. {JSON_DEPTH.advice()}") from error
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except ValueError as error:  # of Python's limit, with advice for programmers
        raise ValueError("it has a number of thousands of digits") from error
    limit = JSON_DEPTH.value
    if _brackets(text) > limit and _is_deeper(found, limit):
        raise ValueError(f"it is nested too deeply. {JSON_DEPTH.advice()}")
    return found


def _brackets(text: str | bytes) -> int:
    return text.count("[") + text.count("{") if isinstance(text, str) else text.count(b"[") + text.count(b"{")


def _is_deeper(value: object, limit: int) -> bool:
    level = [value]
    for _ in range(limit + 1):
        level = [item for one in level for item in _items(one) if isinstance(item, (dict, list))]
        if not level:
            return False
    return True


def _items(value: Any) -> Any:  # noqa: ANN401 - JSON
    return value.values() if isinstance(value, dict) else value
