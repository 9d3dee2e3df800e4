"""A user's own documents in a folder, and questions about them in a table.

Documents are the files of the folder and of those inside it: text, Markdown, CSV, HTML, PDF, Word, PowerPoint, Excel,
EPUB, Jupyter notebooks and messages (`.eml`). Hidden files, pictures, settings, code and what ragvlc wrote itself
are left alone. An id is the path inside the folder. The title is what the file states, the first heading in Markdown,
else the file's name. Each file has a balance sheet of what it holds and what was read: a run stops at files that lost
text, and at files of which nothing could be read. `ragvlc check` shows it.

Questions are the rows of a CSV, TSV, JSON, JSON Lines, Excel or Parquet table: `question`; optional `answers` (a list
as JSON, pandas or numpy write it, or one text; without any, no score applies), `documents` (paths inside the folder,
file names or titles; all documents without), `id`, `choices` (with `answer_index` from 0, or the right letter or text
in `answers`), `evidence` (the text that answers, word for word: its place is looked for, and the tag `evidence` says if
it was found), `unanswerable`, `answer_mode`, `task`. The names that other tools use (`ground_truth`, `user_input`,
`expected_output`, `Source document`) are known, in any case; `columns` says it for others. How each column was read is
shown by `check` and `run`. Other columns become tags.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from glob import escape
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ragvlc.core.component import Execution, FilePath
from ragvlc.core.data import Document
from ragvlc.core.errors import DatasetError, nearest
from ragvlc.core.given_paths import path_of, real_path
from ragvlc.core.texts import word_count
from ragvlc.datasets._jsonl_questions import QuestionReader, examples_of
from ragvlc.documents.balance import ALLOWED
from ragvlc.documents.dataset import Dataset, Examples
from ragvlc.documents.files import FolderFiles, read_folder
from ragvlc.documents.json_lines import Problems
from ragvlc.documents.jsonl import Documents
from ragvlc.documents.listing import listed
from ragvlc.documents.tables.columns import Column
from ragvlc.documents.tables.files import ENDINGS
from ragvlc.documents.tables.questions import TableSettings, question_rows, tables_among

_SHOWN = 10


class Folder(Dataset):
    """Reads the files of a folder as documents, and questions about them from a table.

    Attributes:
        path: the folder.
        questions: a table of questions, seen from `path`. Empty: the folder's only one by its name, such as
            `questions.csv` or `questions_2024.xlsx`. Without any, the documents can be looked at (`ragvlc check`), and
            nothing is asked.
        columns: which column of the table is what, where its name does not say so: `{answers: "Soll-Antwort"}`; several
            for the options (`{choices: [X, Y, Z]}`), and `tags` for columns that only look like something else.
        separator: between several answers, documents, options or quotes in one cell, such as `|`; none by default.
        answer_index_from: the index of the first option in the table, 0 or 1.
        encoding: of text, Markdown and HTML files; found out file by file if empty.
        exclude: patterns of paths to leave alone, such as `drafts/*`.
        unreadable: `refuse` stops at files of which nothing can be read and names them all; `skip` goes on without
            them.
        allow_loss: share of a file's text that may be missing (characters that cannot be made out, pages that are
            scans, formulas without a value) before the files are refused.
        boilerplate: `drop` leaves navigation, sidebars, page heads and feet of HTML pages out.
    """

    version: ClassVar[int] = 1
    later_fields: ClassVar[frozenset[str]] = frozenset({"boilerplate", "columns", "separator", "answer_index_from"})
    path: Annotated[FilePath, Execution] = "."
    questions: str = ""
    columns: Mapping[Column, str | tuple[str, ...]] = Field(default={}, examples=[{"answers": "expected"}])
    separator: str = ""
    answer_index_from: Literal[0, 1] = 0
    encoding: str = ""
    exclude: tuple[str, ...] = ()
    unreadable: Literal["refuse", "skip"] = "refuse"
    allow_loss: Annotated[float, Field(ge=0, le=1), Execution] = ALLOWED
    boilerplate: Literal["keep", "drop"] = "keep"

    @property
    def source(self) -> str:
        """The folder's name."""
        return self._folder().name

    def identity(self) -> Mapping[str, Any]:
        """Returns the names of the folder and its parent; the content of files is hashed with each example."""
        return {"set": "/".join(self._folder().parts[-2:])}

    def files(self) -> FolderFiles:
        """Returns the folder's documents and an account of its files. Raises `DatasetError` for a missing folder."""
        keep = self.boilerplate == "keep"
        return read_folder(self.path, encoding=self.encoding, exclude=self.left_alone(), boilerplate=keep)

    def collection(self) -> Sequence[Document]:
        """Returns the folder's documents, in order of their paths.

        Raises `DatasetError` if there are none, and with all files that lost text unless the settings accept that.
        """
        files = self.files()
        files.insist(self._folder(), self.allow_loss, without_unread=self.unreadable == "skip")
        return files.documents

    def losses(self) -> list[dict[str, Any]]:
        """Returns an account, as JSON values, of each file that was not read in full or whose encoding was guessed."""
        sheets = self.files().balances
        return [one.record() for one in sheets if one.loss or (one.encoding and one.encoding.guessed)]

    def tables(self) -> list[str]:
        """Returns the table that the settings name, else every table of questions of the folder, by their names."""
        if self.questions:
            return [self.questions]
        return listed(self._folder(), self.exclude).tables

    def read(self) -> Examples:
        """Returns the questions, in the file's order. Raises `DatasetError` that lists every problem of the file."""
        file = self._questions_file()
        by_id = {document.id: document for document in self.collection()}
        words = {name: word_count(document.text) for name, document in by_id.items()}
        reader = QuestionReader(Documents(by_id, words), lenient=True)
        problems = Problems(file)
        settings = TableSettings(
            {str(held): names for held, names in self.columns.items()}, self.separator, self.answer_index_from
        )
        found = question_rows(file, by_id, problems, settings)
        examples = examples_of(found.rows, reader, problems)
        taken = [] if self.questions else [f"{file.name}: the folder's only table of questions, since none was named."]
        notes = [*taken, *(f"{file.name}: {note}" for note in found.notes), *tables_among(by_id)]
        return Examples(examples, found.skipped, notes)

    def _folder(self) -> Path:
        return path_of(self.path).absolute()

    def _questions_file(self) -> Path:
        folder = self._folder()
        if not folder.is_dir():
            raise DatasetError(f"{folder}: no such folder.")
        if self.questions:
            file = Path(os.path.normpath(folder / path_of(self.questions)))
            if not file.is_file():
                raise DatasetError(f"{file}: no such file.{self._looked_for(file)}")
            return file
        tables = self.tables()
        if len(tables) > 1:
            raise DatasetError(
                f"{folder}: `questions` is not set, and there are {len(tables)} tables of questions: "
                f"{', '.join(tables)}. Name one, such as `questions: {json.dumps(tables[0], ensure_ascii=False)}`."
            )
        if not tables:
            raise DatasetError(
                f"{folder}: a folder without questions can be looked at (ragvlc check) and asked by hand (ragvlc ask). "
                "To compare answers, put a table of questions (CSV, Excel, JSON Lines) into it, named `questions.csv` "
                "or the like, or name one in `questions`."
            )
        return folder / tables[0]

    def _looked_for(self, file: Path) -> str:
        """Returns the nearest name, where a table that is missing was looked for, and which tables are there."""
        folder = self._folder()
        there = sorted(one.name for one in folder.glob("*") if one.name.lower().endswith(ENDINGS) and one.is_file())
        known = list(dict.fromkeys([*listed(folder, ()).tables, *there]))
        more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
        tables = f"Tables there: {', '.join(known[:_SHOWN])}{more}." if known else "There is no table in it."
        if (folder.parent / self.questions).is_file():
            tables = f"Beside the folder there is one: write `questions: ../{self.questions}`. {tables}"
        around = known if file.parent == folder else [other.name for other in file.parent.glob("*")]
        return f"{nearest(file.name, around)} `questions` is looked for inside the folder {folder}. {tables}"

    def left_alone(self) -> tuple[str, ...]:
        """Returns the path patterns of files that are not documents: the excluded ones and the questions file."""
        if not self.questions:
            return self.exclude
        file = real_path(self._folder() / path_of(self.questions))
        inside = file.is_relative_to(real_path(self._folder()))
        name = file.relative_to(real_path(self._folder())).as_posix() if inside else self.questions
        return (*self.exclude, escape(name))
