"""Conversion of table rows with a user's own column names to rows of the schema that `_jsonl_questions` reads."""

from __future__ import annotations

import csv
import io
import json
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ragvlc.core.data import Document
from ragvlc.core.errors import DatasetError, nearest
from ragvlc.documents.json_lines import Problems, Row, rows_of
from ragvlc.text.matching import locate

__all__ = ["COLUMNS", "as_list", "evidence_in", "question_rows", "right_place", "said_yes"]

COLUMNS: Mapping[str, str] = {
    "question": "question",
    "answers": "answers",
    "answer": "answers",
    "documents": "doc_ids",
    "document": "doc_ids",
    "doc_ids": "doc_ids",
    "doc_id": "doc_ids",
    "id": "question_id",
    "question_id": "question_id",
    "choices": "choices",
    "answer_index": "answer_index",
    "answer_mode": "answer_mode",
    "evidence": "evidence",
    "unanswerable": "unanswerable",
    "task": "task",
    "meta": "meta",
}
"""Columns of a questions table, and the field of the schema that each one is."""
_LISTS = ("answers", "doc_ids", "choices", "evidence")
_YES, _NO = ("true", "yes", "y", "1"), ("false", "no", "n", "0", "")
_DELIMITERS = (",", ";", "\t")


def question_rows(file: Path, documents: Mapping[str, Document], problems: Problems) -> Iterator[Row]:
    """Yields the rows of a CSV or JSON Lines file, converted to the schema; evidence is located by its text.

    Columns that are not known become tags; one that looks like a slip of a known name is a problem.
    """
    rows = _csv_rows(file, problems) if file.suffix.lower() in (".csv", ".tsv") else rows_of(file, problems)
    seen: set[str] = set()
    for row in rows:
        for name in row.values:
            if name not in seen and name not in COLUMNS and (hint := _slip(name)):
                row.complain(f"'{name}' is no known column.{hint} Rename it, so that it is not taken for a tag.")
            seen.add(name)
        yield _in_schema(row, documents)


def _slip(name: str) -> str:
    hint = nearest(name, COLUMNS)
    word = hint.removeprefix(" Nearest: ").rstrip(".")
    return hint if abs(len(word) - len(name)) <= 1 and len(set(word) ^ set(name)) <= 2 else ""


def _in_schema(row: Row, documents: Mapping[str, Document]) -> Row:
    given: dict[str, Any] = {}
    tags: dict[str, Any] = {}
    for name, value in row.values.items():
        if name not in COLUMNS:
            if value not in (None, ""):
                tags[name] = value
        elif value not in (None, "", []):
            field = COLUMNS[name]
            given[field] = as_list(value) if field in _LISTS else value
    given.setdefault("question_id", f"q{row.line}")
    given["question_id"] = str(given["question_id"])
    given["meta"] = {**tags, **(given["meta"] if isinstance(given.get("meta"), dict) else {})}
    if "unanswerable" in given:
        given["unanswerable"] = said_yes(given["unanswerable"])
    if isinstance(given.get("answer_index"), str) and given["answer_index"].strip().isdigit():
        given["answer_index"] = int(given["answer_index"])
    if "doc_ids" in given:
        given["doc_ids"] = [_document_named(str(name), documents) for name in given["doc_ids"]]
    if "evidence" in given:
        asked = [documents[name] for name in given.get("doc_ids", documents) if name in documents]
        given["evidence"] = evidence_in(given["evidence"], asked)
    return Row(given, row.line, row.problems)


def as_list(value: object) -> list[Any]:
    """Returns a cell as a list: a list unchanged, a text split as JSON or at vertical bars, else one item."""
    if isinstance(value, (list, tuple)):
        return [str(item) if isinstance(item, (int, float)) else item for item in value]
    if not isinstance(value, str):
        return [str(value)]
    if value.lstrip().startswith("["):
        try:
            found = json.loads(value)
        except ValueError:  # a text that happens to start with a bracket
            found = None
        if isinstance(found, list):
            return as_list(found)
    return [part.strip() for part in value.split("|") if part.strip()]


def said_yes(value: object) -> object:
    """Returns True or False for a cell that means yes or no, and any other cell unchanged."""
    word = str(value).strip().lower()
    return True if word in _YES else False if word in _NO else value


def right_place(value: object, choices: int) -> int | None:
    """Returns the index of the option that a number or a letter names, or None."""
    word = str(value).strip()
    if len(word) == 1 and word.upper() in string.ascii_uppercase[:choices]:
        return string.ascii_uppercase.index(word.upper())
    return int(word) if word.isdigit() else None


def evidence_in(quoted: Iterable[object], documents: Sequence[Document]) -> list[dict[str, Any]]:
    """Returns the evidence in the schema's form: the first position of each text, or no position if it does not occur.

    An item may also be evidence of the schema already.
    """
    found: list[dict[str, Any]] = []
    for item in quoted:
        if isinstance(item, Mapping):
            found.append(dict(item))
            continue
        places = ((document, locate(str(item).strip(), document.text)) for document in documents)
        document, place = next(((one, where) for one, where in places if where), (None, None))
        if document is not None and place is not None:
            found.append({"doc_id": document.id, "start": place[0], "end": place[1]})
        else:
            found.append({"start": None, "end": None, "text": str(item)})
    return found


def _document_named(name: str, documents: Mapping[str, Document]) -> str:
    """Returns the id of the document at a path, or of the only document with that file name; else the name itself."""
    path = name.strip().replace("\\", "/").removeprefix("./")
    if path in documents:
        return path
    same = [known for known in documents if known.rpartition("/")[2] == path]
    return same[0] if len(same) == 1 else path


def _csv_rows(file: Path, problems: Problems) -> Iterator[Row]:
    """Yields the rows of a table with a header line, from which the delimiter is detected."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{file}: not UTF-8 (byte {error.start}). Save the table as UTF-8.") from error
    head = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=head.count)
    table = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] = []
    try:
        for cells in table:
            if not names:
                names = [cell.strip() for cell in cells]
                if "question" not in names:
                    hint = nearest("question", names)
                    raise DatasetError(f"{file}: the head line has no column 'question': {', '.join(names)}.{hint}")
            elif len(cells) > len(names):
                problems.add(f"has {len(cells)} cells, the head line {len(names)}.", table.line_num)
            elif any(cell.strip() for cell in cells):
                yield Row(dict(zip(names, cells, strict=False)), table.line_num, problems)
    except csv.Error as error:
        problems.add(f"is not CSV: {error}.", table.line_num)
