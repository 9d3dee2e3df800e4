"""Reading of tables of questions from CSV, TSV, JSON, JSON Lines, Excel and Parquet files, as they are written."""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from ragvlc.core.errors import DatasetError
from ragvlc.core.json_text import parse_json
from ragvlc.core.texts import first_line, library_words
from ragvlc.documents.encodings import NotText, decoded
from ragvlc.documents.formats.xlsx import shown
from ragvlc.documents.json_lines import Problems, rows_of

__all__ = ["ENDINGS", "RawTable", "heads_of", "read_table"]

ENDINGS = (".jsonl", ".csv", ".jsonl.gz", ".tsv", ".xlsx", ".parquet", ".json", ".ndjson", ".xlsm")
"""Name extensions of tables that can be read."""
_SAVE_AS = {
    **dict.fromkeys((".xls", ".xlsb", ".ods", ".numbers"), ".xlsx or .csv"),
    **dict.fromkeys((".feather", ".arrow", ".orc", ".pkl", ".pickle", ".h5", ".dta", ".sav"), ".parquet or .csv"),
    **dict.fromkeys((".doc", ".docx", ".pdf", ".rtf", ".odt", ".txt", ".md", ".html"), ".csv or .xlsx"),
    **dict.fromkeys((".zip", ".7z", ".rar", ".tar", ".gz", ".bz2", ".xz"), ".csv, unpacked"),
    **dict.fromkeys((".yaml", ".yml", ".xml", ".toml"), ".json or .csv"),
}
_DELIMITERS = (",", ";", "\t", "|")
_TITLES, _SHOWN = 20, 60
_NAMELESS = "column {}"

Known = Callable[[str], bool]


@dataclass
class RawTable:
    """The rows of a table, by column, before any column is given a meaning.

    Attributes:
        names: of the columns, in order.
        rows: line or row number, and the values by column.
        unit: what a number counts: `line` or `row`.
        notes: a sentence each, about how the file was read.
        head: line or row number of the head.
    """

    names: list[str] = field(default_factory=list)
    rows: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    unit: str = "line"
    notes: list[str] = field(default_factory=list)
    head: int = 0


def read_table(file: Path, problems: Problems, known: Known) -> RawTable:
    """Returns the rows of a table of questions; problems of single lines are collected.

    Args:
        file: to read.
        problems: of this file.
        known: whether a column's name says what it holds; a head line and its delimiter are found by that.

    Raises:
        DatasetError: the file as a whole cannot be read.
    """
    name = file.name.lower()
    ending = next((one for one in ENDINGS if name.endswith(one)), file.suffix.lower())
    if ending in (".csv", ".tsv"):
        return _csv(file, problems, known)
    if ending in (".jsonl", ".ndjson", ".jsonl.gz"):
        rows = [(row.line, dict(row.values)) for row in rows_of(file, problems)]
        return _table_of(rows, "line")
    problems.unit = "row"
    if ending == ".json":
        return _json(file)
    if ending in (".xlsx", ".xlsm"):
        return _xlsx(file, problems, known)
    if ending == ".parquet":
        return _parquet(file)
    known_endings = ", ".join(ENDINGS)
    remedy = f" Save it as {_SAVE_AS[ending]}." if ending in _SAVE_AS else ""
    raise DatasetError(
        f"{file}: tables of questions are not read from {ending or 'such'} files.{remedy} Known: {known_endings}."
    )


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror or error}") from error


def _csv(file: Path, problems: Problems, known: Known) -> RawTable:
    data = _bytes_of(file)
    try:
        text, encoding = decoded(data)
    except NotText as error:
        book = " It is a workbook or an archive: name a workbook .xlsx." if data[:4] == b"PK\x03\x04" else ""
        raise DatasetError(f"{file}: {error}. Save the table as UTF-8.{book}") from error
    table = RawTable()
    if encoding.guessed:
        table.notes.append(f"{encoding.sentence()}. Save it as UTF-8 if letters came out wrong.")
    if encoding.broken:
        problems.add(f"{encoding.broken} bytes are no UTF-8 and would be lost. Save the table as UTF-8.")
    text, skipped, delimiter = _separator_line(text)
    delimiter = delimiter or _delimiter(text, known)
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # the library's own limit is 131,072 characters
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found: list[tuple[int, list[str]]] = []
    try:
        found += ((reader.line_num + skipped, cells) for cells in reader if any(cell.strip() for cell in cells))
    except csv.Error as error:
        problems.add(f"is not CSV: {error}.", reader.line_num + skipped)
    for line, cells in _under_heads(file, table, found, known):
        if len(cells) > len(table.names):
            problems.add(f"has {len(cells)} cells, the head line {len(table.names)}.", line)
        else:
            table.rows.append((line, dict(zip(table.names, cells, strict=False))))
    return table


