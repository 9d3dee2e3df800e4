"""Converts names and values to the form that MLflow accepts. Does not import MLflow.

MLflow allows letters, digits, `_ - . /` and spaces in a name (colons too, but not on Windows), at most 250 characters,
and no name that is an unusual spelling of a path (`a//b`, `../a`). The mapping:

- `@` becomes `_at_` (`recall@5` is `recall_at_5`), every other character outside the set becomes `_`;
- empty parts, `.` and `..` between slashes, and a leading `..`, get an underscore in front;
- a name over 250 characters is cut, and ends in `_` and eight hex digits of the hash of the original;
- so does a changed name that meets another name of the same record: two names never become one.

A legal name is never changed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ragvlc.core.data import content_key

__all__ = [
    "CELL_TAG",
    "INTERVALS_TAG",
    "SWEEP_TAG",
    "finite",
    "legal_names",
    "param_text",
    "series",
    "stored_points",
    "table_text",
    "tag_text",
]

SWEEP_TAG = "ragvlc.sweep"
CELL_TAG = "ragvlc.cell"
INTERVALS_TAG = "ragvlc.intervals"
"""The points of each interval: a run shows the last point of a metric only."""
MAX_NAME = 250
MAX_PARAM = 6_000
MAX_TAG = 8_000
_ILLEGAL = re.compile(r"[^/\w.\- ]")


def legal_names(names: Iterable[str]) -> dict[str, str]:
    """Returns a valid MLflow name for each original name; no two original names share one."""
    originals = sorted(set(names))
    taken = {name for name in originals if _legal(name) == name}
    mapping = {name: name for name in sorted(taken)}
    for name in originals:
        if name in mapping:
            continue
        legal = _legal(name)
        if legal in taken:
            legal = _hashed(legal, name)
        taken.add(legal)
        mapping[name] = legal
    return mapping


def param_text(value: object) -> str:
    """Returns a parameter's value as YAML text of at most 6,000 characters."""
    return _cut(value if isinstance(value, str) else _json(value), MAX_PARAM)


def tag_text(value: object) -> str:
    """Returns a tag's value as text of at most 8,000 characters."""
    return _cut(str(value), MAX_TAG)


def finite(metrics: Mapping[str, float | None]) -> dict[str, float]:
    """Returns the finite metrics under valid MLflow names, without None, NaN and infinities."""
    numbers = {name: float(value) for name, value in metrics.items() if value is not None and math.isfinite(value)}
    names = legal_names(numbers)
    return {names[name]: value for name, value in numbers.items()}


def series(metrics: Mapping[str, float | None]) -> dict[str, tuple[float, ...]]:
    """Returns the points of each metric under valid names: one, or for the bounds of an interval both.

    The bounds `score/low/X` and `score/high/X` are the series `score_interval/X`: MLflow draws a series as a line, and
    single numbers as a bar chart each.
    """
    points: dict[str, tuple[float, ...]] = {}
    for name in sorted(metrics, reverse=True):  # low before high
        value = metrics[name]
        if value is None or not math.isfinite(value):
            continue
        ends = [end for end in ("low", "high") if name.startswith(f"score/{end}/")]
        place = f"score_interval/{name.removeprefix(f'score/{ends[0]}/')}" if ends else name
        points[place] = (*points.get(place, ()), float(value))
    names = legal_names(points)
    return {names[name]: values for name, values in points.items()}


def stored_points(metrics: Mapping[str, float], tags: Mapping[str, str]) -> dict[str, list[float]]:
    """Returns the points of each metric that a run has."""
    intervals: dict[str, list[float]] = json.loads(tags.get(INTERVALS_TAG, "{}"))
    return {name: [value] for name, value in metrics.items()} | intervals


def table_text(rows: Iterable[Mapping[str, Any]]) -> str:
    """Returns rows as the JSON that `mlflow.load_table` and MLflow's pages read: columns, then rows of cells.

    Rows may be read from disk one by one: each is looked at once, and only its text is held.
    """
    columns: dict[str, None] = {}
    texts: list[tuple[int, str]] = []
    for row in rows:
        columns.update(dict.fromkeys(row))
        texts.append((len(columns), _json([row.get(column) for column in columns])[1:-1]))
    for place, (known, text) in enumerate(texts):  # a later row may have more columns
        cells = [text] * bool(known) + ["null"] * (len(columns) - known)
        texts[place] = (0, f"[{', '.join(cells)}]")
    return f'{{"columns": {_json(list(columns))}, "data": [{", ".join(text for _, text in texts)}]}}'


def _legal(name: str) -> str:
    legal = _ILLEGAL.sub("_", name.replace("@", "_at_"))
    legal = "/".join(f"_{part}" if part in {"", ".", ".."} else part for part in legal.split("/"))
    legal = f"_{legal}" if legal.startswith("..") else legal
    return legal if len(legal) <= MAX_NAME else _hashed(legal, name)


def _hashed(legal: str, original: str) -> str:
    return f"{legal[: MAX_NAME - 9]}_{content_key(original)[:8]}"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _json(value: object) -> str:
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, default=str)


def _plain(value: object) -> object:
    """Returns a value without NaN, which JSON does not have and browsers reject."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
