"""Files as documents: one, or all in a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path

from ragvlc.core.data import Document
from ragvlc.core.errors import DatasetError
from ragvlc.documents.extraction import KINDS, Text, Unreadable, extract

__all__ = ["FolderFiles", "read_document", "read_folder"]

_KEPT_FOLDERS = 4


def read_document(path: str | Path) -> Document:
    """Returns a text, Markdown, HTML or PDF file as a document whose id is its name.

    Files with other endings must be UTF-8 text. Raises `DatasetError` if there is nothing to read.
    """
    file = Path(path).expanduser()
    data = _bytes_of(file)
    kind = KINDS.get(file.suffix.lower())
    try:
        found = extract(kind, data) if kind else Text(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DatasetError(f"{file}: not UTF-8 text (byte {error.start}). Convert it to plain text first.") from error
    except Unreadable as error:
        raise DatasetError(f"{file}: {error}.") from error
    return Document(file.name, found.text, found.title or file.stem, dict(found.facts))


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """What a folder holds.

    Attributes:
        documents: by their paths, in order of those.
        read: files by type.
        passed_over: files of other types, by ending.
        hidden: files whose name or folder starts with a dot.
        problems: a sentence for each file that should have been read and has no text.
        encodings: of files that are not UTF-8, by path, where they were found out.
    """

    documents: tuple[Document, ...]
    read: Mapping[str, int]
    passed_over: Mapping[str, int]
    hidden: int
    problems: tuple[str, ...]
    encodings: Mapping[str, str]


def read_folder(path: str | Path, *, encoding: str = "", exclude: Sequence[str] = ()) -> FolderFiles:
    """Returns the documents of a folder and the folders in it; read again only when a file has changed.

    Args:
        path: the folder.
        encoding: of text, Markdown and HTML files; found out file by file if empty.
        exclude: patterns of paths to leave alone, such as `drafts/*`.

    Raises:
        DatasetError: if there is no such folder.
    """
    folder = Path(path).expanduser().absolute()
    if not folder.is_dir():
        why = "is a file, not a folder" if folder.exists() else "no such folder"
        raise DatasetError(f"{folder}: {why}.")
    files = sorted(name for name in _names(folder) if not any(fnmatch(name, pattern) for pattern in exclude))
    state = tuple((name, *_changed(folder / name)) for name in files)
    return _read_folder(folder, state, encoding)


@lru_cache(maxsize=_KEPT_FOLDERS)
def _read_folder(folder: Path, state: tuple[tuple[str, int, int], ...], encoding: str) -> FolderFiles:
    documents: list[Document] = []
    read: Counter[str] = Counter()
    passed_over: Counter[str] = Counter()
    problems: list[str] = []
    encodings: dict[str, str] = {}
    hidden = 0
    for name, _, _ in state:
        file = folder / name
        kind = KINDS.get(file.suffix.lower())
        if _is_hidden(name):
            hidden += 1
        elif kind is None:
            passed_over[file.suffix.lower() or "no ending"] += 1
        else:
            try:
                found = extract(kind, _bytes_of(file), encoding)
            except (Unreadable, DatasetError) as error:
                problems.append(f"{name}: {str(error).removeprefix(f'{file}: ')}.")
                continue
            if not found.text.strip():
                problems.append(f"{name}: empty.")
                continue
            read[kind] += 1
            documents.append(Document(name, found.text, found.title or file.stem, dict(found.facts)))
            if not encoding and found.encoding not in ("", "utf-8"):
                encodings[name] = found.encoding
    return FolderFiles(tuple(documents), read, passed_over, hidden, tuple(problems), encodings)


def _names(folder: Path) -> Iterator[str]:
    return (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _changed(file: Path) -> tuple[int, int]:
    try:
        facts = file.stat()
    except OSError:  # gone since it was listed: reading it will tell
        return 0, 0
    return facts.st_mtime_ns, facts.st_size


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise DatasetError(f"{file}: no such file") from error
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error}") from error