def _under_heads(
    file: Path, table: RawTable, rows: Sequence[tuple[int, Sequence[Any]]], known: Known
) -> list[tuple[int, Sequence[Any]]]:
    """Finds the head line, names the table's columns by it, and returns the rows below it that do not repeat it."""
    texts = [[str(cell).strip() for cell in cells if cell is not None] for _, cells in rows]
    place = _head_place(texts, known)
    if place is None:
        return []
    table.names, table.head = _heads(file, rows[place][1]), rows[place][0]
    above = [line for (line, _), cells in zip(rows[:place], texts, strict=False) if not _is_comment(cells, known)]
    if above:
        table.notes.append(f"the head is {table.unit} {table.head}; what is above it is not read ({_brief(texts[0])}).")
    heads = [name.casefold() for name in texts[place] if name]
    again = [
        line
        for (line, _), cells in zip(rows[place + 1 :], texts[place + 1 :], strict=True)
        if [cell.casefold() for cell in cells if cell] == heads
    ]
    if again:
        table.notes.append(f"the head is repeated in {table.unit} {', '.join(map(str, again[:5]))}: left out.")
    return [row for row in rows[place + 1 :] if row[0] not in again]


def _head_place(rows: Sequence[Sequence[str]], known: Known) -> int | None:
    """Returns the place of the head line: the first line, or below titles the first that has two known columns.

    A title has no known name, or is the only cell of its line.
    """
    lines = [place for place, cells in enumerate(rows) if not _is_comment(cells, known)]
    first = next(iter(lines), None)
    if first is None or (any(map(known, rows[first])) and sum(map(bool, rows[first])) > 1):
        return first
    return next((place for place in lines[:_TITLES] if sum(map(known, rows[place])) > 1), first)


