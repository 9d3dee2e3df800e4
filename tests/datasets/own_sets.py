"""Data sets as a user might write them, right and wrong, with public names only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ragvlc.core.component import FilePath
from ragvlc.core.data import Document, Example, Query
from ragvlc.families import Dataset, Examples

NOTES = [Document(f"note {n}", f"Fact number {n} is about boats and harbours.", f"Note {n}") for n in range(6)]
IN_GROUPS = [replace(note, metadata={"group": n % 2}) for n, note in enumerate(NOTES)]
READS: list[str] = []


def asked(number: int, note: Document) -> Example:
    return Example(Query(f"q{number}", f"What is fact {number}?"), (note,), (f"fact {number}",), cluster=note.id)


class Notes(Dataset):
    """Two questions a note, over one note each."""

    def read(self) -> Sequence[Example]:
        """Returns the questions."""
        READS.append(self.kind)
        return Examples([asked(n, NOTES[n % 6]) for n in range(12)], {"left out": 2})


class Grouped(Notes):
    """Notes in two groups, and one that no question is about."""

    def collection(self) -> Sequence[Document]:
        """Returns the notes."""
        return [*IN_GROUPS, Document("nobody's", "Nobody asks about this.", metadata={"group": 0})]

    def read(self) -> Sequence[Example]:
        """Returns the questions, of one group each."""
        return [asked(n, note) for n, note in enumerate(IN_GROUPS)]


class Twice(Notes):
    """Has ids twice."""

    def read(self) -> Sequence[Example]:
        """Returns the questions."""
        return [*super().read(), asked(3, NOTES[0]), asked(5, NOTES[5])]


class TwoForms(Notes):
    """Has a document in two forms under one id."""

    def read(self) -> Sequence[Example]:
        """Returns the questions."""
        return [asked(0, NOTES[0]), asked(1, replace(NOTES[0], text="Another text."))]


class Lazy(Notes):
    """Yields its questions."""

    def read(self) -> Iterator[Example]:
        """Yields the questions."""
        yield from super().read()


class Rows(Notes):
    """Returns rows in place of examples."""

    def read(self) -> Any:
        """Returns rows."""
        return [*super().read(), {"question": "What?"}]


class Lines(Dataset):
    """Reads a JSON file.

    Attributes:
        path: the file.
    """

    path: FilePath

    def read(self) -> Sequence[Example]:
        """Returns a question for each line."""
        rows = json.loads(Path(self.path).read_text(encoding="utf-8"))
        return [asked(row["number"], NOTES[0]) for row in rows]


class NoCollection(Notes):
    """Fails where all documents are asked for."""

    def collection(self) -> Sequence[Document]:
        """Raises."""
        raise LookupError("the archive is closed")
