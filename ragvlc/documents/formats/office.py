"""Shared code for Word, PowerPoint and Excel files: zip archives of XML, whose text is counted independently."""

from __future__ import annotations

import html
import io
import re
import zipfile
import zlib
from collections.abc import Iterator

from ragvlc.core.errors import DatasetError
from ragvlc.documents.bounded import check_members
from ragvlc.documents.formats.found import Unreadable

__all__ = ["DAMAGED", "drawn_paragraphs", "members", "opened", "plain_texts"]

DAMAGED = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError)
"""What reading a member of a zip archive raises if the member is damaged or locked."""
_OLE = b"\xd0\xcf\x11\xe0"
_FALLBACK = re.compile(r"<mc:Fallback\b.*?</mc:Fallback>", re.DOTALL)
_MOVED = re.compile(r"<w:moveFrom\b.*?</w:moveFrom>", re.DOTALL)
_PARAGRAPH = re.compile(r"<a:p\b[^>]*>(.*?)</a:p>", re.DOTALL)


def opened(data: bytes, what: str) -> zipfile.ZipFile:
    """Returns the file opened as a zip archive. Raises `Unreadable` with the reason if that fails.

    Args:
        data: of the file.
        what: it should be, such as "a Word file".
    """
    if data.startswith(_OLE):
        raise Unreadable(f"needs a password, or is {what} of before 2007: save it without one in today's format")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        check_members(archive.infolist(), len(data), what)
    except DatasetError as error:
        raise Unreadable(str(error)) from error
    except (zipfile.BadZipFile, ValueError) as error:
        raise Unreadable(f"cannot be read as {what}: {error}") from error
    return archive


def members(archive: zipfile.ZipFile, pattern: str) -> Iterator[tuple[str, str]]:
    """Yields the name and XML of each archive member whose name matches, in numerical order."""

    def numbered(name: str) -> tuple[str, int]:
        digits = re.sub(r"\D", "", name.rsplit("/", 1)[-1])
        return re.sub(r"\d", "", name), int(digits or 0)

    for name in sorted((one for one in archive.namelist() if re.fullmatch(pattern, one)), key=numbered):
        try:
            yield name, archive.read(name).decode("utf-8", "replace")
        except DAMAGED as error:
            raise Unreadable(f"part {name} is damaged: {error}") from error


def plain_texts(xml: str, tag: str) -> str:
    """Returns all texts in elements with one tag, such as `w:t`, without repeated and moved texts."""
    xml = _MOVED.sub("", _FALLBACK.sub("", xml))
    return "\n".join(html.unescape(text) for text in re.findall(rf"<{tag}(?:\s[^>]*)?(?<!/)>([^<]*)</{tag}>", xml))


def drawn_paragraphs(xml: str) -> list[str]:
    """Returns the paragraphs of text in a drawing, diagram or chart."""
    found = (
        "".join(html.unescape(run) for run in re.findall(r"<a:t>([^<]*)</a:t>", part))
        for part in _PARAGRAPH.findall(xml)
    )
    return [text.strip() for text in found if text.strip()]
