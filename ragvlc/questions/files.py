"""The files of a set of generated questions: the questions, their documents, and how the set was made.

FILE.jsonl               the questions: a `jsonl` data set with the next file
FILE.documents.jsonl     the documents, as they were read
FILE.set.json            how the set was made: settings, prompts by their hash, counts
FILE.dropped.jsonl       the questions that a filter dropped, in the form of the questions
FILE.attempts.jsonl      every attempt: what a run goes on from

In a folder of its own (`FOLDER/questions.jsonl`) the names have no `FILE.` before them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragvlc.core.data import Document
from ragvlc.core.errors import ConfigError, DatasetError, StoreError
from ragvlc.core.given_paths import path_of
from ragvlc.core.json_text import parse_json
from ragvlc.core.surrogates import joined
from ragvlc.documents.json_lines import Problems, rows_of
from ragvlc.memo.disk import write_whole
from ragvlc.questions.item import GeneratedQuestion, from_json, to_json

__all__ = ["SetFiles", "read_questions", "write_questions"]

_ENDING = ".jsonl"
_OTHER_FORMS = frozenset({".csv", ".gz", ".json", ".parquet", ".tsv", ".txt", ".xlsx", ".yaml", ".yml"})


@dataclass(frozen=True, slots=True)
class SetFiles:
    """The paths of one set's files.

    Attributes:
        questions: the file of questions.
    """

    questions: Path

    @classmethod
    def at(cls, out: str | Path) -> SetFiles:
        """Returns the files of the set at `out`: a file that ends in `.jsonl`, else a folder for `questions.jsonl`.

        Raises:
            ConfigError: it is a compressed file, or one of another form.
        """
        path = path_of(out).absolute()
        if path.suffix.lower() in _OTHER_FORMS and not path.is_dir():
            raise ConfigError(
                f"{out}: questions are written as plain JSON, one a line: name a file that ends in .jsonl, or a folder."
            )
        return cls(path if path.name.endswith(_ENDING) else path / f"questions{_ENDING}")

    @property
    def documents(self) -> Path:
        """The documents of the set."""
        return self._beside("documents.jsonl")

    @property
    def facts(self) -> Path:
        """Settings, prompts and counts."""
        return self._beside("set.json")

    @property
    def dropped(self) -> Path:
        """The questions that were dropped, with the reason in their findings."""
        return self._beside("dropped.jsonl")

    @property
    def attempts(self) -> Path:
        """The attempts, in the order of their ends."""
        return self._beside("attempts.jsonl")

    def dataset(self) -> dict[str, str]:
        """Returns the `dataset:` of an experiment that asks these questions."""
        given = {"kind": "jsonl", "path": str(self.questions.parent)}
        if self._prefix:
            given |= {"documents": self.documents.name, "questions": self.questions.name}
        return given

    def _beside(self, name: str) -> Path:
        return self.questions.with_name(self._prefix + name)

    @property
    def _prefix(self) -> str:
        stem = self.questions.name.removesuffix(_ENDING)
        return "" if stem == "questions" else f"{stem}."

    def refuse_others(self) -> None:
        """Raises `ConfigError` where writing would replace files of another origin, or a person's review.

        Raises `DatasetError` where the file of questions holds others than generated ones.
        """
        others = [one for one in (self.questions, self.documents, self.dropped) if one.exists()]
        if others and not (self.facts.exists() or self.attempts.exists()):
            raise ConfigError(
                f"{', '.join(map(str, others))}: there already, and not of a set of generated questions. Choose "
                "another place: --out FILE.jsonl."
            )
        reviewed = sum(bool(item.review) for item in read_questions(self.questions)) if self.questions.exists() else 0
        if reviewed:
            raise ConfigError(
                f"{self.questions}: {reviewed} of its questions were reviewed, and a new run would undo that. Choose "
                "another --out."
            )

    def write_documents(self, documents: Iterable[Document]) -> None:
        """Writes the documents, in the form that the `jsonl` data set reads."""
        rows = [
            {
                "doc_id": one.id,
                "text": one.text,
                **({"title": one.title} if one.title else {}),
                **({"meta": dict(one.metadata)} if one.metadata else {}),
            }
            for one in documents
        ]
        _write_lines(self.documents, rows)

    def write_facts(self, facts: Mapping[str, Any]) -> None:
        """Writes how the set was made."""
        _write(self.facts, json.dumps(dict(facts), indent=1, ensure_ascii=False) + "\n")

    def read_facts(self) -> dict[str, Any]:
        """Returns how the set was made. Raises `DatasetError`."""
        try:
            found = parse_json(self.facts.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DatasetError(f"{self.facts}: cannot be read: {error}") from error
        if not isinstance(found, dict):
            raise DatasetError(f"{self.facts}: must hold a JSON object.")
        return found


def write_questions(path: Path, items: Sequence[GeneratedQuestion]) -> None:
    """Writes questions as a whole file: readers see the old file or the new one."""
    _write_lines(path, [to_json(item) for item in items])


def read_questions(path: Path) -> list[GeneratedQuestion]:
    """Returns the generated questions of a file. Raises `DatasetError` that lists every line that is none."""
    problems = Problems(path)
    found = []
    for row in rows_of(path, problems):
        try:
            found.append(from_json(row.values))
        except DatasetError as error:
            row.complain(f"{error}.")
    problems.raise_any()
    return found


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    _write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, joined(text).encode())
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error
