"""Excel files as text, through openpyxl: one heading per sheet, rows in Markdown with the first one as header.

Values are as Excel last showed them; a formula that was never computed has none, and is counted. Hidden sheets stay
out.
"""

from __future__ import annotations

import datetime as dt
import io
import re
from collections import Counter
from typing import Any
from zipfile import ZipFile

from ragvlc.core.texts import library_words
from ragvlc.documents.formats.found import Found, Settings, Unreadable, visible
from ragvlc.documents.formats.office import drawn_paragraphs, members, opened, plain_texts
from ragvlc.documents.formats.writer import Writer, one_line

__all__ = ["read", "shown"]

_SHARED = re.compile(r"<si\b[^>]*>(.*?)</si>|<si\s*/>", re.DOTALL)
_PHONETIC = re.compile(r"<rPh\b.*?</rPh>", re.DOTALL)
_CELL = re.compile(r"<c\b([^>]*)>(.*?)</c>", re.DOTALL)
_VALUE = re.compile(r"<v>([^<]+)</v>")
_PREFIX = re.compile(r"(</?)x:")


def read(data: bytes, settings: Settings) -> Found:  # noqa: ARG001 - it knows its encoding
    """Returns the text of a workbook. Raises `Unreadable`."""
    import openpyxl

    archive = opened(data, "an Excel file")
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), data_only=True, read_only=True)
        title = one_line(book.properties.title or "")
        writer, hidden = Writer(), Writer()
        cells = 0
        for sheet in book.worksheets:
            if sheet.sheet_state == "visible":
                cells += _sheet(sheet, writer)
            else:
                _sheet(sheet, hidden)
    except Exception as error:  # whatever the library makes of a broken file
        raise Unreadable(f"cannot be read as an Excel file: {library_words(error)}") from error
    for _, xml in members(archive, r"xl/(drawings/drawing|charts/chart)\d*\.xml"):
        for text in drawn_paragraphs(xml):
            writer.line()
            writer.text(text)
    held, stored, blank = _held(archive)
    held.subtract(visible(hidden.done()))
    comments = visible("".join(plain_texts(xml, "t") for _, xml in members(archive, r"xl/comments\d*\.xml")))
    left_out = {"hidden sheets": sum(visible(hidden.done()).values()), "comments": sum(comments.values())}
    return Found(
        writer.done(),
        title,
        headings=tuple(writer.headings),
        held={one: count for one, count in held.items() if count > 0},
        cells=max(stored, cells),
        blank_cells=blank,
        images=sum(name.startswith("xl/media/") for name in archive.namelist()),
        left_out={reason: count for reason, count in left_out.items() if count},
    )


def _sheet(sheet: Any, writer: Writer) -> int:  # noqa: ANN401 - openpyxl has no types
    """Writes a sheet; returns the number of cells that are not empty."""
    sheet.reset_dimensions()  # what a file says of its size is often wrong
    rows = [[shown(cell.value, getattr(cell, "number_format", "")) for cell in row] for row in sheet.iter_rows()]
    rows = [row for row in rows if any(row)]
    if not rows:
        return 0
    first = min(place for row in rows for place, cell in enumerate(row) if cell)
    writer.line(2)
    writer.heading(1)
    writer.text(sheet.title)
    writer.end_heading()
    writer.table([row[first:] for row in rows], head=True)
    return sum(bool(cell) for row in rows for cell in row)


def shown(value: Any, form: str) -> str:  # noqa: ANN401 - whatever a cell holds
    """Returns a cell's value as text, in the form that a person would read."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ", "minutes")
    if isinstance(value, (int, float)) and "%" in form:
        return f"{value * 100:.10g} %"
    if isinstance(value, float):
        return f"{value:.15g}"
    return str(value)


def _held(archive: ZipFile) -> tuple[Counter[str], int, int]:
    """Returns the counts of visible characters, the number of cells, and the number of formulas without a value."""
    shared = [
        plain_texts(_PHONETIC.sub("", _PREFIX.sub(r"\1", item)), "t").replace("\n", "")
        for _, xml in members(archive, r"xl/sharedStrings\.xml")
        for item in _SHARED.findall(_PREFIX.sub(r"\1", xml))
    ]
    used: Counter[int] = Counter()
    held: Counter[str] = Counter()
    cells = blank = 0
    for _, xml in members(archive, r"xl/worksheets/sheet\d*\.xml"):
        for attributes, content in _CELL.findall(_PREFIX.sub(r"\1", xml)):
            value = _VALUE.search(content)
            if 't="s"' in attributes and value:
                used[int(value[1])] += 1
            elif 't="inlineStr"' in attributes:
                held.update(visible(plain_texts(content, "t")))
            elif 't="str"' in attributes and value:
                held.update(visible(plain_texts(content, "v")))
            cells += value is not None or "<is>" in content
            blank += value is None and "<f" in content
    for place, count in used.items():
        if place < len(shared):
            held.update({one: times * count for one, times in visible(shared[place]).items()})
    for _, xml in members(archive, r"xl/(drawings/drawing|charts/chart)\d*\.xml"):
        held.update(visible(plain_texts(xml, "a:t")))
    return held, cells, blank
