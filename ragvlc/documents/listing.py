"""Listing of a folder's files: documents, files of other types, hidden files, and results that ragvlc wrote."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from ragvlc.documents.extraction import KINDS
from ragvlc.documents.tables.files import ENDINGS

__all__ = ["NEVER_TEXT", "Listing", "is_page_of_ours", "is_results", "listed", "why_unread"]

_TRACKED = ("mlflow.db", ("mlartifacts", "mlruns"))
_OTHERS = (
    ".png .jpg .jpeg .gif .webp .bmp .svg .ico .heic .avif .mp3 .wav .ogg .flac .m4a .mp4 .mov .avi .mkv .webm .css "
    ".js .mjs .map .ts .woff .woff2 .ttf .otf .eot .yaml .yml .toml .ini .cfg .conf .env .json .jsonl .lock .bib .py "
    ".pyc .pyi .sh .bat .ps1 .c .h .cpp .hpp .java .go .rs .rb .php .sql .r .db .sqlite .gguf .safetensors .npz .npy "
    ".pkl .parquet .tmp .bak .url .lnk .webloc "
)
_NO_DOCUMENTS = frozenset(_OTHERS.split())
"""Endings of files that are pictures, sound, code, settings or data: never documents, and nothing is lost with them."""
_NAMES = frozenset({"makefile", "dockerfile", "license", "licence", "notice", "authors", "codeowners", "thumbs.db"})
_SAVE_AS = {
    **dict.fromkeys((".doc", ".rtf", ".odt", ".pages", ".wpd", ".dot"), ".docx or .pdf"),
    **dict.fromkeys((".xls", ".ods", ".numbers", ".xlsb"), ".xlsx or .csv"),
    **dict.fromkeys((".ppt", ".odp", ".key"), ".pptx or .pdf"),
    **dict.fromkeys((".msg", ".mbox"), ".eml"),
    **dict.fromkeys((".mobi", ".azw", ".azw3", ".djvu"), ".epub or .pdf"),
}
_ARCHIVES = frozenset({".zip", ".gz", ".tgz", ".tar", ".7z", ".rar", ".bz2", ".xz"})
_PICTURES = frozenset({".tif", ".tiff", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".heic"})
NEVER_TEXT = frozenset(_SAVE_AS) | _ARCHIVES | _PICTURES
"""Endings of files that hold no text in any encoding."""
_MARKS = (b'name="generator" content="ragvlc"', b" - ragvlc</title>")
_HEAD = 4096


@dataclass
class Listing:
    """Paths of files within a folder, by category, each in sorted order.

    Attributes:
        documents: to be read.
        unread: documents of kinds that are not read, with the reason.
        others: files that are no documents.
        tables: of questions, by their name.
        hidden: files that are hidden, or kept by an office program while it is open.
        results: folders and pages that ragvlc wrote.
    """

    documents: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    hidden: int = 0
    results: list[str] = field(default_factory=list)


def listed(folder: Path, exclude: tuple[str, ...]) -> Listing:
    """Returns the files of a folder and its subfolders, sorted by how they are treated."""
    found = Listing()
    for name in sorted(_walked(folder, found)):
        if any(fnmatch(name, pattern) for pattern in exclude):
            continue
        base = name.rsplit("/", 1)[-1].lower()
        ending = PurePosixPath(base).suffix
        if _is_hidden(name):
            found.hidden += 1
        elif base.startswith("questions") and base.endswith(ENDINGS):
            found.tables.append(name)
        elif ending in KINDS:
            found.documents.append(name)
        elif ending in _NO_DOCUMENTS or base in _NAMES:
            found.others.append(name)
        else:
            found.unread[name] = why_unread(ending)
    return found


def why_unread(ending: str) -> str:
    """Returns why files with this name extension are not read, and what the user can do."""
    if ending in _SAVE_AS:
        return f"{ending} files are not read: save it as {_SAVE_AS[ending]}"
    if ending in _ARCHIVES:
        return f"{ending} files are not read: unpack it"
    if ending in _PICTURES:
        return f"{ending} files are pictures: text in them needs OCR"
    if not ending:
        return "its name has no ending: call it .txt if it is text"
    return f"{ending} files are not read: save it as text, PDF or HTML"


def is_results(folder: Path) -> bool:
    """Returns whether a folder holds results that ragvlc wrote: of a whole sweep, or of one cell."""
    if (folder / "predictions.jsonl").is_file() and (folder / "resolved.yaml").is_file():
        return True
    try:
        with (folder / "cells.json").open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return head.strip() == b"[]" or (b'"pipeline"' in head and b'"key"' in head)


def is_page_of_ours(data: bytes) -> bool:
    """Returns whether an HTML page is a report that ragvlc wrote."""
    head = data[:_HEAD]
    return any(mark in head for mark in _MARKS)


def _walked(folder: Path, found: Listing) -> Iterator[str]:
    """Yields the paths of all files except ragvlc's results; follows links to folders, but not in circles."""
    seen: set[tuple[int, int]] = set()

    def missed(error: OSError) -> None:
        where = Path(str(error.filename)).relative_to(folder).as_posix()
        found.unread[where] = f"cannot be listed: {error.strerror}"

    for place, folders, files in os.walk(folder, onerror=missed, followlinks=True):
        here = Path(place)
        name = here.relative_to(folder).as_posix()
        facts = here.stat()
        if is_results(here):
            found.results.append(name)
            folders.clear()
            continue
        if (facts.st_dev, facts.st_ino) in seen:
            folders.clear()
            continue
        seen.add((facts.st_dev, facts.st_ino))
        database, tracked = _TRACKED
        if database in files:
            found.results += [(here / one).relative_to(folder).as_posix() for one in folders if one in tracked]
            folders[:] = [one for one in folders if one not in tracked]
        folders.sort()
        for file in files:
            path = here / file
            if path.is_file():
                yield path.relative_to(folder).as_posix()
            elif path.exists():  # a pipe or a device; a link to nothing is nothing
                found.unread[path.relative_to(folder).as_posix()] = "is no regular file"


def _is_hidden(name: str) -> bool:
    parts = name.split("/")
    return any(part.startswith(".") or part == "__MACOSX" for part in parts) or parts[-1].startswith("~$")
