"""A bundle: a sweep's results in one zip file that `report`, `show`, `compare` and `verify` read elsewhere.

RUN/bundle.json              what is inside: versions, seeds, SHA-256 of every file, and what was left out
RUN/sweep.yaml, cells.json   the sweep, resolved, and its cells
RUN/examples-*.jsonl         questions, references, and where the evidence is
RUN/KEY/...                  rows, summary and settings of each cell
RUN/documents-*.jsonl        texts of the documents, if asked for
RUN/citations.bib            of what took part

Answers, notes and quotes of models are part of the rows, and may repeat sentences of the documents.
"""

from __future__ import annotations

import hashlib
import json
import platform
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ragvlc.analysis.export.citations import citations
from ragvlc.core.errors import RagvlcError, StoreError
from ragvlc.core.json_text import parse_json

if TYPE_CHECKING:
    from ragvlc.core.data import Document
    from ragvlc.results.loading import SweepResults

__all__ = ["BUNDLE", "Bundle", "bundled_texts", "write_bundle"]

BUNDLE = "bundle.json"
VERSION = 1
PACKAGES = ("torch", "transformers", "sentence-transformers", "vllm", "openai", "bm25s", "numpy", "pandas", "mlflow")
_CELL_FILES = ("predictions.jsonl", "summary.json", "resolved.yaml")
_FOLDER_FILES = ("sweep.yaml", "cells.json", "strategy.json")
_DATE = (1980, 1, 1, 0, 0, 0)
"""Of every file, so that the same results give the same bundle."""
_PART = 1 << 20


@dataclass(frozen=True, slots=True)
class Bundle:
    """What is known of a bundle.

    Attributes:
        files: SHA-256 of each, by its path.
        documents: whether the texts are in it.
        left_out: counts of what is not, by its name.
    """

    files: Mapping[str, str]
    documents: bool
    left_out: Mapping[str, int]

    @classmethod
    def of(cls, folder: Path) -> Bundle | None:
        """Returns the bundle that a results folder was unpacked from; None for any other. Raises `StoreError`."""
        path = folder / BUNDLE
        if not path.is_file():
            return None
        try:
            found = parse_json(path.read_text(encoding="utf-8"))
            files = {str(name): str(value) for name, value in dict(found["files"]).items()}
            left_out = {str(name): int(count) for name, count in dict(found["left_out"]).items()}
            return cls(files, bool(found["documents"]), left_out)
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise StoreError(f"{path}: cannot be read: {error!r}. Unpack the bundle again.") from error

    def changed(self, folder: Path) -> list[str]:
        """Returns the files that are missing, or other than in the bundle."""
        return [name for name, value in self.files.items() if _hash_of(folder, name) != value]

    @property
    def words(self) -> str:
        """What was left out, in words."""
        one = {"documents": "document"}
        counts = {name: count for name, count in self.left_out.items() if count}
        found = [f"{count:,} {one.get(name, name) if count == 1 else name}" for name, count in counts.items()]
        return ", ".join(found) or "nothing"


def write_bundle(
    path: Path, results: SweepResults, documents: Mapping[str, Iterable[Document]] | None = None
) -> Bundle:
    """Writes the bundle of results to a zip file, whole or not at all.

    Args:
        path: of the file.
        results: to write, as they are on the disk.
        documents: those of each file of questions, by its name; without them no text of a document is written.

    Raises:
        StoreError: a file cannot be read or written.
    """
    part = path.with_name(f"{path.name}.part")
    hashes: dict[str, str] = {}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as whole:
            for name, content in _contents(results, documents):
                hashes[name] = _add(whole, f"{results.name}/{name}", content)
            facts = _facts(results, hashes, documents)
            _add(whole, f"{results.name}/{BUNDLE}", [json.dumps(facts, indent=1, ensure_ascii=False).encode()])
        part.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}. The results are safe.") from error
    finally:
        part.unlink(missing_ok=True)
    return Bundle(hashes, documents is not None, facts["left_out"])


def bundled_texts(folder: Path) -> dict[str, str] | None:
    """Returns the texts of the documents in an unpacked bundle, by id; None if it has none, or of several data sets."""
    files = sorted(folder.glob("documents-*.jsonl"))
    if len(files) != 1 or not (folder / BUNDLE).is_file():
        return None
    texts = {}
    try:
        with files[0].open(encoding="utf-8") as lines:
            for line in lines:
                one = parse_json(line)
                texts[str(one["id"])] = str(one["text"])
    except (OSError, ValueError, LookupError, TypeError, RagvlcError) as error:
        raise StoreError(f"{files[0]}: cannot be read: {error!r}. Unpack the bundle again.") from error
    return texts


def _contents(
    results: SweepResults, documents: Mapping[str, Iterable[Document]] | None
) -> Iterator[tuple[str, Iterable[bytes]]]:
    names = [name for name in _FOLDER_FILES if (results.folder / name).is_file()]
    names += sorted({str(cell.facts["examples"]) for cell in results.cells})
    for cell in results.cells:
        own = [f"{cell.facts['key']}/{name}" for name in _CELL_FILES]
        names += [name for name in own if (results.folder / name).is_file()]
    for name in names:
        yield name, _read(results.folder / name)
    yield "citations.bib", [citations(results).bibtex.encode("utf-8", "replace")]
    for examples, found in (documents or {}).items():
        yield examples.replace("examples-", "documents-", 1), (_line(one) for one in found)


def _line(document: Document) -> bytes:
    facts = {"id": document.id, "title": document.title, "text": document.text}
    return json.dumps(facts, ensure_ascii=True).encode() + b"\n"


def _facts(
    results: SweepResults, hashes: Mapping[str, str], documents: Mapping[str, Iterable[Document]] | None
) -> dict[str, Any]:
    named = {
        (cell.facts["examples"], name): size
        for cell in results.cells
        for one in cell.examples.values()
        for name, size in zip(one.get("documents", ()), one.get("characters", ()), strict=False)
    }
    left_out = {} if documents is not None else {"documents": len(named), "characters of them": sum(named.values())}
    keys = {str(cell.facts["key"]) for cell in results.cells}
    others = [path.parent.name for path in results.folder.glob("*/predictions.jsonl") if path.parent.name not in keys]
    left_out |= {"cells that are no longer planned": len(others)}
    return {
        "bundle": VERSION,
        "run": results.name,
        "ragvlc": metadata.version("ragvlc"),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "versions_are_of": "the machine that wrote the bundle: results do not record theirs",
        "cells": [{name: cell.facts[name] for name in ("name", "key", "seed")} for cell in results.cells],
        "documents": documents is not None,
        "left_out": left_out,
        "files": dict(hashes),
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _add(whole: zipfile.ZipFile, name: str, content: Iterable[bytes]) -> str:
    """Adds a file; returns its hash."""
    found = hashlib.sha256()
    entry = zipfile.ZipInfo(name, _DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    with whole.open(entry, "w", force_zip64=True) as file:
        for piece in content:
            found.update(piece)
            file.write(piece)
    return found.hexdigest()


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from _pieces(file)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_PART):
        yield piece


def _hash_of(folder: Path, name: str) -> str:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        return ""
    found = hashlib.sha256()
    try:
        for piece in _read(path):
            found.update(piece)
    except OSError:
        return ""
    return found.hexdigest()
