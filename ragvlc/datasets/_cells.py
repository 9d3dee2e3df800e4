"""Access to nested values of a row by dotted names that reach through objects and lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["flat_texts", "names_in", "reach"]


def reach(values: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 - JSON
    """Returns the value at a dotted path, or None; a list of objects on the path gives a list of values."""
    if path in values:
        return values[path]
    found: Any = values
    for step in path.split("."):
        if isinstance(found, Mapping):
            found = found.get(step)
        elif isinstance(found, (list, tuple)):
            found = [item.get(step) if isinstance(item, Mapping) else None for item in found]
        else:
            return None
    return found


def flat_texts(value: object) -> list[str]:
    """Returns the texts and numbers in a cell as one flat list of texts, without the blank ones."""
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in flat_texts(item)]
    if value is None or isinstance(value, Mapping):
        return []
    text = str(value)
    return [text] if text.strip() else []


def names_in(values: Mapping[str, Any], prefix: str = "") -> Iterable[str]:
    """Yields the dotted names of all fields of an object and of the objects inside it, including those in lists."""
    for name, value in values.items():
        yield prefix + name
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, Mapping):
            yield from names_in(inner, f"{prefix}{name}.")
