"""Files made from a sweep's rows, data and setup: `cells.json`, `summary.json`, `examples-*.jsonl`.

They are checked where they are read: one that is torn, of the wrong type or of another version is a `DerivedError`, and
never stops a command that can make it anew.
"""

from __future__ import annotations

import logging
import reprlib
import shlex
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ragvlc.core.decision import Decide
from ragvlc.core.errors import DerivedError, StoreError
from ragvlc.core.families import Price
from ragvlc.core.json_text import parse_json
from ragvlc.core.length_margin import LengthMargin
from ragvlc.core.surrogates import joined_within
from ragvlc.memo.disk import write_whole

__all__ = [
    "make_folder",
    "move_aside",
    "read_cells",
    "read_examples",
    "read_summary",
    "remove_derived",
    "what_is_wrong",
    "write_derived",
]

log = logging.getLogger("ragvlc")

Number = (int, float)
_CELL: dict[str, Any] = {
    **dict.fromkeys(("key", "name", "pipeline", "dataset", "examples", "baseline"), str),
    **{name: [str] for name in ("pipelines", "metrics")},
    **dict.fromkeys(("repeat", "seed"), int),
    "settings": dict,
    "control": bool,
}
_CELL_MORE: dict[str, Any] = {
    **dict.fromkeys(("latency", "data_key"), str),
    **{name: [str] for name in ("smaller_is_better", "remarks", "notes")},
    "replaceable": str,
    "skipped": {"*": int},
    "losses": [dict],
    "inapplicable": {"*": [str]},
    "official": {"*": dict},
    "generated": {"*": str},
    "models": {"*": [str]},
    "prices": {"*": Price.model_validate},
    "decide": Decide.model_validate,
    "effective_length": LengthMargin.model_validate,
    "max_failures": Number,
    "left_out": int,
}
"""Fields that not every version writes, or not for every cell."""
_EXAMPLE: dict[str, Any] = {
    **dict.fromkeys(("id", "key", "gold_key", "question", "cluster", "task"), str),
    **{name: [str] for name in ("choices", "references", "documents")},
    "unanswerable": bool,
    "evidence": [list],
    "tags": dict,
}
_EXAMPLE_MORE: dict[str, Any] = {"characters": [int], "document_count": int, "group": str}
_MEAN: dict[str, Any] = dict.fromkeys(("mean", "low", "high"), (*Number, type(None)))
_SUMMARY_MORE: dict[str, Any] = {
    **dict.fromkeys(("asked", "key", "name", "status"), str),
    "metrics": {"*": lambda one: _check(one, _MEAN, {})},
    "left_out": int,
}


def read_cells(path: Path) -> list[dict[str, Any]] | None:
    """Returns the cells of a `cells.json`; None if there is no such file. Raises `DerivedError`."""
    found = _parsed(path, parse_json)
    if found is None:
        return None
    with _explained(path):
        if not isinstance(found, list) or not found:
            raise TypeError("holds no list of cells")
        for cell in found:
            _check(cell, _CELL, _CELL_MORE)
        for name in ("key", "name"):
            if len({cell[name] for cell in found}) < len(found):
                raise ValueError(f"two cells have the same {name}")
        if len({tuple(cell["metrics"]) for cell in found}) > 1:
            raise ValueError("cells have different metrics")
    return found


def read_examples(path: Path) -> list[dict[str, Any]]:
    """Returns the questions in an `examples-*.jsonl`. Raises `DerivedError`, also where there is no such file."""
    found = _parsed(path, lambda text: [_question(line) for line in text.splitlines()])
    with _explained(path):
        if not found:
            raise ValueError("is missing" if found is None else "is empty")
        for example in found:
            _check(example, _EXAMPLE, _EXAMPLE_MORE)
            example["cluster"] = sys.intern(example["cluster"])  # one text for all: found again sooner
        if len({example["id"] for example in found}) < len(found):
            raise ValueError("holds a question twice")
    return list(found)


def _question(line: str) -> Any:  # noqa: ANN401 - JSON
    """Returns the JSON value of a line; a file's text has halves of characters only as escapes."""
    found = parse_json(line)
    return joined_within(found) if "\\ud" in line or "\\uD" in line else found


