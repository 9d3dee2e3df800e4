"""One's own documents in a folder, and questions about them in a table.

Documents are the text (`.txt`), Markdown (`.md`), HTML (`.html`) and PDF (`.pdf`) files of the folder and of those
inside it; hidden ones are left alone. An id is the path inside the folder. The title is the first heading in Markdown,
the title that HTML or PDF states, else the file's name. Pages of a PDF are apart by a blank line; scanned ones have no
text and are told. `ragvlc check` says what was read.

Questions are the lines of a CSV or JSON Lines file: `question`; optional `answers` (several between `|`, or a JSON
list; without any, no score applies), `documents` (paths inside the folder, or file names; all documents without),
`id`, `choices` (with `answer_index` from 0, or the right letter or text in `answers`), `evidence` (the text that
answers, word for word: its place is looked for, and the tag `evidence` says if it was found), `unanswerable`,
`answer_mode`, `task`. Other columns become tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from ragvlc.core.component import Execution, FilePath
from ragvlc.core.data import Document, Example
from ragvlc.core.errors import DatasetError, nearest
from ragvlc.datasets._jsonl_questions import QuestionReader, examples_of
from ragvlc.datasets._tables import question_rows
from ragvlc.documents.dataset import Dataset
from ragvlc.documents.files import read_folder
from ragvlc.documents.json_lines import Problems
from ragvlc.documents.jsonl import Documents
from ragvlc.documents.sources import several


class Folder(Dataset):
    """Asks about the files of a folder.

    Attributes:
        path: the folder.
        questions: a CSV or JSON Lines file, seen from `path`. Without one the documents can be looked at
            (`ragvlc check`), and nothing is asked.
        encoding: of text, Markdown and HTML files; found out file by file if empty.
        exclude: patterns of paths to leave alone, such as `drafts/*`.
        unreadable: `refuse` stops at files without text and names them all; `skip` goes on without them.
    """

    version: ClassVar[int] = 1
    later_fields: ClassVar[frozenset[str]] = frozenset()
    path: Annotated[FilePath, Execution] = "."
    questions: str = ""
    encoding: str = ""
    exclude: tuple[str, ...] = ()
    unreadable: Literal["refuse", "skip"] = "refuse"

    @property
    def source(self) -> str:
        """The folder's name."""
        return self._folder().name

    def identity(self) -> Mapping[str, Any]:
        """Returns the names of the folder and the one above it; what files hold is hashed example by example."""
        return {"set": "/".join(self._folder().parts[-2:])}

    def collection(self) -> Sequence[Document]:
        """Returns the files' texts, in order of their paths.

        Raises `DatasetError` if there are none, and with all files that have no text unless these are to be skipped.
        """
        files = read_folder(self.path, encoding=self.encoding, exclude=self.left_alone())
        if files.problems and self.unreadable == "refuse":
            raise DatasetError(
                several(f"{self._folder()}", files.problems)
                + "\nMend or exclude them, or set `unreadable: skip` to go on without them."
            )
        if not files.documents:
            others = ", ".join(f"{count} {ending}" for ending, count in sorted(files.passed_over.items()))
            raise DatasetError(
                f"{self._folder()}: holds no .txt, .md, .html or .pdf file with text"
                f"{f' (other files: {others})' if others else ''}."
            )
        return files.documents

    def read(self) -> Sequence[Example]:
        """Returns the questions, in the file's order. Raises `DatasetError` with every problem of the file."""
        if not self.questions:
            raise DatasetError(
                f"{self._folder()}: a folder without questions can be looked at (ragvlc check) and asked by hand "
                "(ragvlc ask). To compare answers, name a CSV or JSON Lines file of questions in `questions`."
            )
        file = self._questions_file()
        by_id = {document.id: document for document in self.collection()}
        words = {name: len(document.text.split()) for name, document in by_id.items()}
        reader = QuestionReader(Documents(by_id, words), lenient=True)
        problems = Problems(file)
        return examples_of(question_rows(file, by_id, problems), reader, problems)

    def _folder(self) -> Path:
        return Path(self.path).expanduser().absolute()

    def _questions_file(self) -> Path:
        if not self._folder().is_dir():
            raise DatasetError(f"{self._folder()}: no such folder.")
        file = self._folder() / Path(self.questions).expanduser()
        if not file.is_file():
            around = [other.name for other in file.parent.glob("*")]
            raise DatasetError(f"{file}: no such file.{nearest(file.name, around)}")
        return file

    def left_alone(self) -> tuple[str, ...]:
        """Returns the patterns of paths that are no documents: those excluded, and the questions."""
        return (*self.exclude, self.questions) if self.questions else self.exclude
