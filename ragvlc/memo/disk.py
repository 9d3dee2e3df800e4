"""The result cache on disk: computed values, stored for later runs under a hash of all their inputs.

A folder a stage, a file an entry, named by its key. Writers replace whole files, so any number of threads, processes
and machines may share the folder, and whoever reads sees a whole entry or none. Every entry carries a checksum: a
damaged one is reported, dropped and computed again.

    $RAGVLC_STORE/indexes/ab/ab12….npz        arrays, such as vectors of chunks (the archive has checksums of its own)
    $RAGVLC_STORE/rankings/ab/ab12….v1.json   SHA-256 of the key and of what follows, a line break, JSON
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
import stat
import time
import uuid
import zipfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragvlc import packaged
from ragvlc.core.errors import StoreError
from ragvlc.core.given_paths import path_of
from ragvlc.core.json_text import parse_json

if TYPE_CHECKING:
    from ragvlc.core.engines import Arrays

__all__ = ["STAGES", "Cache", "Held", "write_whole"]

log = logging.getLogger("ragvlc")

STAGES = ("chunkings", "indexes", "rankings", "rerankings", "answers", "windows")
"""What is stored: pieces of documents, arrays of indexes, retrievers' and rerankers' orders, greedy answers, and the
windows of models."""

_JSON_ENDING = "v1.json"  # counted up when the form of a stage's values changes: those of before are not found then
_KEY = "key of this entry"
_PROCESS = uuid.uuid4().hex[:12]  # processes of several machines may write into one folder
_PARTS = itertools.count()
_GROUPS_SAID: set[str] = set()
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True)
class Held:
    """The number and total size of a stage's cache entries.

    Attributes:
        entries: files.
        bytes: of all of them.
    """

    entries: int = 0
    bytes: int = 0


def write_whole(path: str | Path, data: bytes) -> None:
    """Writes a file atomically: readers see the old file or the new one, never a part."""
    part = f"{path}.{_PROCESS}-{os.getpid()}-{next(_PARTS)}.part"
    try:
        file = open(part, "xb")  # noqa: SIM115, PTH123 - closed below; this and the next run for every entry
    except FileNotFoundError:
        Path(part).parent.mkdir(parents=True, exist_ok=True)
        file = open(part, "xb")  # noqa: SIM115, PTH123
    try:
        with file:
            file.write(data)
        os.replace(part, path)  # noqa: PTH105
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


class Cache:
    """The cache on disk, with entries by stage and key.

    Args:
        folder: where they are; by default `$RAGVLC_STORE`, or else `store` in the folder of downloaded models.
        checked: whether it is to be used in any case; one that may not be needed is checked when it is.

    Raises:
        StoreError: everyone may write into the folder, or it is another user's: what it holds cannot be trusted.
    """

    def __init__(self, folder: Path | None = None, *, checked: bool = True) -> None:
        chosen = os.environ.get("RAGVLC_STORE")
        default = path_of(chosen).absolute() if chosen else packaged.cache_folder() / "store"
        self.folder = folder or default
        self._folder = str(self.folder)
        self._checked = False
        if checked:
            self._check()

    def _check(self) -> None:
        _check_owner(self.folder)
        self._checked = True

    def get(self, stage: str, key: str) -> Any:  # noqa: ANN401 - JSON
        """Returns the JSON value stored under `key`, or None if there is none or it is damaged."""
        path = self._path(stage, key, _JSON_ENDING)
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - tried for every entry, and mostly in vain
                data = file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("%s cannot be read (%s); it is computed again", path, error)
            return None
        if not _whole(data, key):
            log.warning("%s is damaged, or another entry's; it is computed again", path)
            return None
        try:
            return parse_json(data[65:].decode("utf-8", "surrogatepass"))
        except ValueError:
            log.warning("%s is not JSON; it is computed again", path)
            return None

    def put(self, stage: str, key: str, value: Any) -> None:  # noqa: ANN401 - JSON
        """Stores a JSON value. A full or read-only disk causes a warning, not an error."""
        data = _JSON.encode(value).encode("utf-8", "surrogatepass")
        self._write(self._path(stage, key, _JSON_ENDING), _seal(data, key) + b"\n" + data)

    def arrays(self, key: str, build: Callable[[], Arrays], needed: Collection[str] = ()) -> Arrays:
        """Returns the index arrays stored under `key`; builds and stores them if they are missing or damaged.

        Args:
            key: of the index.
            build: computes the arrays.
            needed: names without which a stored entry is no entry.
        """
        import io

        import numpy as np

        path = self._path("indexes", key, "npz")
        if os.path.exists(path):  # noqa: PTH110
            try:
                with np.load(path, allow_pickle=False) as stored:
                    found = {name: stored[name] for name in stored.files}
                own = str(found.pop(_KEY, key)) == key  # entries of earlier versions do not say whose they are
                if own and found.keys() >= set(needed):
                    return found
                missing = " and no ".join(sorted({*needed} - found.keys()))
                log.warning("%s %s; it is built again", path, f"holds no {missing}" if own else "is another entry's")
            except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
                log.warning("%s is damaged (%s); it is built again", path, error)
        arrays = build()
        packed = io.BytesIO()
        np.savez(packed, allow_pickle=False, **{**arrays, _KEY: np.array(key)})
        self._write(path, packed.getvalue())
        return arrays

    def held(self, stage: str) -> Held:
        """Returns the number and total size of a stage's cache entries."""
        sizes = [path.stat().st_size for path in self._entries(stage)]
        return Held(len(sizes), sum(sizes))

    def damaged(self, stage: str) -> list[Path]:
        """Returns the paths of a stage's entries whose checksum is wrong."""
        return [path for path in self._entries(stage) if not _sound(path)]

    def clear(self, stage: str, *, older_than: float = 0.0) -> Held:
        """Deletes a stage's entries that are at least `older_than` seconds old; returns their number and size."""
        entries, size = 0, 0
        for path in self._entries(stage):
            facts = path.stat()
            if time.time() - facts.st_mtime >= older_than:
                path.unlink(missing_ok=True)
                entries, size = entries + 1, size + facts.st_size
        return Held(entries, size)

    def _path(self, stage: str, key: str, ending: str) -> str:
        if not self._checked:
            self._check()
        return f"{self._folder}/{stage}/{key[:2]}/{key}.{ending}"

    def _entries(self, stage: str) -> Iterator[Path]:
        # Parts of writers that were killed are entries too: they are damaged, and go with the rest.
        return (path for path in (self.folder / stage).glob("??/*") if path.is_file())

    def _write(self, path: str, data: bytes) -> None:
        try:
            write_whole(path, data)
        except OSError as error:
            log.warning("%s cannot be written (%s): later runs will compute it again", path, error)


