"""Reading of one file, or all files of a folder, as documents, with a balance sheet for each file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from ragvlc.core.data import Document
from ragvlc.core.errors import DatasetError
from ragvlc.core.given_paths import path_of
from ragvlc.documents.balance import ALLOWED, Balance, balanced, refusal
from ragvlc.documents.bounded import file_bytes
from ragvlc.documents.extraction import KINDS, Found, Settings, Unreadable, extract
from ragvlc.documents.listing import NEVER_TEXT, is_page_of_ours, listed, why_unread

__all__ = ["FolderFiles", "read_document", "read_file", "read_folder"]

_MOST_FOLDERS = 4


def read_document(path: str | Path, *, encoding: str = "") -> Document:
    """Returns a file as a document with the file's name as id: text, HTML, PDF, Word, PowerPoint, Excel, EPUB and more.

    Files with unknown endings must be text. Raises `DatasetError` if there is nothing to read.
    """
    document, balance = read_file(path, encoding=encoding)
    if document is None:
        raise DatasetError(f"{path_of(path)}: {balance.problem}.")
    return document


def read_file(path: str | Path, *, encoding: str = "") -> tuple[Document | None, Balance]:
    """Returns a file as a document (None if nothing can be read) and the file's balance sheet."""
    file = path_of(path)
    ending = file.suffix.lower()
    kind = KINDS.get(ending, "txt")
    data = _bytes_of(file)
    if ending not in KINDS and (ending in NEVER_TEXT or b"\x00" in data[:4096]):
        return None, Balance(file.name, ending or "no ending", problem=why_unread(ending))
    return _read(file.name, kind, data, Settings(encoding))


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """The documents of a folder, and an account of its other files.

    Attributes:
        documents: by their paths, in order of those.
        balances: of each document and of each file that should have been one.
        passed_over: files that are no documents, such as pictures and settings, by ending.
        hidden: files whose name or folder starts with a dot.
        tables: of questions.
        results: folders and pages that ragvlc wrote itself.
    """

    documents: tuple[Document, ...]
    balances: tuple[Balance, ...]
    passed_over: Mapping[str, int]
    hidden: int = 0
    tables: tuple[str, ...] = ()
    results: tuple[str, ...] = ()

    @property
    def read(self) -> Mapping[str, int]:
        """Returns the number of files from which text was read, by file type."""
        return Counter(one.kind for one in self.balances if not one.problem)

    @property
    def unread(self) -> tuple[Balance, ...]:
        """Returns the balance sheets of files from which nothing was read."""
        return tuple(one for one in self.balances if one.problem)

    def insist(self, where: Path, allowed: float = ALLOWED, *, without_unread: bool = False, remedy: str = "") -> None:
        """Raises `DatasetError` if files lost more text than allowed (and lists them), or if no file can be read."""
        if why := refusal(f"{where}", self.balances, allowed, without_unread=without_unread, remedy=remedy):
            raise DatasetError(why)
        if not self.documents:
            others = ", ".join(f"{count} {ending}" for ending, count in sorted(self.passed_over.items()))
            ours = f" (it holds results of ragvlc: {', '.join(self.results[:3])})" if self.results else ""
            raise DatasetError(
                f"{where}: holds no file with text of a kind that is read ({', '.join(dict.fromkeys(KINDS.values()))})"
                f"{f' (other files: {others})' if others else ''}{ours}."
            )


def read_folder(
    path: str | Path, *, encoding: str = "", exclude: Sequence[str] = (), boilerplate: bool = True
) -> FolderFiles:
    """Returns the documents of a folder and its subfolders, with an account of other files; cached until a change.

    Args:
        path: the folder.
        encoding: of text, Markdown and HTML files; found out file by file if empty.
        exclude: patterns of paths to leave alone, such as `drafts/*`.
        boilerplate: whether navigation, page heads and feet of HTML pages belong to the text.

    Raises:
        DatasetError: if there is no such folder.
    """
    folder = path_of(path).absolute()
    if not folder.is_dir():
        why = "is a file, not a folder" if folder.exists() else "no such folder"
        raise DatasetError(f"{folder}: {why}.")
    found = listed(folder, tuple(exclude))
    state = tuple((name, *_changed(folder / name)) for name in found.documents)
    documents, balances, pages = _read_files(folder, state, Settings(encoding, boilerplate))
    unread = [Balance(name, PurePosixPath(name).suffix.lower(), problem=why) for name, why in found.unread.items()]
    return FolderFiles(
        documents,
        tuple(sorted((*balances, *unread), key=lambda one: one.file)),
        Counter(PurePosixPath(name).suffix.lower() or "no ending" for name in found.others),
        found.hidden,
        tuple(found.tables),
        (*found.results, *pages),
    )


@lru_cache(maxsize=_MOST_FOLDERS)
def _read_files(
    folder: Path, state: tuple[tuple[str, int, int], ...], settings: Settings
) -> tuple[tuple[Document, ...], tuple[Balance, ...], tuple[str, ...]]:
    """Returns the documents, their balance sheets, and the names of HTML reports that ragvlc wrote."""
    documents: list[Document] = []
    balances: list[Balance] = []
    ours: list[str] = []
    for name, _, _ in state:
        file = folder / name
        kind = KINDS[file.suffix.lower()]
        try:
            data = _bytes_of(file)
        except DatasetError as error:
            balances.append(Balance(name, kind, problem=str(error).removeprefix(f"{file}: ")))
            continue
        if kind == "html" and is_page_of_ours(data):
            ours.append(name)
            continue
        document, balance = _read(name, kind, data, settings)
        balances.append(balance)
        if document is not None:
            documents.append(document)
    return tuple(documents), tuple(balances), tuple(ours)


def _read(name: str, kind: str, data: bytes, settings: Settings) -> tuple[Document | None, Balance]:
    try:
        found: Found = extract(kind, data, settings)
    except Unreadable as error:
        return None, Balance(name, kind, problem=str(error))
    document = Document(name, found.text, found.title or PurePosixPath(name).stem, found.metadata())
    return document, balanced(name, kind, found)


def _changed(file: Path) -> tuple[int, int]:
    try:
        facts = file.stat()
    except OSError:  # gone since it was listed: reading it says so
        return 0, 0
    return facts.st_mtime_ns, facts.st_size


def _bytes_of(file: Path) -> bytes:
    try:
        return file_bytes(file)
    except FileNotFoundError as error:
        raise DatasetError(f"{file}: no such file") from error
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror or error}") from error
