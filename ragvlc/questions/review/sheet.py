"""The table of a review: written so that a spreadsheet computes nothing of it, and read again with its decisions.

One row a question: id, decision, question, answer, evidence, reviewer, note, kind, marks, reviewed (an earlier
decision), version, set. Several answers or quotes in one cell have ` || ` between them; JSON has lists. A cell that a
spreadsheet would take for a formula begins with an apostrophe, which is taken off when it is read.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragvlc.core.errors import ConfigError, StoreError, nearest
from ragvlc.core.surrogates import joined
from ragvlc.documents.json_lines import Problems
from ragvlc.documents.tables.cells import number_text
from ragvlc.documents.tables.files import RawTable, read_table
from ragvlc.memo.disk import write_whole
from ragvlc.questions.item import GeneratedQuestion
from ragvlc.questions.review.decision import DONE, WORDS, ReviewDecision, Word, reviewed_words, set_of, version_of

__all__ = ["COLUMNS", "SEPARATOR", "Sheet", "plain", "read_sheet", "same", "sheet_rows", "shielded", "write_sheet"]

COLUMNS = (
    *("id", "decision", "question", "answer", "evidence", "reviewer", "note"),
    *("kind", "marks", "reviewed", "version", "set"),
)
SEPARATOR = " || "
_FORMULA = re.compile(r"[\t\r\n]|\s*[=+\-@'＝＋－＠]")
_WORDS: dict[str, Word] = {form: word for word in WORDS for form in (word, DONE[word])}


@dataclass(frozen=True, slots=True)
class Sheet:
    """The decisions in one file.

    Attributes:
        decisions: in the order of the file.
        set: hash of the set that the file was made for; empty if it does not say.
        undecided: rows without a decision, read as if they said edit.
        notes: a sentence each about how the file was read.
    """

    decisions: tuple[ReviewDecision, ...]
    set: str
    undecided: tuple[ReviewDecision, ...]
    notes: tuple[str, ...] = ()


def shielded(cell: str) -> str:
    """Returns a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def plain(cell: str) -> str:
    """Returns a cell without the apostrophe of `shielded`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell


def same(one: str, other: str) -> bool:
    """Returns whether two cells say the same: programs change spaces and line ends."""
    return one.split() == other.split()


def sheet_rows(items: Sequence[GeneratedQuestion]) -> list[dict[str, str]]:
    """Returns the rows of a table for a review, without shields."""
    name = set_of(items)
    return [
        {
            "id": item.id,
            "decision": "",
            "question": item.question,
            "answer": SEPARATOR.join(item.answers),
            "evidence": SEPARATOR.join(one.text for one in item.evidence),
            "reviewer": "",
            "note": "",
            "kind": item.kind,
            "marks": ", ".join(item.marked),
            "reviewed": reviewed_words(item),
            "version": version_of(item),
            "set": name,
        }
        for item in items
    ]


def write_sheet(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Writes the table as CSV in UTF-8 with a mark that spreadsheets know. Raises `StoreError`."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    writer.writerows([shielded(row.get(name, "")) for name in COLUMNS] for row in rows)
    try:
        write_whole(path, joined(text.getvalue()).encode("utf-8-sig"))
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error


def read_sheet(path: Path) -> Sheet:
    """Returns the decisions in a CSV, TSV, Excel or JSON file.

    Raises:
        ConfigError: with every problem found.
        DatasetError: the file cannot be read.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file.{nearest(path.name, [one.name for one in path.parent.glob('*')])}")
    problems = Problems(path)
    table = read_table(path, problems, lambda name: name.strip().casefold() in COLUMNS)
    unshield = plain if path.suffix.lower() != ".json" else str
    table.rows = [
        (line, {_head(name): unshield(value) if isinstance(value, str) else value for name, value in values.items()})
        for line, values in table.rows
    ]
    missing = {"id", "decision"} - {_head(name) for name in table.names}
    if table.rows and missing:
        raise ConfigError(
            f"{path}: has no column {' and no column '.join(sorted(missing))}. Columns of a review: "
            f"{', '.join(COLUMNS)}."
        )
    found, undecided, faults = _decisions(table)
    sets = {_text(values, "set") for _, values in table.rows} - {""}
    if len(sets) > 1:
        faults.append(f"its rows are of {len(sets)} different sets: apply each file to its own.")
    faults = [*problems.sentences, *faults, *_doubles(found)]
    if faults:
        raise ConfigError([f"{path}: {one}" for one in faults])
    return Sheet(tuple(found), next(iter(sets), ""), tuple(undecided), tuple(table.notes))


def _head(name: str) -> str:
    return name.strip().casefold()


def _decisions(table: RawTable) -> tuple[list[ReviewDecision], list[ReviewDecision], list[str]]:
    """Returns the decisions of a table, the rows without one, and a sentence for each row that cannot be read."""
    found: list[ReviewDecision] = []
    undecided: list[ReviewDecision] = []
    faults = []
    for line, values in table.rows:
        place, word = f"{table.unit} {line}", _text(values, "decision").strip().casefold()
        if word and word not in _WORDS:
            faults.append(
                f"{place}: '{word}' is no decision. Known: {', '.join(WORDS)}, or an empty cell.{nearest(word, WORDS)}"
            )
            continue
        one = ReviewDecision(
            id=_text(values, "id").strip(),
            word=_WORDS[word] if word else "edit",
            question=_text(values, "question") if "question" in values else None,
            answers=_parts(values, "answer"),
            evidence=_parts(values, "evidence"),
            reviewer=_text(values, "reviewer").strip(),
            note=_text(values, "note").strip(),
            version=_text(values, "version").strip(),
            place=place,
        )
        if one.id:
            (found if word else undecided).append(one)
        else:
            faults.append(f"{place}: has no id.")
    return found, undecided, faults


def _doubles(decisions: Iterable[ReviewDecision]) -> list[str]:
    places: dict[str, list[str]] = {}
    for one in decisions:
        places.setdefault(one.id, []).append(f"{one.word} in {one.place}")
    return [f"{name} has {len(told)} decisions: {', '.join(told)}." for name, told in places.items() if len(told) > 1]


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if value is None:
        return ""
    return value if isinstance(value, str) else number_text(value)


def _parts(values: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    if name not in values:
        return None
    value = values[name]
    parts = list(map(str, value)) if isinstance(value, list) else _text(values, name).split(SEPARATOR.strip())
    return tuple(part.strip() for part in parts if part.strip())
