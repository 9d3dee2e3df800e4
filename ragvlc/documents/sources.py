"""Documents from any path: a documents file, a folder with one, a folder of files, or a single file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ragvlc.core.data import Document
from ragvlc.core.errors import DatasetError, nearest
from ragvlc.core.given_paths import path_of
from ragvlc.documents.balance import ALLOWED, Balance
from ragvlc.documents.files import FolderFiles, read_file, read_folder
from ragvlc.documents.jsonl import documents_of

__all__ = ["accounted_documents", "documents_at", "jsonl_file"]

_ENDINGS = (".jsonl", ".jsonl.gz")


def documents_at(path: str | Path, prefix: str = "") -> tuple[Document, ...]:
    """Returns the documents of a file or folder, with `prefix` before their ids. Raises `DatasetError`."""
    remedy = "Mend these files, or take them out of the folder."
    found, _ = accounted_documents(path, remedy=remedy)
    return tuple(replace(document, id=prefix + document.id) for document in found) if prefix else found


def accounted_documents(
    path: str | Path, allowed: float = ALLOWED, *, remedy: str = ""
) -> tuple[tuple[Document, ...], tuple[Balance, ...]]:
    """Returns the documents of a file or folder, and the balance sheets of the files that they were read from.

    Args:
        path: a documents file, a folder of one, a folder of files, or a file.
        allowed: share of a file's text that may be missing; with 1, files that cannot be read are left out.
        remedy: what the error says is to be done about files that lost more.

    Raises:
        DatasetError: there is nothing to read, or files lost more than is allowed.
    """
    place = path_of(path)
    if not place.exists():
        around = [other.name for other in place.parent.glob("*")]
        raise DatasetError(f"{place}: no such file or folder.{nearest(place.name, around)}")
    file = jsonl_file(place, "documents") if place.is_dir() else place if place.name.endswith(_ENDINGS) else None
    if file:
        found = tuple(documents_of(file).by_id.values())
        if not found:
            raise DatasetError(f"{place}: holds no documents.")
        return found, ()
    if place.is_dir():
        files = read_folder(place)
    else:
        document, balance = read_file(place)
        if document is None:
            raise DatasetError(f"{place}: {balance.problem}.")
        files = FolderFiles((document,), (balance,), {})
    files.insist(place, allowed, without_unread=allowed >= 1, remedy=remedy)
    return files.documents, files.balances


def jsonl_file(folder: Path, stem: str) -> Path | None:
    """Returns the path of the JSON Lines file named `stem` in a folder, plain or gzipped, or None if it is missing."""
    candidates = (folder / f"{stem}{ending}" for ending in _ENDINGS)
    return next((file for file in candidates if file.is_file()), None)
