"""The result of reading a file: its text, and an account of all content that is not in the text."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ragvlc.documents.encodings import Encoding

__all__ = ["Found", "Heading", "Read", "Settings", "Unreadable", "lost_characters", "visible"]

Heading = tuple[int, int, int]
"""First character, one past the last, level from 1."""


class Unreadable(Exception):
    """The error raised if no text can be read from a file; its message is the reason."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings for reading a file.

    Attributes:
        encoding: of characters in text, Markdown, CSV and HTML; found by evidence if empty.
        boilerplate: whether navigation, page headers and footers, and sidebars of HTML pages belong to the text.
    """

    encoding: str = ""
    boilerplate: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """The text that was read from a file, and an account of the content that is not in it.

    Attributes:
        text: of the whole file; may be blank.
        title: as the file states it, or empty.
        headings: their places in the text.
        encoding: of the bytes, where the reader had to choose one.
        facts: for the document's metadata.
        held: visible characters by kind, counted in a second way, without what was left out on purpose; None where
            there is no second way, and the text is the measure.
        broken: characters in the text that stand for ones that could not be read.
        pages: of a PDF or a presentation.
        scans: pages that are pictures without text.
        cells: of a spreadsheet that hold something.
        blank_cells: cells whose formula was never computed, so that nobody knows their value.
        images: pictures whose content is not text.
        left_out: visible characters (or things, such as attachments) left out on purpose, by what they are.
    """

    text: str
    title: str = ""
    headings: tuple[Heading, ...] = ()
    encoding: Encoding | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    held: Mapping[str, int] | None = None
    broken: int = 0
    pages: int = 0
    scans: int = 0
    cells: int = 0
    blank_cells: int = 0
    images: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)

    def metadata(self) -> dict[str, Any]:
        """Returns metadata of the document: the facts that the reader found, and the headings if there are any."""
        structure = {"headings": [list(one) for one in self.headings]} if self.headings else {}
        return {**self.facts, **structure}


Read = Callable[[str, bytes], Found | None]
"""Reads a file within a file by its name and bytes; None for a kind that is not read."""


def visible(text: str) -> Counter[str]:
    """Returns the count of each visible character, with ligatures and other compatibility forms decomposed."""
    counted = Counter(unicodedata.normalize("NFKC", text))
    return Counter({one: count for one, count in counted.items() if one.isprintable() and not one.isspace()})


def lost_characters(held: Mapping[str, int], text: str) -> int:
    """Returns how many characters of `held` the text lacks; characters added by a reader do not offset them."""
    read = visible(text)
    return sum(max(0, count - read[one]) for one, count in held.items())
