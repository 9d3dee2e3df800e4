"""Files as text: plain text, Markdown, HTML and PDF. What cannot be read is a sentence about that file."""

from __future__ import annotations

import codecs
import io
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pypdf import PdfReader

__all__ = ["KINDS", "Unreadable", "extract"]

_SURROGATE = re.compile("[\ud800-\udfff]")
_FENCE = re.compile(r"(?ms)^ {0,3}(```|~~~).*?(^ {0,3}\1|\Z)")
_HEADING = re.compile(r"(?m)^ {0,3}#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*$|^ {0,3}(\S.*?)[ \t]*\n {0,3}=+[ \t]*$")
_DECLARED = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_WIDE = ("utf_32_le", "utf_32_be", "utf_16_le", "utf_16_be", "utf_16", "utf_32", "utf_7")
_PAGE_BREAK = "\n\n"


class Unreadable(Exception):
    """Why a file has no text."""


@dataclass(frozen=True, slots=True)
class Text:
    """What a file says.

    Attributes:
        text: of the whole file; may be blank.
        title: as the file states it, or empty.
        encoding: of the bytes; empty for PDF.
        facts: for the document's metadata.
    """

    text: str
    title: str = ""
    encoding: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def extract(kind: str, data: bytes, encoding: str = "") -> Text:
    """Returns the text of a file of one of `KINDS`. Raises `Unreadable`.

    Args:
        kind: of the file.
        data: its bytes.
        encoding: of its characters; found out if empty: UTF-8, a byte order mark, what HTML declares, the likeliest.
    """
    return _EXTRACTORS[kind](data, encoding)


def _plain(data: bytes, encoding: str) -> Text:
    text, found = _decoded(data, encoding)
    return Text(text, encoding=found)


def _markdown(data: bytes, encoding: str) -> Text:
    text, found = _decoded(data, encoding)
    heading = _HEADING.search(_FENCE.sub("", text))
    return Text(text, (heading[1] or heading[2]).strip() if heading else "", found)


def _html(data: bytes, encoding: str) -> Text:
    import lxml.html
    from inscriptis import Inscriptis
    from inscriptis.model.config import ParserConfig

    declared = _DECLARED.search(data[:4096])
    source, found = _decoded(data, encoding, declared[1].decode("ascii", "replace") if declared else "")
    # lxml refuses texts that declare their encoding once they are decoded.
    source = re.sub(r"^\s*<\?xml[^>]*\?>", "", source)
    if not source.strip():
        return Text("", encoding=found)
    try:
        tree = lxml.html.document_fromstring(source)
    except (lxml.etree.ParserError, ValueError) as error:
        raise Unreadable(f"not HTML: {error}") from error
    title = " ".join((tree.findtext(".//title") or "").split())
    for element in tree.xpath("//noscript | //template"):
        element.drop_tree()
    lines = Inscriptis(tree, ParserConfig()).get_text().splitlines()
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip("\n")
    return Text(text, title, found)


def _pdf(data: bytes, encoding: str) -> Text:  # noqa: ARG001 - a PDF knows its own
    from pypdf import PdfReader

    log = logging.getLogger("pypdf")
    level = log.level
    log.setLevel(logging.CRITICAL)  # it warns of every oddity that it gets over
    try:
        reader = PdfReader(io.BytesIO(data))
        locked = reader.is_encrypted and not reader.decrypt("")
        pages = [] if locked else [page.extract_text() for page in reader.pages]
        title = "" if locked else _pdf_title(reader)
    except Exception as error:  # whatever the library makes of a broken file
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise Unreadable(f"cannot be read as PDF: {reason}") from error
    finally:
        log.setLevel(level)
    if locked:
        raise Unreadable("needs a password")
    if not any(page.strip() for page in pages):
        raise Unreadable(f"no text on any of its pages ({len(pages)}); it is probably scanned and needs OCR")
    text = _SURROGATE.sub("\ufffd", _PAGE_BREAK.join(page.strip("\n") for page in pages)).replace("\x00", "")
    return Text(text, title, facts={"pages": len(pages)})


def _pdf_title(reader: PdfReader) -> str:
    stated = reader.metadata.title if reader.metadata else None
    return " ".join(_SURROGATE.sub("", str(stated or "")).split())


def _decoded(data: bytes, encoding: str, declared: str = "") -> tuple[str, str]:
    """Returns the text without a byte order mark, and its encoding."""
    if encoding:
        return _strictly(data, encoding)
    if data.startswith(_MARKS):
        wide = "utf-32" if data.startswith(_MARKS[:2]) else "utf-16"
        return _strictly(data, wide)
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError as error:
        place = error.start
    if declared:
        return _strictly(data, declared)
    from charset_normalizer import from_bytes

    # Encodings of two or four bytes a character come with a mark; without one they only look right by chance.
    best = None if b"\x00" in data else from_bytes(data, cp_exclusion=list(_WIDE)).best()
    if best is None:
        raise Unreadable(f"not text in any known encoding (not UTF-8 from byte {place} on)")
    return str(best), best.encoding


def _strictly(data: bytes, encoding: str) -> tuple[str, str]:
    try:
        return data.decode(encoding).removeprefix("\ufeff"), encoding
    except LookupError as error:
        raise Unreadable(f"'{encoding}' is no known encoding") from error
    except UnicodeDecodeError as error:
        raise Unreadable(f"not {encoding} text (byte {error.start})") from error


_EXTRACTORS: Mapping[str, Callable[[bytes, str], Text]] = MappingProxyType(
    {"txt": _plain, "md": _markdown, "html": _html, "pdf": _pdf}
)

KINDS: Mapping[str, str] = MappingProxyType(
    {
        ".txt": "txt",
        ".text": "txt",
        ".md": "md",
        ".markdown": "md",
        ".html": "html",
        ".htm": "html",
        ".xhtml": "html",
        ".pdf": "pdf",
    }
)
"""What is read, by the ending of a file's name in small letters."""