def _brief(cells: Sequence[str]) -> str:
    text = " ".join(" ".join(cells).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _separator_line(text: str) -> tuple[str, int, str]:
    """Returns the text without a first line `sep=;` as Excel writes it, the lines taken off, and the delimiter."""
    first, _, rest = text.partition("\n")
    word = first.strip().strip('"')
    if (word.lower().startswith("sep=") and len(word) == 5) or first.strip('"\r').lower() == "sep=\t":
        return rest, 1, first.strip('"\r')[4]
    return text, 0, ""


def heads_of(text: str, known: Known) -> list[str]:
    """Returns the cells of the first line of a text, taken as CSV."""
    first = text.partition("\n")[0]
    return next(csv.reader([first], delimiter=_delimiter(first, known)), [])


def _delimiter(text: str, known: Known) -> str:
    """Returns the delimiter by which the head line has the most known columns, then the most columns."""
    lines = [line for line in text.splitlines()[:20] if line.strip() and not line.lstrip('"').startswith("# ")]

    def columns(delimiter: str) -> tuple[int, int]:
        found = [next(csv.reader([line], delimiter=delimiter), []) for line in lines]
        cells = found[_head_place(found, known) or 0]
        return sum(known(cell) for cell in cells), len(cells) if delimiter != "|" else 0

    return max(_DELIMITERS, key=columns) if lines else ","


def _is_comment(cells: Sequence[str], known: Known) -> bool:
    return next(iter(cells), "").lstrip().startswith("# ") and not any(known(cell) for cell in cells)


def _heads(file: Path, cells: Iterable[object]) -> list[str]:
    """Returns the columns' names; a column without a name is named by its place. Raises `DatasetError` for doubles."""
    names = ["" if cell is None else str(cell).strip().strip("\ufeff\u200b").strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise DatasetError(f"{file}: the head line has the column '{twice[0]}' twice. Rename or delete one of them.")
    return [name or _NAMELESS.format(place) for place, name in enumerate(names, start=1)]


def _table_of(rows: list[tuple[int, dict[str, Any]]], unit: str) -> RawTable:
    return RawTable(list(dict.fromkeys(name for _, values in rows for name in values)), rows, unit)


def _json(file: Path) -> RawTable:
    """Returns the objects of a JSON file: a list of them, a list inside an object, or columns as pandas writes them."""
    try:
        found = parse_json(decoded(_bytes_of(file))[0])
    except (ValueError, NotText) as error:
        lines = " Name it .jsonl if it holds one object a line." if "Extra data" in str(error) else ""
        raise DatasetError(f"{file}: is not JSON: {error}.{lines}") from error
    table = RawTable(unit="row")
    if isinstance(found, dict):
        found = _listed(found, table)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise DatasetError(f"{file}: must hold a list of objects, one a question.")
    if found and "paragraphs" in found[0]:
        raise DatasetError(
            f"{file}: holds documents with questions inside, as SQuAD does. Write one object a question (question, "
            "answers), and the texts as files of the folder."
        )
    made = _table_of(list(enumerate(found, start=1)), "row")
    made.notes = table.notes
    return made


def _listed(found: Mapping[str, Any], table: RawTable) -> object:
    lists = {name: one for name, one in found.items() if isinstance(one, list)}
    objects = {name: one for name, one in lists.items() if one and all(isinstance(item, dict) for item in one)}
    if len(objects) == 1 and len(lists) == 1:
        ((name, rows),) = objects.items()
        if len(found) > 1:
            others = ", ".join(one for one in found if one != name)
            table.notes.append(f"the questions are read from '{name}'; not used: {others}.")
        return rows
    columns = [one for one in found.values() if isinstance(one, (list, dict))]
    if found and len(columns) == len(found):
        places = list(
            dict.fromkeys(place for one in columns for place in (one if isinstance(one, dict) else range(len(one))))
        )
        return [
            {
                name: (one.get(place) if isinstance(one, dict) else one[place] if place < len(one) else None)
                for name, one in found.items()
            }
            for place in places
        ]
    return found


def _xlsx(file: Path, problems: Problems, known: Known) -> RawTable:
    """Returns the rows of the sheet that has a head line with known columns."""
    found = {title: _sheet(file, rows, known) for title, rows in _sheets(file, values=True).items()}
    found = {title: table for title, table in found.items() if table.names}
    if not found:
        raise DatasetError(f"{file}: holds no cells.")
    counts = {title: sum(map(known, table.names)) for title, table in found.items()}
    best = [title for title, count in counts.items() if count == max(counts.values())]
    if len(best) > 1 and counts[best[0]]:
        names = ", ".join(f"'{title}'" for title in best)
        raise DatasetError(f"{file}: the sheets {names} all look like tables of questions. Save each as its own file.")
    table = found[best[0]]
    if len(found) > 1:
        table.notes.append(f"the questions are read from the sheet '{best[0]}', one of {len(found)}.")
    shown = dict(table.rows)
    for number, cells in enumerate(_sheets(file, values=False)[best[0]], start=1):
        for name, one in zip(table.names, cells, strict=False):
            if str(one).startswith("=") and number > table.head and name not in shown.get(number, ()):
                problems.add(f"'{name}' is a formula without a stored value. Open and save the table once.", number)
    return table


def _sheets(file: Path, *, values: bool) -> dict[str, list[Sequence[Any]]]:
    """Returns the rows of each sheet, with the values of formulas or the formulas themselves."""
    import openpyxl

    try:
        book = openpyxl.load_workbook(io.BytesIO(_bytes_of(file)), read_only=True, data_only=values)
        try:
            return {one.title: [[_value(cell) for cell in row] for row in one.iter_rows()] for one in book.worksheets}
        finally:
            book.close()
    except DatasetError:
        raise
    except Exception as error:  # whatever the library makes of a broken file
        raise DatasetError(f"{file}: cannot be read as .xlsx: {library_words(error)}.") from error


def _value(cell: Any) -> Any:  # noqa: ANN401 - openpyxl has no types
    """Returns a cell's value; a percentage as documents show it."""
    form = getattr(cell, "number_format", "")
    percent = isinstance(cell.value, (int, float)) and "%" in form
    return shown(cell.value, form) if percent else cell.value


def _sheet(file: Path, rows: Sequence[Sequence[Any]], known: Known) -> RawTable:
    table = RawTable(unit="row")
    beyond: list[int] = []
    filled = [(number, [_cell(one) for one in cells]) for number, cells in enumerate(rows, start=1)]
    filled = [(number, cells) for number, cells in filled if any(one is not None for one in cells)]
    for number, values in _under_heads(file, table, filled, known):
        if any(one is not None for one in values[len(table.names) :]):
            beyond.append(number)
        if pairs := {name: one for name, one in zip(table.names, values, strict=False) if one is not None}:
            table.rows.append((number, pairs))
    if beyond:
        table.notes.append(
            f"cells right of the last head are not read, in {len(beyond)} rows, such as row {beyond[0]}."
        )
    return table


def _cell(value: Any) -> Any:  # noqa: ANN401 - what a spreadsheet holds
    if isinstance(value, (datetime, date, time)):
        at_midnight = isinstance(value, datetime) and value.time() == time()
        return value.date().isoformat() if at_midnight and isinstance(value, datetime) else value.isoformat()
    return None if isinstance(value, str) and not value.strip() else value


def _parquet(file: Path) -> RawTable:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise DatasetError(f"{file}: reading .parquet needs pyarrow. Install it with: pip install pyarrow") from error
    try:
        found = parquet.read_table(io.BytesIO(_bytes_of(file)))
    except (OSError, ValueError) as error:  # pyarrow's own errors are among these
        raise DatasetError(f"{file}: cannot be read as Parquet: {first_line(error)}") from error
    names = [name for name in found.column_names if not name.startswith("__index_level_")]
    rows = [
        (number, {name: values[name] for name in names}) for number, values in enumerate(found.to_pylist(), start=1)
    ]
    return RawTable(names, rows, "row")
