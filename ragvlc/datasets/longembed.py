"""The six LongEmbed tasks: find the one document, of up to 50,000 words, that a question or summary belongs to.

Zhu et al. 2024 (LongEmbed, arXiv 2404.12096), data set `dwzhu/LongEmbed` of the hub: a folder for each task with
`corpus.jsonl` (`doc_id`, `text`), `queries.jsonl` (`qid`, `text`) and `qrels.jsonl` (`qid`, `doc_id`); in `passkey` and
`needle` each line has a `context_length` too, and a query ranks the documents of its own length only. A local copy of
those folders is read the same way.

    dataset: {kind: longembed}
    axes:    {dataset.task: [narrativeqa, qmsum, 2wikimqa, summ_screen_fd, needle, passkey]}
    metrics: [{kind: ndcg, k: 10}, {kind: ndcg, k: 1}]

The benchmark's figures are nDCG@10 of the first four, and of the other two the mean over the lengths of nDCG@1; the
report's table by length shows those and their mean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ragvlc.core.component import Execution, ModelName
from ragvlc.core.data import Collection, Document, Example, Query
from ragvlc.core.errors import DatasetError, missing_extra
from ragvlc.core.given_paths import path_of
from ragvlc.datasets._quiet_library import check_json, decoded, quiet, reason_of
from ragvlc.documents.dataset import Dataset, Examples

Task = Literal["narrativeqa", "qmsum", "2wikimqa", "summ_screen_fd", "needle", "passkey"]
Rows = Sequence[Mapping[str, Any]]

SUMMARIES = ("qmsum", "summ_screen_fd")
FIELDS: Mapping[str, tuple[str, ...]] = {
    "corpus": ("doc_id", "text"),
    "queries": ("qid", "text"),
    "qrels": ("qid", "doc_id"),
}


class Longembed(Dataset):
    """Reads the queries of one task over the task's collection. Needs the extra `huggingface`.

    Attributes:
        task: `narrativeqa` (10,449 questions over 355 stories and scripts), `qmsum` (1,527 summaries over 197
            meetings), `2wikimqa` (300 over 300), `summ_screen_fd` (336 over 336 screenplays), `needle` or `passkey` (50
            questions over 100 documents at each of eight lengths).
        path: hub id, or a local folder (starting with a dot or a slash) that holds a folder for each task.
        revision: commit of the hub's repository.
        length: of `needle` and `passkey`: documents of this length only, from 256 to 32,768; None for all lengths.
    """

    version: ClassVar[int] = 1
    task: Task = "needle"
    path: Annotated[ModelName, Execution] = "dwzhu/LongEmbed"
    revision: str = "6e346642246bfb4928c560ee08640dc84d074e8c"
    length: Annotated[int | None, Field(ge=1)] = None

    @property
    def source(self) -> str:
        """The task's name."""
        return self.task

    def identity(self) -> Mapping[str, Any]:
        """Returns the data set's name; rows are hashed with each example."""
        return {"set": "/".join(Path(self.path).parts[-2:])}

    def read(self) -> Examples:
        """Returns the queries in file order; those without a relevant document are left out and counted.

        Raises `DatasetError`, `MissingExtra`.
        """
        tables = self._tables()
        lengths = "context_length" in tables["corpus"][0]
        if self.length is not None:
            tables = {name: self._of_length(name, rows) for name, rows in tables.items()}
        corpora = _corpora(tables["corpus"])
        relevant = _relevant(tables["qrels"])
        skipped: Counter[str] = Counter()
        found: list[Example] = []
        for row in tables["queries"]:
            corpus = corpora.get(row.get("context_length"), Collection())
            place = relevant.get((row.get("context_length"), str(row["qid"])), ())
            grades = {document.id: 1.0 for document in corpus if document.id in place}
            if grades:
                found.append(self._example(row, corpus, grades, several=lengths and self.length is None))
            else:
                skipped["query without a relevant document"] += 1
        if not found:
            raise DatasetError(f"{self._where()}: no query has a relevant document among the documents of its length.")
        return Examples(found, skipped)

    def _example(
        self, row: Mapping[str, Any], corpus: Collection, grades: Mapping[str, float], *, several: bool
    ) -> Example:
        length, name = row.get("context_length"), str(row["qid"])
        tags: dict[str, Any] = {"evidence": "none", "language": "en"}
        if length is not None:
            tags["length"] = length
        return Example(
            # The same ids may stand at several lengths.
            query=Query(f"{name}@{length}" if several else name, str(row["text"])),
            documents=corpus,
            relevant=grades,
            # Several summaries or questions of one document stand or fall together.
            cluster=name if length is not None else min(grades),
            task="retrieval",
            tags=tags,
        )

    def _of_length(self, name: str, rows: Rows) -> Rows:
        kept = [row for row in rows if row.get("context_length") == self.length]
        if not kept:
            known = sorted({row["context_length"] for row in rows if row.get("context_length") is not None})
            listing = ", ".join(f"{length:,}" for length in known) or "none: leave out length"
            raise DatasetError(f"{self._where()}/{name}.jsonl: no line of length {self.length:,}. Known: {listing}.")
        return kept

    def _tables(self) -> dict[str, Rows]:
        """Returns the rows of the task's three files, checked to have the required fields."""
        try:
            import datasets
        except ImportError as error:
            missing_extra("datasets", "huggingface", error)
        files = {name: f"{self._where()}/{name}.jsonl" for name in FIELDS}
        found = {}
        for name, file in files.items():  # one at a time: their columns differ
            check_json(Path(file))
            try:
                with quiet(datasets):
                    found[name] = datasets.load_dataset("json", data_files=file, split="train")
            except Exception as error:  # each builder raises what it likes
                raise DatasetError(f"{file}: the library `datasets` cannot load it: {reason_of(error)}") from error
        for name, table in found.items():
            missing = [field for field in FIELDS[name] if field not in table.column_names]
            if missing or not len(table):
                problem = f"no field '{missing[0]}'. Known: {', '.join(table.column_names)}" if missing else "is empty"
                raise DatasetError(f"{files[name]}: {problem}.")
        return {name: _checked(files[name], _rows(files[name], table), FIELDS[name]) for name, table in found.items()}

    def _where(self) -> str:
        folder = path_of(self.path)
        if folder.is_dir():
            return str(folder / self.task)
        if self.path.startswith((".", "/", "~")):
            raise DatasetError(f"{folder}: no such folder. Name one that holds {self.task}/corpus.jsonl, or a hub id.")
        return f"hf://datasets/{self.path}@{self.revision}/{self.task}"


