"""Conversion of table rows with a user's own column names to rows of the schema of JSON Lines sets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ragvlc.core.data import Document
from ragvlc.core.errors import DatasetError, nearest
from ragvlc.documents.json_lines import Problems, Row
from ragvlc.documents.tables.account import Account, columns_read
from ragvlc.documents.tables.cells import Cells, is_blank, is_nothing, number_text, says_nan, says_none
from ragvlc.documents.tables.columns import TAGS, Assigned, assigned, compact, field_of, is_known, likely_answers, slip
from ragvlc.documents.tables.files import RawTable, heads_of, read_table
from ragvlc.documents.tables.indexes import Indexes
from ragvlc.documents.tables.naming import Names
from ragvlc.documents.tables.values import (
    evidence_in,
    expected_by_promptfoo,
    object_in,
    question_in,
    rough_texts,
    said_yes,
    unwrap,
)

__all__ = ["TEMPLATE", "Questions", "TableSettings", "question_rows", "tables_among"]

TEMPLATE = "WRITE HERE"
"""How cells of a template begin that nobody has edited yet."""
_MARKS = ("|", ";", ",", "\n")


@dataclass(frozen=True, slots=True)
class TableSettings:
    """What a data set's settings say about its table of questions.

    Attributes:
        columns: names of columns, by what they hold.
        separator: between several texts of one cell; empty: none.
        answer_index_from: the index of the first option, 0 or 1.
    """

    columns: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    separator: str = ""
    answer_index_from: int = 0


@dataclass
class Questions:
    """The rows of a table of questions in the schema, with an account of how they were read.

    Attributes:
        rows: of the schema.
        notes: a sentence each; one for every column.
        skipped: rows left out, by reason.
    """

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


def question_rows(
    file: Path, documents: Mapping[str, Document], problems: Problems, settings: TableSettings = TableSettings()
) -> Questions:
    """Returns the rows of a table of questions, converted to the schema; evidence is located by its text.

    Columns whose names say nothing become tags, and one that looks like a slip of a known name is a problem. Raises
    `DatasetError` if the table as a whole cannot be understood.
    """
    table = read_table(file, problems, is_known)
    if not table.names:
        return Questions()
    unwrap(table)
    names = Names(documents)
    reading = _Reading(file, _assigned(file, table, names, settings, problems), names, documents, settings)
    reading.settle(table)
    found = Questions()
    for line, values in table.rows:
        row = reading.converted(Row(values, line, problems))
        if row is not None:
            found.rows.append(row)
    if table.rows and not found.rows and not problems.sentences:
        problems.add(
            f"none of its {len(table.rows)} rows has a question in '{reading.assigned.columns['question'][0]}'."
        )
    if lines := reading.account.without.get("question"):
        found.skipped["row without a question"] = len(lines)
    if "documents" not in reading.assigned.columns:
        reading.account.settled += _naming_tags(table, reading.assigned, names)
    notes = reading.notes(found.rows, sound=not problems.sentences)
    found.notes = [*table.notes, *columns_read(table, reading.assigned), *notes]
    return found


def tables_among(documents: Mapping[str, Document]) -> list[str]:
    """Returns a sentence for each document that looks like a table of questions, which would hold their answers."""
    found = []
    for name, document in documents.items():
        if name.lower().endswith((".csv", ".tsv")):
            heads = heads_of(document.text, is_known)
            if {"question", "answers"} <= {field_of(one) for one in heads}:
                found.append(
                    f"{name} is read as a document, and looks like a table of questions and answers. If it is no "
                    f'document, set `exclude: ["{name}"]`.'
                )
    return found


def _assigned(file: Path, table: RawTable, names: Names, settings: TableSettings, problems: Problems) -> Assigned:
    """Returns what each column holds. Raises `DatasetError` if there is no question, or two columns claim the same."""
    rows = table.rows
    filled: dict[str, list[int]] = {}
    for place, (_, values) in enumerate(rows):
        for name in (name for name, value in values.items() if not is_nothing(value)):
            filled.setdefault(name, []).append(place)
    naming = {
        name
        for name in table.names
        if field_of(name) == "documents"
        and any(_names_any(row.get(name), names, settings.separator) for _, row in rows)
    }
    try:
        found = assigned(table.names, settings.columns, {name: frozenset(own) for name, own in filled.items()}, naming)
    except DatasetError as error:
        raise DatasetError(f"{file}: {error}") from None
    if "question" not in found.columns:
        where = "the head line has" if file.suffix.lower() in (".csv", ".tsv") else "there is"
        raise DatasetError(
            f"{file}: {where} no column 'question': {', '.join(table.names)}.{nearest('question', table.names)} Rename "
            'the column, or set `columns: {question: "ITS NAME"}`.'
        )
    for name in found.tags:
        if name not in found.declared_tags and not is_known(name) and (hint := slip(name)):
            line = next((line for line, values in rows if name in values), None)
            problems.add(
                f"'{name}' is no known column.{hint} Rename it, or set "
                f"`columns: {{tags: [{json.dumps(name, ensure_ascii=False)}]}}` if it is a tag.",
                line,
            )
    return found


def _are_whole(values: Iterable[object], least: int) -> bool:
    """Returns whether a column holds nothing but numbers that end in ".0", at least so many."""
    texts = [str(one).strip() for one in values if not is_nothing(one)]
    return len(texts) >= least and all(one.endswith(".0") and one[:-2].removeprefix("-").isdigit() for one in texts)


def _naming_tags(table: RawTable, found: Assigned, names: Names) -> list[str]:
    """Returns a sentence for each tag, undeclared, of which every cell names a document."""
    cells = {
        name: [values[name] for _, values in table.rows if not is_nothing(values.get(name))]
        for name in found.tags
        if name not in found.declared_tags
    }
    return [
        f"'{name}' is only a tag, and its cells name documents: every question is asked over all. If they say which "
        f"ones, set `columns: {{documents: {json.dumps(name, ensure_ascii=False)}}}`."
        for name, texts in cells.items()
        if texts and all(isinstance(one, str) and names.names_one(one) for one in texts)
    ]


def _names_any(value: object, names: Names, separator: str) -> bool:
    """Returns whether a cell names a document, alone or beside others."""
    texts = [str(one) for one in rough_texts(value, separator)]
    parts = [part.strip() for text in texts for mark in _MARKS for part in text.split(mark)]
    return any(names.names_one(one) for one in (*texts, *parts) if one)


class _Reading:
    """Converts the rows of one table and keeps account.

    Attributes:
        assigned: what each column holds.
        account: of what was found.
    """

    def __init__(
        self, file: Path, found: Assigned, names: Names, documents: Mapping[str, Document], settings: TableSettings
    ) -> None:
        self._file, self._documents, self._names = file, documents, names
        self.assigned = found
        self.account = Account("line", Cells(settings.separator))
        self._indexes = Indexes(settings.answer_index_from, self._column("answer_index"))
        self._whole: set[str] = set()

    def settle(self, table: RawTable) -> None:
        """Decides what needs whole columns: ids that became floats, and answers that are numbers of options."""
        self.account.unit = table.unit
        self._whole = {
            name
            for held in ("id", "answers")
            for name in self.assigned.columns.get(held, ())
            if _are_whole([values.get(name) for _, values in table.rows], least=1 if held == "id" else 2)
        }
        self.account.settled += [
            f"'{name}': numbers with a decimal point, read as whole numbers." for name in self._whole
        ]
        answers = self._column("answers")
        if not answers or "choices" not in self.assigned.columns or "answer_index" in self.assigned.columns:
            return
        quiet = Cells(self.account.cells.separator)
        given = []
        for line, values in table.rows:
            if not is_nothing(values.get(answers)):
                options = self._texts(Row(values, line, Problems(self._file)), "choices", quiet)
                given.append((number_text(values[answers]).strip().removesuffix(".0"), options))
        if given and all(one.isdigit() for one, _ in given) and any(one not in options for one, options in given):
            self.assigned.columns["answer_index"] = self.assigned.columns.pop("answers")
            self._indexes = Indexes(self._indexes.start, answers)

    def converted(self, row: Row) -> Row | None:
        """Returns a row of the schema; None, and a count, for one without a question."""
        for name, value in row.values.items():
            self.account.nan[name] += says_nan(value) or (isinstance(value, float) and is_blank(value))
        question = question_in(row, self._column("question", row), self.account.cells)
        if not question:
            if row.sound:
                self.account.lacks("question", row.line)
            return None
        answers, choices, named, quoted = (
            self._texts(row, held, self.account.cells) for held in ("answers", "choices", "documents", "evidence")
        )
        if any(str(one).strip().startswith(TEMPLATE) for one in (question, *answers)):
            row.complain(
                "is a row of the template that was not edited. Write your own question and answer in its place, or "
                "delete the row."
            )
        given: dict[str, Any] = {"question": question, "question_id": self._id(row), "meta": self._meta(row)}
        if choices:
            given["choices"] = choices
            answers = [self._indexes.letter(str(one), choices) for one in answers]
            self._check_options(row, choices)
        given |= self._flags(row)
        given |= self._right(row, answers, len(choices))
        if named:
            given["doc_ids"] = self._doc_ids(row, [str(one) for one in named])
        elif "documents" in self.assigned.columns:
            self.account.lacks("documents", row.line)
        if quoted:
            asked = [self._documents[one] for one in given.get("doc_ids", self._documents) if one in self._documents]
            given["evidence"] = evidence_in(quoted, asked)
        if not given.keys() & {"answers", "answer_index"} and not given.get("unanswerable"):
            self.account.lacks("answers", row.line)
        self.account.asked[" ".join(question.split()).casefold(), tuple(given.get("doc_ids", ()))] += 1
        return row.remade(given)

    def notes(self, rows: Sequence[Row], *, sound: bool) -> list[str]:
        """Returns what a user should know. Raises `DatasetError` if answers or their numbers cannot be right."""
        if wrong := self._indexes.objection():
            raise DatasetError(f"{self._file}: {wrong}")
        answered = len(self.account.without.get("answers", ())) < len(rows)
        likely = likely_answers([one for one in self.assigned.tags if one not in self.assigned.declared_tags])
        if rows and sound and not answered and likely:
            raise DatasetError(
                f"{self._file}: no question has an answer, and the column '{likely}' is only a tag. If it holds the "
                f'answers, set `columns: {{answers: "{likely}"}}`; if not, `columns: {{tags: ["{likely}"]}}`.'
            )
        return [*self._indexes.notes(), *self.account.notes(rows, self._names.loosely, answered=answered)]

    def _column(self, held: str, row: Row | None = None) -> str:
        """Returns the column that holds something; of several, the one in which the row has a value."""
        names = self.assigned.columns.get(held, ())
        filled = [name for name in names if row is not None and not is_nothing(row.values.get(name))]
        return next(iter((*filled, *names)), "")

    def _texts(self, row: Row, held: str, cells: Cells) -> list[Any]:
        names = [name for name in self.assigned.columns.get(held, ()) if not is_nothing(row.values.get(name))]
        if held != "answers":
            silent = [name for name in names if says_none(row.values[name])]
            self.account.nan.update(silent)
            names = [name for name in names if name not in silent]
        found: list[Any] = []
        for name in names:
            items = cells.items(row, name, row.values[name], held)
            if held == "answers" and name.startswith("__expected"):
                answers = [answer for one in items for answer in expected_by_promptfoo(str(one))]
                cells.rules[name] += bool(items and not answers)
                items = answers
            found += [str(one).removesuffix(".0") for one in items] if name in self._whole else items
        return found

    def _id(self, row: Row) -> str:
        name = self._column("id", row)
        value = row.values.get(name)
        if is_nothing(value):
            return f"q{row.line}"
        return str(value).strip().removesuffix(".0") if name in self._whole else str(value)

    def _check_options(self, row: Row, choices: Sequence[Any]) -> None:
        if len(choices) == 1:
            mark = next((one for one in _MARKS if one in str(choices[0])), "")
            hint = f" If it holds several, set `separator: {json.dumps(mark)}`." if mark else ""
            row.complain(f"'{self._column('choices')}' gives one option only: {choices[0]!r}.{hint}")

    def _right(self, row: Row, answers: Sequence[Any], choices: int) -> dict[str, Any]:
        """Returns the answers, and the index of the right option where a column names it by number or letter."""
        value = row.values.get(self._column("answer_index", row))
        if isinstance(value, (list, tuple)) and len(value) == 1:
            value = value[0]
        place = None if is_nothing(value) else self._indexes.place(row, value, choices)
        if place is not None:
            return {"answer_index": place, **({"answers": list(answers)} if answers else {})}
        if not answers and not is_nothing(value) and row.sound:
            answers = [str(value)]  # the text of the right option
        return {"answers": [str(one) for one in answers]} if answers else {}

    def _flags(self, row: Row) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for held in ("unanswerable", "answerable", "answer_mode", "task"):
            value = row.values.get(self._column(held, row))
            if is_nothing(value):
                continue
            said = said_yes(value)
            if held == "answerable":
                found.setdefault("unanswerable", not said if isinstance(said, bool) else said)
            else:
                found[held] = said if held == "unanswerable" else value
        return found

    def _doc_ids(self, row: Row, names: Sequence[str]) -> list[str]:
        found = [self._names.find(one) for one in names]
        for given in (name for name, one in zip(names, found, strict=True) if one not in self._documents):
            for mark in _MARKS:
                parts = [part.strip() for part in given.split(mark) if part.strip()]
                if len(parts) > 1 and all(map(self._names.names_one, parts)):
                    row.complain(f"no document has the id '{given}'. Set `separator: {json.dumps(mark)}` for several.")
                    return []
        return found

    def _meta(self, row: Row) -> dict[str, Any]:
        tags = {name: row.values[name] for name in self.assigned.columns[TAGS] if not is_nothing(row.values.get(name))}
        for name in self.assigned.columns.get("meta", ()):
            value = row.values.get(name)
            inner = object_in(value)
            if inner is not None:
                tags |= inner
            elif not is_nothing(value) and compact(name) == "meta":
                row.complain(f"'{name}' must be an object, not {str(value)[:60]!r}.")
            elif not is_nothing(value):
                tags[name] = value
        return tags
