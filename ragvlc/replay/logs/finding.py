"""Finds and reads other tools' logs: by what is in a file, not by its name alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ragvlc.core.errors import DatasetError
from ragvlc.core.json_text import parse_json
from ragvlc.documents.bounded import file_bytes, file_lines
from ragvlc.documents.json_lines import Problems, rows_of
from ragvlc.replay.logs.benchmarks import LINES, is_helmet, read_helmet
from ragvlc.replay.logs.inspect_ai import is_inspect, read_inspect_json, read_inspect_zip
from ragvlc.replay.logs.lm_eval import is_lm_eval, read_lm_eval
from ragvlc.replay.logs.records import Log

__all__ = ["FORMATS", "is_log", "read_logs"]

FORMATS = ("lm-evaluation-harness", "inspect_ai", "HELMET", "L-Eval", "InfiniteBench", "LongBench", "LongBench v2")
Fits = Callable[[Mapping[str, Any]], bool]
Read = Callable[[Path, Iterable[tuple[int, Mapping[str, Any]]]], Log]
SUFFIXES = (".jsonl", ".json", ".eval")


def read_logs(places: Sequence[Path], tasks: Sequence[str] = (), chosen: str = "") -> tuple[list[Log], dict[str, int]]:
    """Returns the logs in these files and folders, and the numbers of files that are none, by reason.

    A file that is named must be a log; a file in a folder may be something else, and is counted.

    Args:
        places: files and folders.
        tasks: read only these; all if empty.
        chosen: filter of lm-evaluation-harness.

    Raises:
        DatasetError: a file cannot be read, a named one is no log, or there is none.
    """
    logs: list[Log] = []
    others: list[Path] = []
    for place in places:
        if not place.exists():
            raise DatasetError(f"{place}: no such file or folder of logs.")
        for file in _files(place):
            log = _read(file, chosen)
            if log is not None:
                logs.append(log)
            elif file == place:
                raise DatasetError(f"{file}: is no log that is known. Known: {', '.join(FORMATS)}.")
            else:
                others.append(file)
    known = sorted({log.task for log in logs})
    if missing := [task for task in tasks if task not in known]:
        raise DatasetError(f"answers.tasks: no log is of a task '{missing[0]}'. Known: {', '.join(known)}.")
    logs = [log for log in logs if not tasks or log.task in tasks]
    if not logs:
        raise DatasetError(f"{places[0] if places else 'logs'}: no log of a known tool. Known: {', '.join(FORMATS)}.")
    reason = f"files that are no log of a known tool, such as {'/'.join(others[0].parts[-2:])}" if others else ""
    return logs, {reason: len(others)} if others else {}


def is_log(path: Path) -> bool:
    """Returns whether a file is a log of a known tool, or a folder has such a file."""
    if path.is_dir():
        return any(_looks(file) for file in _files(path))
    return path.is_file() and _looks(path)


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    found = (file for file in place.rglob("*") if file.is_file() and not file.name.startswith("."))
    return sorted(file for file in found if _kind(file))


def _kind(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def _looks(path: Path) -> bool:
    try:
        kind = _kind(path)
        if kind == ".eval":
            return True
        if kind == ".jsonl" and not _is_list(path):
            row = next(iter(rows_of(path, Problems(path))), None)
            return row is not None and _is_line(row.values)
        return bool(kind) and _whole(path) is not None
    except DatasetError:
        return False


def _is_line(row: Mapping[str, Any]) -> bool:
    return is_lm_eval(row) or any(fits(row) for _, fits, _ in LINES)


def _is_list(path: Path) -> bool:
    """Returns whether a file named as JSON Lines holds one JSON list, as older versions of tools wrote them."""
    try:
        return next(iter(file_lines(path)), b"").lstrip(b"\xef\xbb\xbf").lstrip().startswith(b"[")
    except OSError:
        return False


def _whole(path: Path) -> Any:  # noqa: ANN401 - JSON
    """Returns the value of a JSON file, if it is a log."""
    try:
        found = parse_json(file_bytes(path).decode("utf-8-sig"))
    except (OSError, ValueError):
        return None
    listed = isinstance(found, list) and found and isinstance(found[0], dict) and _is_line(found[0])
    return found if listed or is_inspect(found) or is_helmet(found) else None


def _read(path: Path, chosen: str) -> Log | None:
    kind = _kind(path)
    if kind == ".eval":
        return read_inspect_zip(path)
    if kind == ".jsonl" and not _is_list(path):
        return _lines(path, chosen)
    found = _whole(path) if kind else None
    if found is None:
        return None
    if isinstance(found, list):
        rows = [(place, row) for place, row in enumerate(found, start=1) if isinstance(row, dict)]
        return _of_rows(path, rows, chosen, Problems(path, "record"))
    return read_inspect_json(path, found) if is_inspect(found) else read_helmet(path, found)


def _lines(path: Path, chosen: str) -> Log | None:
    problems = Problems(path)
    rows = [(row.line, row.values) for row in rows_of(path, problems)]
    if not rows or not _is_line(rows[0][1]):
        return None
    return _of_rows(path, rows, chosen, problems)


def _of_rows(path: Path, rows: Sequence[tuple[int, Mapping[str, Any]]], chosen: str, problems: Problems) -> Log | None:
    """Returns the log that these records are; a record of another form is counted, with lines that are no JSON."""
    unread = len(problems.sentences)
    fits, read = next(_readers(rows[0][1], chosen), (None, None)) if rows else (None, None)
    if fits is None or read is None:
        return None
    sound = [(line, row) for line, row in rows if fits(row)]
    log = read(path, sound)
    dropped = dict(log.dropped)
    if unread:
        dropped["lines that are no JSON object"] = unread
    if len(sound) < len(rows):
        dropped["records of another form"] = len(rows) - len(sound)
    return replace(log, dropped=dropped)


def _readers(row: Mapping[str, Any], chosen: str) -> Iterator[tuple[Fits, Read]]:
    if is_lm_eval(row):
        yield is_lm_eval, lambda path, rows: read_lm_eval(path, rows, chosen)
    for _, fits, read in LINES:
        if fits(row):
            yield fits, read
