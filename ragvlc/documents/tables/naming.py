"""Documents by the names that tables of questions give them: paths, file names, titles, addresses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from ragvlc.core.data import Document

__all__ = ["Names"]


class Names:
    """Finds documents by name: by path, then by file name, then without capitals and endings, then by title.

    Attributes:
        loosely: documents that were named otherwise than by path or file name, by the name given.
    """

    def __init__(self, documents: Mapping[str, Document]) -> None:
        self._documents = documents
        self.loosely: dict[str, str] = {}

    def find(self, name: str) -> str:
        """Returns the id of the only document that a name fits; else the name itself, as a path."""
        path = name.strip().replace("\\", "/").removeprefix("./")
        if path in self._documents:
            return path
        same = self._names.get(path, ())
        if len(same) == 1:
            return same[0]
        for index, key in self._loose(path):
            found = index.get(key, ())
            if len(found) == 1:
                self.loosely[name.strip()] = found[0]
                return found[0]
        return path

    def names_one(self, name: str) -> bool:
        """Returns whether a name fits exactly one document."""
        before = dict(self.loosely)
        found = self.find(name) in self._documents
        self.loosely = before
        return found

    def _loose(self, path: str) -> list[tuple[Mapping[str, list[str]], str]]:
        word = path.casefold()
        tries = [(self._folded, word), (self._stems, word), (self._titles, " ".join(word.split()))]
        if "://" in path or "/" in path:
            last = unquote(urlsplit(path).path if "://" in path else path).rstrip("/").rpartition("/")[2].casefold()
            tries += [(self._folded, last), (self._stems, last)]
        return [(index, key) for index, key in tries if key]

    def _index(self, key: Callable[[str, Document], str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for known, document in self._documents.items():
            found.setdefault(key(known, document), []).append(known)
        return found

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        return self._index(lambda known, _: known.rpartition("/")[2])

    @cached_property
    def _folded(self) -> dict[str, list[str]]:
        paths = self._index(lambda known, _: known.casefold())
        return self._index(lambda known, _: known.rpartition("/")[2].casefold()) | paths

    @cached_property
    def _stems(self) -> dict[str, list[str]]:
        return self._index(lambda known, _: PurePosixPath(known).stem.casefold())

    @cached_property
    def _titles(self) -> dict[str, list[str]]:
        return self._index(lambda _, document: " ".join(document.title.casefold().split()))