def _rows(file: str, table: Iterable[Mapping[str, Any]]) -> Rows:
    with decoded(file):
        return list(table)


def _checked(file: str, rows: Rows, fields: Sequence[str]) -> Rows:
    """Returns the rows. Raises `DatasetError` for the first value of another type than its field has."""
    types = {**dict.fromkeys(fields, (str, int)), "text": (str,), "context_length": (int, type(None))}
    for number, row in enumerate(rows, start=1):
        for field, allowed in types.items():
            value = row.get(field)
            if field in row and (not isinstance(value, allowed) or isinstance(value, bool)):
                wanted = "a text" if str in allowed else "a whole number"
                raise DatasetError(f"{file}: line {number}: '{field}' must be {wanted}, not {value!r:.60}.")
    return rows


def _corpora(rows: Rows) -> dict[int | None, Collection]:
    """Returns the documents, grouped by their stated length; without stated lengths, one group under None."""
    found: dict[int | None, list[Document]] = {}
    for row in rows:
        length = row.get("context_length")
        metadata = {} if length is None else {"length": length}
        found.setdefault(length, []).append(Document(str(row["doc_id"]), str(row["text"]), metadata=metadata))
    return {length: Collection(documents) for length, documents in found.items()}


def _relevant(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[int | None, str], set[str]]:
    """Returns the ids of the relevant documents of each query, by the query's length and id."""
    found: dict[tuple[int | None, str], set[str]] = {}
    for row in rows:
        found.setdefault((row.get("context_length"), str(row["qid"])), set()).add(str(row["doc_id"]))
    return found