def read_summary(path: Path) -> dict[str, Any] | None:
    """Returns a cell's summary; None if there is none. Raises `DerivedError`."""
    found = _parsed(path, parse_json)
    if found is not None:
        with _explained(path):
            _check(found, {}, _SUMMARY_MORE)
            if not found.keys() & {"asked", "left_out"}:  # of a run, of a replay
                raise ValueError("without 'asked'")
    return found  # type: ignore[no-any-return]


def write_derived(path: Path, data: bytes) -> None:
    """Replaces a derived file as a whole; a folder in its place is moved aside."""
    move_aside(path)
    write_whole(path, data)


def remove_derived(path: Path) -> None:
    """Deletes a derived file if it is there; a folder in its place is moved aside."""
    move_aside(path)
    path.unlink(missing_ok=True)


def move_aside(path: Path) -> Path | None:
    """Renames a folder, or a pipe or device, that is in the place of a file; returns its new path, or None."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return None
    return None if stat.S_ISREG(mode) or stat.S_ISLNK(mode) else _renamed(path, "file")


def make_folder(path: Path) -> None:
    """Makes a folder and those above it; a file in its place is renamed."""
    if path.is_file():
        _renamed(path, "folder")
    path.mkdir(parents=True, exist_ok=True)


def _renamed(path: Path, wanted: str) -> Path:
    number = 0
    while (aside := path.with_name(f"{path.name}{f'.{number}' if number else ''}.damaged")).exists():
        number += 1
    path.rename(aside)
    log.warning("%s: is no %s; it is now %s", path, wanted, aside.name)
    return aside


def _parsed(path: Path, parse: Callable[[str], Any]) -> Any:  # noqa: ANN401 - JSON
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe would wait for its writer
            raise DerivedError(f"{path}: is no file. {_remedy(path)}")
        return parse(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise DerivedError(f"{path}: not JSON ({error}). {_remedy(path)}") from error
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error}") from error


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turns what a check raises into a `DerivedError`."""
    try:
        yield
    except (ValueError, TypeError) as error:
        what = f"{error.title}: {error.errors()[0]['msg']}" if isinstance(error, ValidationError) else error
        raise DerivedError(
            f"{path}: damaged, or written by another version of ragvlc ({what}). {_remedy(path)}"
        ) from error


def what_is_wrong(error: DerivedError) -> str:
    """Returns the message of an error without its advice."""
    return str(error).partition(" Make it anew")[0]


def _remedy(path: Path) -> str:
    folder = path.parent.parent if path.name == "summary.json" else path.parent
    return (
        f"Make it anew (nothing is asked): ragvlc verify {shlex.quote(str(folder))} --repair, or ragvlc run EXPERIMENT."
    )


def _check(value: Any, needed: Mapping[str, Any], more: Mapping[str, Any]) -> None:  # noqa: ANN401 - JSON
    """Raises `TypeError` or `ValueError` unless a JSON value is a mapping with these fields of these types."""
    if not isinstance(value, dict):
        raise TypeError(f"a {type(value).__name__} in place of a mapping")
    for name, wanted in needed.items():
        if name not in value:
            raise ValueError(f"without '{name}'")
        _check_type(name, value[name], wanted)
    for name, wanted in more.items():
        if name in value:
            _check_type(name, value[name], wanted)


def _check_type(name: str, value: Any, wanted: Any) -> None:  # noqa: ANN401 - JSON
    if isinstance(wanted, (type, tuple)):
        right = isinstance(value, wanted)
    elif isinstance(wanted, list):
        right = isinstance(value, list) and all(isinstance(one, wanted[0]) for one in value)
    elif isinstance(wanted, dict):
        right = isinstance(value, dict)
        for inner in value.values() if right else ():
            _check_type(name, inner, wanted["*"])
    else:
        if value is not None:  # as if it were not there
            wanted(value)
        return
    if not right:
        raise TypeError(f"'{name}' is {reprlib.repr(value)}")
