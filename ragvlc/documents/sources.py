"""Documents from wherever they lie: a documents file, a folder of one, a folder of texts, a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ragvlc.core.data import Document
from ragvlc.core.errors import DatasetError, nearest
from ragvlc.documents.files import read_document, read_folder
from ragvlc.documents.jsonl import documents_of

__all__ = ["documents_at", "jsonl_file", "several"]

_ENDINGS = (".jsonl", ".jsonl.gz")


def documents_at(path: str | Path, prefix: str = "") -> tuple[Document, ...]:
    """Returns the documents of a file or folder, with `prefix` before their ids. Raises `DatasetError`."""
    place = Path(path).expanduser()
    if not place.exists():
        around = [other.name for other in place.parent.glob("*")]
        raise DatasetError(f"{place}: no such file or folder.{nearest(place.name, around)}")
    file = jsonl_file(place, "documents") if place.is_dir() else place if place.name.endswith(_ENDINGS) else None
    if file:
        found: Sequence[Document] = tuple(documents_of(file).by_id.values())
    elif place.is_dir():
        files = read_folder(place)
        if files.problems:
            raise DatasetError(several(f"{place}", files.problems))
        found = files.documents
    else:
        found = (read_document(place),)
    if not found:
        raise DatasetError(f"{place}: holds no documents (txt, md, html or pdf files, or a documents.jsonl).")
    return tuple(replace(document, id=prefix + document.id) for document in found) if prefix else tuple(found)


def jsonl_file(folder: Path, stem: str) -> Path | None:
    """Returns the JSON Lines file of that name in a folder, gzipped or plain, if there is one."""
    candidates = (folder / f"{stem}{ending}" for ending in _ENDINGS)
    return next((file for file in candidates if file.is_file()), None)


def several(where: str, problems: Sequence[str], shown: int = 20) -> str:
    """Returns one text about all problems of a place."""
    if len(problems) == 1:
        return f"{where}: {problems[0]}"
    more = [f"... and {len(problems) - shown} more."] if len(problems) > shown else []
    return "\n  ".join([f"{where}: {len(problems)} problems", *problems[:shown], *more])
