"""Text extraction from files by file name extension; the error for an unreadable file gives the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from types import MappingProxyType

from ragvlc.documents.formats import docx, eml, epub, html, ipynb, pdf, plain, pptx, xlsx
from ragvlc.documents.formats.found import Found, Settings, Unreadable

__all__ = ["KINDS", "Found", "Settings", "Unreadable", "extract", "kind_of"]

KINDS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys((".txt", ".text", ".rst", ".log"), "txt"),
        **dict.fromkeys((".csv", ".tsv"), "csv"),
        **dict.fromkeys((".md", ".markdown"), "md"),
        **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
        **dict.fromkeys((".docx", ".docm", ".dotx"), "docx"),
        **dict.fromkeys((".pptx", ".pptm", ".ppsx"), "pptx"),
        **dict.fromkeys((".xlsx", ".xlsm"), "xlsx"),
        ".pdf": "pdf",
        ".epub": "epub",
        ".ipynb": "ipynb",
        ".eml": "eml",
    }
)
"""What is read, by the ending of a file's name in small letters."""

_READERS: Mapping[str, Callable[[bytes, Settings], Found]] = MappingProxyType(
    {
        "txt": plain.text,
        "csv": plain.text,
        "md": plain.markdown,
        "html": html.read,
        "pdf": pdf.read,
        "docx": docx.read,
        "pptx": pptx.read,
        "xlsx": xlsx.read,
        "epub": epub.read,
        "ipynb": ipynb.read,
    }
)


def kind_of(name: str) -> str | None:
    """Returns the type of a file by its name extension, or None if files of that type are not read."""
    return KINDS.get(PurePosixPath(name).suffix.lower())


def extract(kind: str, data: bytes, settings: Settings | None = None) -> Found:
    """Returns the text of a file of a type in `KINDS`, and an account of what is missing. Raises `Unreadable`.

    Args:
        kind: of the file.
        data: its bytes.
        settings: how to read.
    """
    how = settings or Settings()

    def inner(name: str, content: bytes) -> Found | None:
        found = kind_of(name)
        return extract(found, content, how) if found else None

    if not data:
        raise Unreadable("empty")
    try:
        found = eml.read(data, how, inner) if kind == "eml" else _READERS[kind](data, how)
    except RecursionError as error:
        raise Unreadable("its parts are nested too deep to be read") from error
    if not found.text.strip():
        pictures = f": it holds {found.images} pictures; text in them needs OCR" if found.images else ""
        raise Unreadable(f"no text in it{pictures}" if found.images or found.left_out else "empty")
    return found
