"""Base class of published benchmarks: finds their released files, and states where they are from and how they score.

A kind states its facts in `release` and defines `file_names` and `examples`; everything else works for all of them:

    class Riddles(Released):
        release: ClassVar[Release] = Release(title="Riddles", files=(ReleasedFile("riddles.jsonl", 0.3),), ...)

        def file_names(self) -> Sequence[str]:
            return ("riddles.jsonl",)

        def examples(self, files: Files) -> Iterator[Example]:
            for row in files.rows("riddles.jsonl"):
                document = Document(row.text("id"), row.text("riddle"))
                yield Example(Query(f"{document.id}-q", row.text("question")), (document,), row.strings("answers"),
                              cluster=document.id)

Without `path`, the files come from the Hugging Face hub (extra `huggingface`). No file of a benchmark is in ragvlc.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from ragvlc.core.component import Execution, FilePath, find_kind, known_kinds
from ragvlc.core.data import Document, Example
from ragvlc.core.errors import DatasetError, missing_extra, nearest
from ragvlc.core.given_paths import path_of
from ragvlc.core.texts import library_words, word_count
from ragvlc.documents.dataset import Dataset, Examples
from ragvlc.documents.json_lines import Problems, Row
from ragvlc.documents.released_rows import Form, LocatedFile

__all__ = ["Files", "Release", "Released", "ReleasedFile", "releases", "size_tags"]


@dataclass(frozen=True, slots=True)
class ReleasedFile:
    """One released file, or a pattern for several (`{name}.jsonl`).

    Attributes:
        name: path in the release, with forward slashes.
        megabytes: size in millions of bytes; None if not known.
        about: what is in it.
    """

    name: str
    megabytes: float | None = None
    about: str = ""

    def __str__(self) -> str:
        size = f"{self.megabytes:,g} MB" if self.megabytes is not None else "size not known"
        return f"{self.name} ({size})"


@dataclass(frozen=True, slots=True)
class Release:
    """What is known about a published benchmark; `ragvlc datasets` shows it.

    Attributes:
        title: the benchmark's own name.
        citation: authors, year, title and number of the paper.
        homepage: address of the authors' code or page.
        licence: of the data, and of the code where it is another.
        tasks: words that its examples have as `task`.
        metrics: kinds of metrics that score it as its authors do.
        aggregate: how the authors make one figure of the scores.
        files: what is read.
        seen: what of it was read when the kind was written; empty if no real file was, only records made by its form.
        hub: id of the data set on the Hugging Face hub; empty if it is not there.
        revision: commit of the hub's repository; empty if none was seen.
        archive: name of a zip archive that holds the files on the hub, and may hold them on disk.
        address: where the files are, if not on the hub.
        cut: how the authors shorten what is too long; empty where `cut: official` does not apply.
        prompts: whether `prompts: official` exists.
    """

    title: str
    citation: str
    homepage: str
    licence: str
    tasks: tuple[str, ...]
    metrics: tuple[str, ...]
    aggregate: str
    files: tuple[ReleasedFile, ...]
    seen: str = ""
    hub: str = ""
    revision: str = ""
    archive: str = ""
    address: str = ""
    cut: str = ""
    prompts: bool = False

    @property
    def source(self) -> str:
        """The address of the files."""
        return self.address or (f"https://huggingface.co/datasets/{self.hub}" if self.hub else self.homepage)

    @property
    def total(self) -> str:
        """The size of all files, or of those whose size is known."""
        sizes = [file.megabytes for file in self.files if file.megabytes is not None]
        more = " and more" if sizes and len(sizes) < len(self.files) else ""
        return f"{sum(sizes):,.3g} MB{more}" if sizes else "size not known"

    @property
    def tried(self) -> str:
        """Whether a real file was ever read by the kind."""
        return f"real files: {self.seen}" if self.seen else "by form only"


@dataclass(slots=True)
class Files:
    """The located files of one reading, and what was noted while reading them.

    Attributes:
        by_name: in the order asked for.
        skipped: number of records left out, by reason.
        notes: sentences about how the records were read.
        problems: of each file that was read, whenever they were noted.
    """

    by_name: Mapping[str, LocatedFile]
    skipped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    problems: list[Problems] = field(default_factory=list)

    def rows(self, name: str, form: Form | Literal[""] = "") -> Iterator[Row]:
        """Yields the records of a file; after the last, raises `DatasetError` with every problem noted on the way."""
        file = self.by_name[name]
        self.problems.append(Problems(file.name))
        return file.rows(form, self.problems[-1])

    def text(self, name: str) -> str:
        """Returns the whole text of a file. Raises `DatasetError`."""
        return self.by_name[name].text()


class Released(Dataset):
    """A published benchmark, read from its authors' files.

    Attributes:
        path: a folder with the released files (as they lie in the release, or side by side; gzipped ones and the
            release's zip archive too), or one file where one is read. Empty: from the hub.
        hub: id of another data set on the hub that holds the same files.
        revision: commit of the hub's repository; the one that this kind was written for if empty.
    """

    release: ClassVar[Release]

    path: Annotated[FilePath, Execution] = ""
    hub: str = ""
    revision: str = ""

    @property
    def source(self) -> str:
        """The kind with its subset."""
        return "/".join(filter(None, [self.kind, *self.subset_words()]))

    def identity(self) -> Mapping[str, Any]:
        """Returns the names of the folder and its parent, if files are not from the hub; records are hashed as read."""
        return {"set": "/".join(Path(self.path).parts[-2:])} if self.path else {}

    @property
    def _hub(self) -> str:
        return self.hub or self.release.hub

    @property
    def _revision(self) -> str:
        return self.revision or (self.release.revision if self._hub == self.release.hub else "")

    def subset_words(self) -> Sequence[str]:
        """Returns the settings that choose a part of the benchmark; by default `subset` and `split`, where it has them.

        They are part of the name in tables.
        """
        return [str(getattr(self, name)) for name in ("subset", "split") if getattr(self, name, "")]

    def remarks(self) -> Sequence[str]:
        """Returns what to know before a run: whether a real file was ever read."""
        if self.release.seen:
            return ()
        untried = "written by the form of its files, never tried on a real one"
        return (f"{self.kind}: {untried}. Compare the number of questions with the paper's.",)

    @abstractmethod
    def file_names(self) -> Sequence[str]:
        """Returns the names of the files to read, as in `release.files` with patterns filled in."""

    @abstractmethod
    def examples(self, files: Files) -> Iterable[Example]:
        """Returns the examples of the files, in their order. Notes what is left out in `files.skipped`."""

    def refuse_unknown(self, name: str, wanted: Iterable[str], found: Iterable[str]) -> None:
        """Raises `DatasetError` if a setting names a value that no record has; it says which ones they have."""
        known = sorted(set(found))
        for one in wanted:
            if known and one not in known:
                raise DatasetError(f"{self.source}: {name}: no record has '{one}'. They have: {', '.join(known)}.")

    def read(self) -> Examples:
        """Returns the examples. Raises `DatasetError` for a missing file, and with every problem of a file at once."""
        files = Files(self.located())
        found = list(self.examples(files))
        for problems in files.problems:  # also those noted after a file's last record
            problems.raise_any()
        if not found:
            left = "; ".join(f"{count:,} {reason}" for reason, count in files.skipped.items())
            raise DatasetError(f"{self.source}: no question is left to ask{f': {left}' if left else ''}.")
        return Examples(found, files.skipped, [*files.notes, *_span_notes(found)])

    def located(self) -> Mapping[str, LocatedFile]:
        """Returns where each file is. Raises `DatasetError` that names every missing one, with address and size."""
        names = self.file_names()
        if not self.path:
            return {name: self._from_hub(name) for name in names}
        place = path_of(self.path).absolute()
        found = {name: _locate(place, name, self.release.archive, alone=len(names) == 1) for name in names}
        missing = [name for name, file in found.items() if file is None]
        if missing:
            raise DatasetError(self._missing(place, missing))
        return {name: file for name, file in found.items() if file is not None}

    def _missing(self, place: Path, names: Sequence[str]) -> str:
        around = [other.name for other in place.glob("*")] if place.is_dir() else _members(place)
        hint = nearest(names[0].rpartition("/")[2], around)
        packed = f" (in {self.release.archive})" if self.release.archive else ""
        empty = " It holds no files." if place.is_dir() or place.suffix == ".zip" else " It is another file."
        state = "" if around else empty if place.exists() else " It does not exist."
        files = ", ".join(map(str, self._sized(names)))
        return (
            f"{place}: {self.kind} needs {files}.{state} Download from {self.release.source}{packed}, and name the "
            f"folder in path.{hint}"
        )

    def _sized(self, names: Sequence[str]) -> list[ReleasedFile]:
        sizes = {file.name: file.megabytes for file in self.release.files}
        return [ReleasedFile(name, sizes.get(name)) for name in names]

    def _from_hub(self, name: str) -> LocatedFile:
        hub = self._hub
        files = ", ".join(map(str, self._sized(self.file_names())))
        if not hub:
            raise DatasetError(
                f"{self.kind} is not on the Hugging Face hub. Download {files} from {self.release.source}, and name "
                "the folder in path."
            )
        try:
            from huggingface_hub import hf_hub_download
        except ImportError as error:
            missing_extra("huggingface_hub", "huggingface", error)
        wanted = self.release.archive or name
        log, level = logging.getLogger("huggingface_hub"), logging.getLogger("huggingface_hub").level
        log.setLevel(logging.ERROR)  # each retry is a warning, and the last is in the error below
        try:
            path = hf_hub_download(hub, wanted, repo_type="dataset", revision=self._revision or None)
        except Exception as error:  # of the network, the hub or the disk
            raise DatasetError(
                f"{self.kind}: {wanted} cannot be loaded from the hub's {hub}: {library_words(error)} Or download "
                f"{files} from {self.release.source}, and name the folder in path."
            ) from error
        finally:
            log.setLevel(level)
        if not self.release.archive:
            return LocatedFile(Path(path))
        found = _locate(Path(path), name, "", alone=False)
        if found is None:
            raise DatasetError(f"{self.kind}: {path} holds no file '{name}'.")
        return found


def releases() -> dict[str, Release]:
    """Returns the facts of every published benchmark that loads by name, by kind."""
    family: Any = Dataset  # abstract, which only the lookup of its kinds does not mind
    parts = {kind: find_kind(family, kind) for kind in known_kinds(Dataset.family)}
    found = {kind: getattr(part, "release", None) for kind, part in parts.items()}
    return {kind: release for kind, release in found.items() if isinstance(release, Release)}


def size_tags(documents: Sequence[Document]) -> dict[str, Any]:
    """Returns the tags that say how much is read: documents, their words and characters."""
    return {
        "documents": len(documents),
        "document_words": sum(word_count(document.text) for document in documents),
        "document_characters": sum(len(document.text) for document in documents),
    }


def _span_notes(examples: Sequence[Example]) -> list[str]:
    """Returns a sentence on how the evidence was located, where the data set names evidence by its text."""
    counts: Counter[str] = Counter()
    for example in examples:
        counts.update({way: int(example.tags.get(f"evidence_{way}", 0)) for way in ("exact", "fuzzy", "lost")})
    total = sum(counts.values())
    if not total:
        return []
    ways = f"{counts['exact']:,} found, {counts['fuzzy']:,} by similar sentences only, {counts['lost']:,} not"
    return [f"evidence: of {total:,} quoted passages, {ways}."]


def _locate(place: Path, name: str, archive: str, *, alone: bool) -> LocatedFile | None:
    """Returns the file in a folder or zip archive, or the given file itself; None if it is not there."""
    base = name.rpartition("/")[2]
    if place.is_file():
        if place.suffix == ".zip":
            return _in_archive(place, name)
        return LocatedFile(place) if alone or place.name.removesuffix(".gz") == base else None
    for one in (name, base):
        for candidate in (place / one, place / f"{one}.gz"):
            if candidate.is_file():
                return LocatedFile(candidate)
    packed = place / archive.rpartition("/")[2] if archive else place
    return _in_archive(packed, name) if packed.is_file() else None


def _members(path: Path) -> list[str]:
    """Returns the names of the files in a zip archive, without their folders; none for anything else."""
    return [name.rpartition("/")[2] for name in _names(path)] if path.suffix == ".zip" and path.is_file() else []


def _names(path: Path) -> list[str]:
    import zipfile

    try:
        with zipfile.ZipFile(path) as opened:
            return [name for name in opened.namelist() if not name.endswith("/")]
    except (OSError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path}: is no zip archive that can be read: {error}") from error


def _in_archive(path: Path, name: str) -> LocatedFile | None:
    members = _names(path)
    base = name.rpartition("/")[2]
    fitting = [member for member in members if member == name or member.endswith(f"/{name}")]
    fitting += [member for member in members if member.rpartition("/")[2] == base]
    return LocatedFile(path, fitting[0]) if fitting else None
