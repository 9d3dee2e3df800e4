"""Jupyter notebooks as text: Markdown cells unchanged, code in fences, and printed output; pictures are counted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict  # pydantic refuses that of `typing` before Python 3.12

from ragvlc.core.json_text import parse_json
from ragvlc.core.texts import first_fault
from ragvlc.documents.encodings import NotText, decoded
from ragvlc.documents.formats.found import Found, Heading, Settings, Unreadable, visible

__all__ = ["read"]

_HEADING = re.compile(r"(?m)^ {0,3}(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*$")
_TERMINAL = re.compile(r"\x1b\[[0-9;]*m")


_Text = str | list[str] | None


@with_config(ConfigDict(strict=True))
class _Output(TypedDict, total=False):
    output_type: str
    data: dict[str, Any]
    text: _Text
    ename: str
    evalue: str


@with_config(ConfigDict(strict=True))
class _Cell(TypedDict, total=False):
    cell_type: str
    source: _Text
    input: _Text
    outputs: list[_Output]


@with_config(ConfigDict(strict=True))
class _Sheet(TypedDict):
    cells: list[_Cell]


@with_config(ConfigDict(strict=True))
class _Notebook(TypedDict, total=False):
    cells: list[_Cell]
    worksheets: list[_Sheet]


_NOTEBOOK = TypeAdapter(_Notebook)


def read(data: bytes, settings: Settings) -> Found:  # noqa: ARG001 - it knows its encoding
    """Returns the text of a notebook. Raises `Unreadable`."""
    try:
        text, _ = decoded(data)
        notebook = parse_json(text)
        _NOTEBOOK.validate_python(notebook)
        cells = notebook.get("cells")
        if cells is None:
            cells = [cell for sheet in notebook["worksheets"] for cell in sheet["cells"]]
    except (NotText, ValueError, KeyError) as error:
        raise Unreadable(f"cannot be read as a notebook: {first_fault(error)}") from error
    parts: list[str] = []
    headings: list[Heading] = []
    length = images = 0
    held = visible("")
    for cell in cells:
        kind = cell.get("cell_type")
        source = _string(cell.get("source", cell.get("input")))
        outputs = list(_outputs(cell)) if kind == "code" else []
        images += sum(one is None for one in outputs)
        held.update(visible(source))
        shown = f"```\n{source}\n```" if kind == "code" and source.strip() else source
        for part in (shown, *(one for one in outputs if one)):
            if not part.strip():
                continue
            if kind != "code":
                headings += [
                    (length + one.start(2), length + one.end(2), len(one[1])) for one in _HEADING.finditer(part)
                ]
            parts.append(part)
            length += len(part) + 2
    whole = "\n\n".join(parts)
    title = next((whole[start:end] for start, end, _ in headings), "")
    return Found(whole, title, tuple(headings), held=held, images=images)


def _outputs(cell: Mapping[str, Any]) -> Iterator[str | None]:
    """Yields the text that a cell printed or returned, and None for each picture."""
    for output in cell.get("outputs", ()):
        data = output.get("data", output)
        if any(name.startswith("image/") for name in data if isinstance(name, str)):
            yield None
        text = output.get("text", data.get("text/plain"))
        if output.get("output_type") in ("error", "pyerr"):
            text = f"{output.get('ename', '')}: {output.get('evalue', '')}"
        if text:
            yield _TERMINAL.sub("", _string(text)).strip("\n")


def _string(value: object) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value or "")