def _check_owner(folder: Path) -> None:
    """Raises `StoreError` if others can replace entries; logs a line if the members of a group can."""
    try:
        facts = folder.stat()
    except OSError:  # not there yet: it will be the user's own
        return
    if os.name == "nt":
        return
    remedy = "choose a folder of your own with RAGVLC_STORE"
    if facts.st_mode & stat.S_IWOTH:
        raise StoreError(f"{folder}: everyone may write into this cache. Run: chmod o-w '{folder}'. Or: {remedy}.")
    if facts.st_uid != os.geteuid() and not facts.st_mode & stat.S_ISVTX:
        raise StoreError(
            f"{folder}: this cache belongs to another user, who could replace its entries: {remedy}; for a cache that "
            f"a team shares, its owner runs: chmod +t '{folder}'."
        )
    if facts.st_mode & stat.S_IWGRP and str(folder) not in _GROUPS_SAID:
        _GROUPS_SAID.add(str(folder))
        log.info("%s: the members of its group may write into this cache, and are trusted", folder)


def _seal(data: bytes, key: str) -> bytes:
    """Returns the checksum of an entry's value and key, so that no entry passes for another."""
    return hashlib.sha256(key.encode() + b"\n" + data).hexdigest().encode()


def _whole(data: bytes, key: str) -> bool:
    """Returns whether the checksum is right; entries of earlier versions have that of their value alone."""
    seal, value = data[:64], data[65:]
    return data[64:65] == b"\n" and seal in (_seal(value, key), hashlib.sha256(value).hexdigest().encode())


def _sound(path: Path) -> bool:
    try:
        if path.suffix == ".json":
            return _whole(path.read_bytes(), path.name.partition(".")[0])
        import numpy as np

        with zipfile.ZipFile(path) as archive:
            if path.suffix != ".npz" or archive.testzip() is not None:
                return False
        with np.load(path, allow_pickle=False) as stored:
            return _KEY not in stored.files or str(stored[_KEY]) == path.stem
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return False
