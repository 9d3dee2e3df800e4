"""Synonyms from a WordNet that the user has, in the files of its database and by the rules of nltk's reader.

Looked for where nltk keeps its data (`corpora/wordnet`, a folder or the zip file that its downloader leaves), in
`$WNSEARCHDIR`, and in /usr/share/wordnet, where Debian's package wordnet-base puts it. The index files are sorted, so
words are found by halving them; nothing is loaded but the bytes.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from zipfile import BadZipFile, ZipFile

__all__ = ["WordNet", "find_wordnet", "wordnet"]

_SUFFIXES = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
_ENDINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "n": (
        ("s", ""),
        ("ses", "s"),
        ("ves", "f"),
        ("xes", "x"),
        ("zes", "z"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("men", "man"),
        ("ies", "y"),
    ),
    "v": (("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
    "a": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "r": (),
}
_FILES = [name for suffix in _SUFFIXES.values() for name in (f"index.{suffix}", f"data.{suffix}", f"{suffix}.exc")]


class WordNet:
    """Synonyms of single words, as nltk's corpus reader finds them."""

    def __init__(self, place: Path) -> None:
        self._index = {pos: _content(place, f"index.{suffix}") for pos, suffix in _SUFFIXES.items()}
        self._data = {pos: _content(place, f"data.{suffix}") for pos, suffix in _SUFFIXES.items()}
        exceptions = {pos: _content(place, f"{suffix}.exc").decode() for pos, suffix in _SUFFIXES.items()}
        self._exceptions = {
            pos: {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}
            for pos, text in exceptions.items()
        }
        self.synonyms = lru_cache(maxsize=100_000)(self._synonyms)

    @property
    def key(self) -> str:
        """Hash of the database files."""
        digest = hashlib.sha256()
        for files in (self._index, self._data):
            for content in files.values():
                digest.update(content)
        return digest.hexdigest()

    def _synonyms(self, word: str) -> frozenset[str]:
        """Returns the single words, in the case that the database has them in, that share a meaning with `word`."""
        return frozenset(
            name
            for pos in _SUFFIXES
            for form in self._forms(word.lower(), pos)
            for offset in self._offsets(form, pos)
            for name in self._names(offset, pos)
            if "_" not in name
        )

    def _forms(self, word: str, pos: str) -> list[str]:
        base = self._exceptions[pos].get(word)
        if base is None:
            base = [word[: -len(old)] + new for old, new in _ENDINGS[pos] if word.endswith(old)]
        return [form for form in dict.fromkeys([word, *base]) if self._offsets(form, pos)]

    def _offsets(self, form: str, pos: str) -> list[int]:
        """Returns the places of a word's meanings in the data file of a part of speech."""
        key = form.encode()
        if not key or any(byte in b" \n" for byte in key):
            return []
        index = self._index[pos]
        low, high = 0, len(index)
        while low < high:
            start = index.rfind(b"\n", 0, (low + high) // 2) + 1
            end = index.find(b"\n", start)
            end = len(index) if end == -1 else end
            found = index[start:end].partition(b" ")[0]
            if found == key:
                parts = index[start:end].split()
                return [int(offset) for offset in parts[-int(parts[2]) :]]
            low, high = (end + 1, high) if found < key else (low, start)
        return []

    def _names(self, offset: int, pos: str) -> Iterator[str]:
        data = self._data[pos]
        parts = data[offset : data.index(b"\n", offset)].split()
        for place in range(int(parts[3], 16)):
            yield parts[4 + 2 * place].decode().partition("(")[0]  # a mark of adjectives' places is cut off


def find_wordnet() -> Path | None:
    """Returns the folder or zip file of the first WordNet found on this machine."""
    roots: list[str | Path] = [
        *os.environ.get("NLTK_DATA", "").split(os.pathsep),
        Path.home() / "nltk_data",
        *(Path(sys.prefix) / name for name in ("nltk_data", "share/nltk_data", "lib/nltk_data")),
        *(Path("/usr") / name / "nltk_data" for name in ("share", "local/share", "lib", "local/lib")),
    ]
    corpora = [Path(root) / "corpora" for root in roots if root]
    places = [corpus / name for corpus in corpora for name in ("wordnet", "wordnet.zip")]
    given = os.environ.get("WNSEARCHDIR")
    places += [*([Path(given)] if given else []), Path("/usr/share/wordnet")]
    return next((place for place in places if _complete(place)), None)


@cache
def wordnet(place: Path) -> WordNet:
    """Returns the WordNet in a folder or zip file, read once."""
    return WordNet(place)


def _content(place: Path, name: str) -> bytes:
    if place.suffix == ".zip":
        with ZipFile(place) as packed:
            return packed.read(f"wordnet/{name}")
    return (place / name).read_bytes()


def _complete(place: Path) -> bool:
    if place.suffix != ".zip":
        return all((place / name).is_file() for name in _FILES)
    try:
        with ZipFile(place) as packed:
            return {f"wordnet/{name}" for name in _FILES} <= set(packed.namelist())
    except (OSError, BadZipFile):
        return False
