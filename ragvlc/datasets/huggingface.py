"""Any data set that the `datasets` library can load, from the hub or from local files; its columns are mapped by name.

    dataset:
      kind: huggingface
      path: rajpurkar/squad_v2          # or json, csv, parquet with data_files
      split: validation
      columns: {question: question, answers: answers.text, document: context, title: title, id: id,
                evidence: answers.text, evidence_start: answers.answer_start}

Columns that hold a list of texts may be named alone (`documents: context.sentences`), and several columns make a list
(`choices: [choice_A, choice_B, choice_C, choice_D]`). A text that stands in several rows is one document, named by what
it holds. Rows without a question or without a document are left out and counted; a row without answers is asked, and no
score applies. Columns that are not named become tags.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ragvlc.core.component import Execution, FilePath, ModelName
from ragvlc.core.data import Document, Example, content_key
from ragvlc.core.errors import DatasetError, missing_extra, nearest
from ragvlc.core.given_paths import path_of
from ragvlc.core.texts import word_count
from ragvlc.datasets._jsonl_questions import QuestionReader
from ragvlc.datasets._quiet_library import check_json, decoded, quiet, reason_of
from ragvlc.documents.dataset import Dataset, Examples
from ragvlc.documents.json_lines import Problems, Row
from ragvlc.documents.jsonl import Documents
from ragvlc.documents.tables.account import Account
from ragvlc.documents.tables.cells import Cells, flat_texts, names_in, reach
from ragvlc.documents.tables.indexes import Indexes
from ragvlc.documents.tables.values import evidence_in, said_yes

if TYPE_CHECKING:
    from datasets import Dataset as Table

Column = Literal[
    "question",
    "answers",
    "document",
    "documents",
    "title",
    "id",
    "choices",
    "answer_index",
    "evidence",
    "evidence_start",
    "unanswerable",
    "task",
]
Scalar = str | int | float | bool
_NAME_CHARACTERS = 40


class Huggingface(Dataset):
    """Questions of a Hugging Face data set over the texts in its rows. Needs the extra `huggingface`.

    Attributes:
        path: hub id, a local folder (starting with a dot or a slash), or a format: `json`, `csv`, `parquet`, `text`.
        data_files: files of that format.
        config: name of one of several configurations.
        split: such as `validation` or `test[:100]`; may be left out where there is only one.
        revision: commit or tag of the hub's repository.
        columns: which column is what; dotted names reach inside. `question` and `document` (one text) or `documents`
            (a list) are needed; `answers`, `title` (one a document), `id`, `choices`, `answer_index` (a number from 0,
            a letter or a text), `evidence` (texts, looked for in the documents), `evidence_start` (where each of them
            starts, in characters of the only document), `unanswerable`, `task` are not.
        no_answer: what a row without answers means: `unknown` (no score applies) or `unanswerable`, as in SQuAD 2.0.
        where: keep rows whose column has this value, or one of these.
        cluster: what counts together in intervals and tests: questions over the same `document`, or each `question`
            alone.
        answer_index_from: the index of the first option in `answer_index`, 0 or 1.
    """

    version: ClassVar[int] = 1
    later_fields: ClassVar[frozenset[str]] = frozenset({"answer_index_from"})
    path: Annotated[ModelName, Execution]
    data_files: Annotated[tuple[FilePath, ...], Execution] = ()
    config: str = ""
    split: str = ""
    revision: str = ""
    columns: Mapping[Column, str | tuple[str, ...]]
    no_answer: Literal["unknown", "unanswerable"] = "unknown"
    where: Mapping[str, Scalar | tuple[Scalar, ...]] = Field(default_factory=dict)
    cluster: Annotated[Literal["document", "question"], Execution] = "document"
    answer_index_from: Literal[0, 1] = 0

    @model_validator(mode="after")
    def _columns_suffice(self) -> Self:
        if "question" not in self.columns:
            raise ValueError("columns must name the column of the question: {question: NAME, ...}.")
        if ("document" in self.columns) == ("documents" in self.columns):
            raise ValueError("columns must name either document (a column with one text) or documents (with a list).")
        if "evidence_start" in self.columns and "evidence" not in self.columns:
            raise ValueError("columns names evidence_start, but not evidence, whose texts start there.")
        return self

    @property
    def source(self) -> str:
        """The name of the data set or of its first file, with configuration, split and filters."""
        place = Path(self.data_files[0]).name.partition(".")[0] if self.data_files else Path(self.path).name
        words = [place, *filter(None, (self.config, self.split))]
        wanted = [f"{name}={','.join(map(str, _listed(value)))}" for name, value in self.where.items()]
        return "/".join(words) + (f"[{' '.join(wanted)}]" if wanted else "")

    def identity(self) -> Mapping[str, Any]:
        """Returns the data set's name, or the names of its files; rows are hashed with each example."""
        places = self.data_files or (self.path,)
        return {"set": ["/".join(Path(place).parts[-2:]) for place in places]}

    def collection(self) -> Sequence[Document]:
        """Returns every document of the split, in the split's order. Raises `DatasetError` or `MissingExtra`."""
        return tuple(self._documents(self._table()).values())

    def read(self) -> Examples:
        """Returns examples of the rows that pass the filters, in row order. Raises `DatasetError` or `MissingExtra`."""
        rows = self._table()
        known = self._documents(rows)
        words = {name: word_count(document.text) for name, document in known.items()}
        reader = QuestionReader(Documents(known, words), self.cluster, lenient=True)
        problems = Problems(self.source, "row")
        skipped: Counter[str] = Counter()
        examples: list[Example] = []
        ids: Counter[str] = Counter()
        indexes, cells = Indexes(self.answer_index_from, str(self.columns.get("answer_index", ""))), Cells()
        for number, values in enumerate(rows, start=1):
            if not self._wants(values):
                continue
            documents = [known[one.id] for one in self._texts(values)]
            question = " ".join(flat_texts(self._cell(values, "question")))
            if not question or not documents:
                skipped["row without a question" if documents else "row without a document"] += 1
                continue
            raw = Row(values, number, problems)
            row = raw.remade(self._in_schema(raw, question, documents, cells, indexes))
            ids[row.values["question_id"]] += 1
            if ids[row.values["question_id"]] > 1:
                row.complain(f"the id '{row.values['question_id']}' stands in a row above. Leave out columns.id.")
            examples.append(reader.example(row))
        if wrong := indexes.objection():
            problems.sentences[:] = [wrong]
        problems.raise_any()
        if not examples:
            raise DatasetError(f"{self.source}: no row has a question, a document and what `where` asks for.")
        account = Account("row", cells)
        return Examples(examples, skipped, (*indexes.notes(), *account.notes((), {}, answered=True)))

    def _table(self) -> Table:
        """Returns the split, checked to have every column that the settings name."""
        table = self._loaded()
        with decoded(self.source):
            first: Mapping[str, Any] = table[0] if len(table) else {}
        known = sorted({*names_in(first), *table.column_names})
        named = [(f"columns.{key}", name) for key, names in self.columns.items() for name in _listed(names)]
        for place, name in (*named, *((f"where.{name}", name) for name in self.where)):
            # A nested column may be absent from the first row alone.
            if name not in known and str(name).partition(".")[0] not in table.column_names:
                hint = nearest(str(name), known)
                raise DatasetError(f"{self.source}: {place}: no column '{name}'. Known: {', '.join(known)}.{hint}")
        return table

    def _loaded(self) -> Table:
        try:
            import datasets
        except ImportError as error:
            missing_extra("datasets", "huggingface", error)
        files = {"data_files": list(self.data_files)} if self.data_files else {}
        local = [self.path] if self.path.startswith((".", "/", "~")) else []
        check_json(*(path_of(name) for name in (*local, *self.data_files)))
        try:
            with quiet(datasets):
                found = datasets.load_dataset(
                    self.path, self.config or None, split=self.split or None, revision=self.revision or None, **files
                )
        except Exception as error:  # each builder raises what it likes
            reason = reason_of(error)
            raise DatasetError(f"{self.source}: the library `datasets` cannot load it: {reason}") from error
        if isinstance(found, datasets.DatasetDict):
            if len(found) != 1:
                raise DatasetError(f"{self.source}: name a split. Known: {', '.join(found)}.")
            found = next(iter(found.values()))
        return found

    def _cell(self, values: Mapping[str, Any], column: Column) -> Any:  # noqa: ANN401 - JSON
        names = self.columns.get(column)
        if isinstance(names, tuple):
            return [reach(values, name) for name in names]
        return None if names is None else reach(values, names)

    def _texts(self, values: Mapping[str, Any]) -> list[Document]:
        """Returns the documents of a row, one for each different text."""
        if "document" in self.columns:
            texts = ["\n\n".join(flat_texts(self._cell(values, "document")))]
        else:
            cell = self._cell(values, "documents")
            texts = [" ".join(flat_texts(item)) for item in (cell if isinstance(cell, list) else [cell])]
        titles = flat_texts(self._cell(values, "title"))
        titles += [""] * (len(texts) - len(titles))
        made = [_document(text, title) for text, title in zip(texts, titles, strict=False) if text.strip()]
        return list({document.id: document for document in made}.values())

    def _documents(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, Document]:
        known: dict[str, Document] = {}
        with decoded(self.source):
            for values in rows:
                for document in self._texts(values):
                    known.setdefault(document.id, document)
        return known

    def _in_schema(
        self, row: Row, question: str, documents: Sequence[Document], cells: Cells, indexes: Indexes
    ) -> dict[str, Any]:
        values, number = row.values, row.line
        answers, choices = self._listed(row, "answers", cells), self._listed(row, "choices", cells)
        named = {str(name).partition(".")[0] for names in self.columns.values() for name in _listed(names)}
        given: dict[str, Any] = {
            "question_id": str(_first(self._cell(values, "id"), f"row-{number}")),
            "doc_ids": [document.id for document in documents],
            "question": question,
            "answers": list(dict.fromkeys(answers)),
            "choices": choices,
            "unanswerable": said_yes(_first(self._cell(values, "unanswerable"), False)),
            "evidence": self._evidence(values, documents),
            "meta": {name: value for name, value in values.items() if name not in named},
        }
        if not answers and not choices and self.no_answer == "unanswerable":
            given["unanswerable"] = True
        if task := " ".join(flat_texts(self._cell(values, "task"))):
            given["task"] = task
        right = _first(self._cell(values, "answer_index"), None)
        if choices and right is not None:
            place = indexes.place(row, right, len(choices))
            given.update({"answers": [str(right)]} if place is None else {"answer_index": place})
        return given

    def _listed(self, row: Row, column: Column, cells: Cells) -> list[str]:
        """Returns the texts of a column; those of a list that a table holds as text, one by one."""
        cell = self._cell(row.values, column)
        if isinstance(cell, str) and cell.strip():
            return [str(one) for one in cells.items(row, str(self.columns[column]), cell, column)]
        return flat_texts(cell)

    def _evidence(self, values: Mapping[str, Any], documents: Sequence[Document]) -> list[dict[str, Any]]:
        quoted = flat_texts(self._cell(values, "evidence"))
        starts = flat_texts(self._cell(values, "evidence_start"))
        if not starts or len(documents) > 1:
            return evidence_in(dict.fromkeys(quoted), documents)
        found = {}
        for text, start in zip(quoted, map(int, starts), strict=False):
            if documents[0].text[start : start + len(text)] == text:
                found[start, start + len(text)] = text
        spans = [{"doc_id": documents[0].id, "start": start, "end": end} for start, end in found]
        return spans or evidence_in(dict.fromkeys(quoted), documents)

    def _wants(self, values: Mapping[str, Any]) -> bool:
        return all(reach(values, name) in _listed(wanted) for name, wanted in self.where.items())


def _document(text: str, title: str) -> Document:
    words = "-".join("".join(c if c.isalnum() else " " for c in title.lower()).split())[:_NAME_CHARACTERS]
    return Document(f"{words or 'text'}-{content_key([title, text])[:12]}", text, title)


def _first(cell: object, default: object) -> object:
    values = cell if isinstance(cell, (list, tuple)) else [cell]
    return next((value for value in values if value not in (None, "")), default)


def _listed(value: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a scalar or several
    return value if isinstance(value, tuple) else (value,)
