"""A balance sheet for every file: what the file holds, how much of it was read, and why the rest was not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ragvlc.documents.encodings import Encoding
from ragvlc.documents.formats.found import Found, lost_characters, visible

__all__ = ["ALLOWED", "Balance", "as_rows", "balanced", "refusal"]

ALLOWED = 0.01
"""Share of a file's text that may be missing before a run refuses it, unless its data set says otherwise."""
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Balance:
    """The content of one file compared with the text that was read from it.

    Attributes:
        file: its path in the folder, or its name.
        kind: of file; its ending where that is of no kind that is read.
        characters: visible ones that it holds: by a second way of counting where there is one, else those read.
        lost: characters that it holds and the text lacks, or that could not be made out.
        pages: of a PDF or a presentation.
        scans: pages that are pictures without text.
        cells: of a spreadsheet that hold a value.
        blank_cells: formulas of a spreadsheet whose value was never computed.
        images: pictures whose content is not text.
        left_out: characters or things left out on purpose, by what they are.
        encoding: of its characters, where that was no matter of course.
        problem: why nothing of it was read; empty if it was.
    """

    file: str
    kind: str
    characters: int = 0
    lost: int = 0
    pages: int = 0
    scans: int = 0
    cells: int = 0
    blank_cells: int = 0
    images: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    encoding: Encoding | None = None
    problem: str = ""

    @property
    def loss(self) -> float:
        """The share of the file's content that was not read: of characters, pages or cells, whichever is largest."""
        if self.problem:
            return 1.0
        pairs = (
            (self.lost, self.characters),
            (self.scans, self.pages),
            (self.blank_cells, self.cells + self.blank_cells),
        )
        return max(part / whole if whole else 0.0 for part, whole in pairs)

    @property
    def notable(self) -> bool:
        """Whether the balance sheet reports a loss, pictures, omitted content or a guessed encoding."""
        pictures = self.images and self.kind != "html"  # those of web pages are mostly decoration
        return bool(self.loss or pictures or self.left_out or (self.encoding and self.encoding.guessed))

    def losses(self) -> str:
        """Returns one sentence about the content that was lost; empty if nothing was lost."""
        if self.problem:
            return f"{self.file}: {self.problem}."
        parts = []
        if self.lost:
            share = self.lost / self.characters if self.characters else 1.0
            parts.append(f"{self.lost:,} of {self.characters:,} characters are missing ({share:.1%})")
        if self.scans:
            parts.append(f"{self.scans} of {self.pages} pages are pictures without text (scans need OCR)")
        if self.blank_cells:
            parts.append(
                f"{self.blank_cells:,} of {self.cells + self.blank_cells:,} cells are formulas without a stored value "
                "(open and save it in a spreadsheet program)"
            )
        return f"{self.file}: {', '.join(parts)}." if parts else ""

    def record(self) -> dict[str, Any]:
        """Returns the balance sheet as JSON values, without zeros."""
        figures = {
            name: getattr(self, name) for name in ("characters", "lost", "pages", "scans", "cells", "blank_cells")
        }
        figures |= {"images": self.images, "left_out": dict(self.left_out), "problem": self.problem}
        guessed = self.encoding if self.encoding and self.encoding.guessed else None
        said = self.losses() or (f"{self.file}: {guessed.sentence()}." if guessed else "")
        figures |= {"encoding": guessed.name if guessed else "", "said": said}
        return {"file": self.file, "kind": self.kind, **{name: one for name, one in figures.items() if one}}


def balanced(file: str, kind: str, found: Found) -> Balance:
    """Returns how much of a file's content is in the text that was read from it."""
    held = sum((found.held if found.held is not None else visible(found.text)).values())
    lost = lost_characters(found.held, found.text) if found.held is not None else 0
    encoding = found.encoding if found.encoding and (found.encoding.guessed or found.encoding.broken) else None
    return Balance(
        file,
        kind,
        characters=max(held, found.broken),
        lost=lost + found.broken,
        pages=found.pages,
        scans=found.scans,
        cells=found.cells,
        blank_cells=found.blank_cells,
        images=found.images,
        left_out=found.left_out,
        encoding=encoding,
    )


def refusal(where: str, sheets: Iterable[Balance], allowed: float, *, without_unread: bool, remedy: str = "") -> str:
    """Returns an error message about files from which too much text was lost; empty if all are acceptable.

    Args:
        where: they lie.
        sheets: of the files.
        allowed: share of a file's text that may be missing.
        without_unread: whether files of which nothing was read may be left out.
        remedy: what to do; by default, settings of the data set.
    """
    wrong = [one for one in sheets if one.loss > allowed and not (one.problem and without_unread)]
    if not wrong:
        return ""
    lines = [one.losses() for one in wrong]
    more = [f"... and {len(lines) - _SHOWN} more."] if len(lines) > _SHOWN else []
    count = "1 file is" if len(wrong) == 1 else f"{len(wrong)} files are"
    said = "\n  ".join([f"{where}: {count} not read in full", *lines[:_SHOWN], *more])
    return f"{said}\n{remedy or _remedies(wrong)}"


def _remedies(wrong: Sequence[Balance]) -> str:
    unread = [one for one in wrong if one.problem]
    partly = [one.loss for one in wrong if not one.problem]
    names = ", ".join(f'"{one.file}"' for one in wrong[:3])
    ways = [f"`exclude: [{names}{', ...' if len(wrong) > 3 else ''}]` leaves files out by name or pattern"]
    if unread:
        ways.append("`unreadable: skip` goes on without files of which nothing was read")
    if partly:
        share = min(1.0, math.ceil(max(partly) * 100 + 1e-9) / 100)
        ways.append(f"`allow_loss: {share:g}` accepts what is missing{' in the others' if unread else ''}")
    return f"Mend the files, or say in the data set what is right: {'; '.join(ways)}."


def as_rows(balances: Sequence[Balance], most: int) -> tuple[list[str], list[list[str]]]:
    """Returns the headings and rows of a table of files, largest loss first, without columns of zeros."""
    figures = {
        "characters": [one.characters for one in balances],
        "missing": [one.lost for one in balances],
        "pages": [one.pages for one in balances],
        "scans": [one.scans for one in balances],
        "cells": [one.cells for one in balances],
        "without value": [one.blank_cells for one in balances],
        "pictures": [one.images for one in balances],
    }
    used = {head: column for head, column in figures.items() if any(column)}
    places = [place for place, one in enumerate(balances) if one.notable]
    places.sort(key=lambda n: (-balances[n].loss, -sum(balances[n].left_out.values()), balances[n].file))
    rows = []
    for place in places[:most]:
        one = balances[place]
        shown = [f"{column[place]:,}" if column[place] else "-" for column in used.values()]
        said = (
            "not read" if one.problem else ", ".join(f"{reason}: {count:,}" for reason, count in one.left_out.items())
        )
        rows.append([one.file, one.kind, *shown, said])
    if len(places) > most:
        rows.append([f"... and {len(places) - most} more files", *[""] * (len(used) + 2)])
    if len(balances) > 1:
        rows.append([f"all {len(balances)} files", "", *(f"{sum(column):,}" for column in used.values()), ""])
    return ["file", "kind", *used, "left out"], rows
