"""One set under review: its files are read, the page and the table written, decisions applied or compared."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from ragvlc.core.data import Document
from ragvlc.core.errors import ConfigError, DatasetError, nearest
from ragvlc.documents.jsonl import documents_of
from ragvlc.pool import EnginePool
from ragvlc.questions.files import SetFiles, read_questions, write_questions
from ragvlc.questions.item import GeneratedQuestion
from ragvlc.questions.review.agreement import Agreement, agreement
from ragvlc.questions.review.applying import Applied, applied, refuse_other_set
from ragvlc.questions.review.checking import EditCheck
from ragvlc.questions.review.page import review_page, write_page
from ragvlc.questions.review.sheet import read_sheet, sheet_rows, write_sheet

__all__ = ["Review"]


@dataclass(frozen=True)
class Review:
    """A set under review.

    Attributes:
        files: of the set.
        items: its questions, rejected ones too.
        digest: hash of the file of questions as it was read.
    """

    files: SetFiles
    items: tuple[GeneratedQuestion, ...]
    digest: str

    @classmethod
    def of(cls, path: str | Path) -> Review:
        """Returns the review of the set at a path: its file of questions, or its folder.

        Raises:
            ConfigError, DatasetError: there is no such set, or it cannot be read.
        """
        files = SetFiles.at(path)
        if not files.questions.is_file():
            around = [one.name for one in files.questions.parent.glob("*.jsonl")]
            raise ConfigError(f"{files.questions}: no such file.{nearest(files.questions.name, around)}")
        digest = _digest(files.questions)
        items = tuple(read_questions(files.questions))
        if not items:
            raise DatasetError(f"{files.questions}: holds no question.")
        ids = [item.id for item in items]
        if twice := sorted({name for name in ids if ids.count(name) > 1}):
            raise DatasetError(f"{files.questions}: {', '.join(twice[:5])} is there twice.")
        return cls(files, items, digest)

    @cached_property
    def documents(self) -> dict[str, Document]:
        """The documents of the set, by id. Raises `DatasetError` where they do not fit the questions."""
        if not self.files.documents.is_file():
            raise DatasetError(f"{self.files.documents}: no such file; it holds the documents of the questions.")
        found = dict(documents_of(self.files.documents).by_id)
        for item in self.items:
            spans = (*(one.span for one in item.evidence), *item.passages)
            if missing := {*item.documents, *(span.document_id for span in spans)} - found.keys():
                raise DatasetError(f"{self.files.questions}: {item.id}: no document '{min(missing)}' in the set.")
            for one in item.evidence:
                if found[one.span.document_id].text[one.span.start : one.span.end] != one.text:
                    raise DatasetError(
                        f"{self.files.questions}: {item.id}: its evidence is not at its place in "
                        f"'{one.span.document_id}': the documents were changed."
                    )
        return found

    def write(self, out: str | Path | None = None) -> tuple[Path, Path]:
        """Writes the page and the table; returns their paths, beside the set by default.

        Raises:
            StoreError: a file cannot be written.
        """
        stem = self.files.questions.name.removesuffix(".jsonl")
        page = self.files.questions.with_name(f"{stem}.review.html") if out is None else Path(out).expanduser()
        page = page if page.suffix == ".html" else page / f"{stem}.review.html"
        table = page.with_suffix(".csv")
        write_page(page, review_page(self.items, self.documents, stem))
        write_sheet(table, sheet_rows(self.items))
        return page, table

    def apply(
        self,
        source: str | Path,
        *,
        reviewer: str = "",
        model: Mapping[str, Any] | None = None,
        without: Sequence[str] = (),
    ) -> Applied:
        """Applies the decisions of a file and writes the set as a whole file.

        Args:
            source: a table or JSON file of decisions.
            reviewer: who decided, where the file does not say.
            model: generator that examines edited questions; None marks what it would judge.
            without: filters that edited questions are not examined by.

        Raises:
            ConfigError: a decision cannot be applied; then none is.
        """
        sheet = read_sheet(Path(source).expanduser())
        date = datetime.now(UTC).isoformat(timespec="seconds")
        with EnginePool() as pool:
            check = EditCheck(self.files, self.documents, pool, model, tuple(without))
            if model is not None or without:
                check.refuse_unknown()
            done = applied(self.items, sheet, check, reviewer=reviewer, date=date, source=str(source))
        if done.items == self.items:
            return done
        if _digest(self.files.questions) != self.digest:
            raise ConfigError(f"{self.files.questions}: was changed meanwhile. Run the same command again.")
        write_questions(self.files.questions, done.items)
        return done

    def compare(self, first: str | Path, second: str | Path) -> Agreement:
        """Returns the agreement of the decisions in two files.

        Raises:
            ConfigError: a file is of another set, or they have no question in common.
        """
        sheets = [read_sheet(Path(one).expanduser()) for one in (first, second)]
        for name, sheet in zip((first, second), sheets, strict=True):
            refuse_other_set(self.items, sheet, str(name))
        found = agreement(sheets[0].decisions, sheets[1].decisions)
        if not found.both:
            raise ConfigError(f"{first} and {second}: no question is decided in both.")
        return found


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
