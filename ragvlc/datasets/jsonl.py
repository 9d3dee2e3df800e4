"""Questions over documents from JSON Lines files: the schema for a user's own data.

`documents.jsonl`, one object a line: `doc_id`, `text`; optional `title`, `meta` (an object; routers may read it).
`questions.jsonl`, one object a line: `question_id`, `doc_ids` (or `doc_id`), `question`, `answers` (accepted answers;
empty only with `unanswerable: true`); optional `task` (default qa), `answer_mode` (any, all), `choices` with
`answer_index` or the right letter in `answers`, `evidence` (objects with `doc_id`, `start`, `end` in characters of the
text, end exclusive, and optionally `text`; a `start` of null: known but not located), `source`, `meta`, `scoring` (an
object: further gold that a published benchmark's metric reads, as its module says, such as `nodes` for `graphwalks`;
`meta.dataset` is that benchmark's name of the set). Both may be gzipped. Further fields are ignored, so that sets made
for other tools can be read; the fields above are checked, and everything wrong with a file is reported at once, by
line.

- `choices`: references are the texts of the right options; `true_false` without `choices` has True and False.
- `task: summarization` and `query_summarization`: the query wants a summary.
- `task: retrieval`: the question is asked over all documents of the file (of the same `meta.length`, where the
  documents have one); `doc_ids` names the relevant ones, `answers` may repeat them and is no reference.
- `unanswerable`: no references; a sentence given in `answers` is kept as the tag `said_instead`.
- The tag `evidence` says what is known: located, partly located, not located, none, or, where `meta.evidence_kind` is
  "whole section" or "whole story" (too coarse to score retrieval by, so left out), those words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from ragvlc.core.component import Execution, FilePath
from ragvlc.core.data import Document, Example
from ragvlc.core.errors import DatasetError, nearest
from ragvlc.core.given_paths import path_of
from ragvlc.core.json_text import parse_json
from ragvlc.datasets._jsonl_questions import QuestionReader, examples_of
from ragvlc.documents.dataset import REJECTED, Dataset, Examples
from ragvlc.documents.json_lines import Problems, rows_of
from ragvlc.documents.jsonl import documents_of

Scalar = str | int | float | bool
Wanted = Scalar | tuple[Scalar, ...]


class Jsonl(Dataset):
    """Reads documents and questions from JSON Lines files.

    Attributes:
        path: folder with `documents.jsonl` and `questions.jsonl`, each optionally with `.gz`.
        documents: another documents file, seen from `path`.
        questions: another questions file, seen from `path`, such as `retrieval_queries.jsonl`.
        tasks: keep these only; all if empty.
        tags: keep examples whose tag is this value, or one of these. Tags are the scalars of `meta` (dotted names reach
            inside), of the document's `meta` as `document.NAME`, and `source`, `language`, `evidence`, `documents`,
            `document_words`, `document_characters`.
        cluster: what counts together in intervals and tests. `document`: questions over the same documents; wrong where
            one question is asked over variants of a document, for then its answers count as independent: `id_prefix`
            takes the id before "@", `meta.NAME` a field, `question` each question alone.
    """

    version: ClassVar[int] = 1
    later_fields: ClassVar[frozenset[str]] = frozenset()
    path: Annotated[FilePath, Execution] = "."
    documents: str = ""
    questions: str = ""
    tasks: tuple[str, ...] = ()
    tags: Mapping[str, Wanted] = Field(default_factory=dict)
    cluster: Annotated[str, Field(pattern=r"^(document|question|id_prefix|meta\..+)$"), Execution] = "document"

    @property
    def source(self) -> str:
        """The folder's name, with the name of a non-default questions file and the filters."""
        stem = Path(self.questions).name.partition(".")[0] if self.questions else ""
        name = f"{self._folder().name}/{stem}" if stem else self._folder().name
        wanted = [",".join(self.tasks)] if self.tasks else []
        wanted += [f"{tag}={','.join(map(str, _listed(value)))}" for tag, value in self.tags.items()]
        return f"{name}[{' '.join(wanted)}]" if wanted else name

    def identity(self) -> Mapping[str, Any]:
        """Returns the names of the folder and its parent.

        What the files hold is hashed example by example, so that answers to unchanged questions stand when others are
        edited or added.
        """
        return {"set": "/".join(self._folder().parts[-2:])}

    def collection(self) -> Sequence[Document]:
        """Returns every document of the documents file, in the file's order. Raises `DatasetError`."""
        return tuple(documents_of(self._file("documents", self.documents)).by_id.values())

    def read(self) -> Sequence[Example]:
        """Returns the examples that pass the filters, in the file's order.

        Generated questions that a reviewer has rejected are left out, unless a filter names the tag `reviewed`.

        Raises `DatasetError` with every problem of a file, and where a filter names what no example has.
        """
        documents = documents_of(self._file("documents", self.documents))
        file = self._file("questions", self.questions)
        reader = QuestionReader(documents, self.cluster, self._language())
        problems = Problems(file)
        examples = examples_of(rows_of(file, problems), reader, problems)
        self._check_filters(file, examples)
        chosen = [example for example in examples if self._wants(example)]
        if not chosen:
            raise DatasetError(f"{file}: no question has the tasks and tags asked for together. Loosen the filters.")
        asked = chosen if "reviewed" in self.tags else [one for one in chosen if not _is_rejected(one)]
        if not asked:
            raise DatasetError(f"{file}: a reviewer has rejected all {len(chosen)} questions that are asked for.")
        return Examples(asked, {REJECTED: len(chosen) - len(asked)} if len(asked) < len(chosen) else {})

    def _folder(self) -> Path:
        return path_of(self.path).absolute()

    def _file(self, stem: str, given: str) -> Path:
        names = [given] if given else [f"{stem}.jsonl", f"{stem}.jsonl.gz"]
        candidates = [self._folder() / path_of(name) for name in names]
        for candidate in candidates:
            if candidate.is_file():
                return candidate
        if candidates[0].exists():
            raise DatasetError(f"{candidates[0]}: is no file, but a folder, a pipe or a device.")
        around = [other.name for other in candidates[0].parent.glob("*")]
        hint = nearest(candidates[0].name, around) if around else " The folder does not exist or is empty."
        raise DatasetError(f"{candidates[0]}: no such file{'' if given else ', with or without .gz'}.{hint}")

    def _language(self) -> str:
        """Returns the language that `dataset.json` states for the whole folder, or an empty text."""
        file = self._folder() / "dataset.json"
        if not file.is_file():
            return ""
        try:
            facts = parse_json(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DatasetError(f"{file}: cannot be read: {error}") from error
        language = facts.get("language") if isinstance(facts, dict) else None
        return language if isinstance(language, str) and "," not in language else ""

    def _check_filters(self, file: Path, examples: Sequence[Example]) -> None:
        known = {example.task for example in examples}
        for task in self.tasks:
            if task not in known:
                raise DatasetError(f"{file}: no question has the task '{task}'. {_known('Tasks', task, known)}")
        for tag, wanted in self.tags.items():
            values = {example.tags[tag] for example in examples if tag in example.tags}
            if not values:
                names = {name for example in examples for name in example.tags}
                raise DatasetError(f"{file}: no question has the tag '{tag}'. {_known('Tags', tag, names)}")
            for value in _listed(wanted):
                if value not in values:
                    listing = _known("Values", str(value), map(str, values))
                    raise DatasetError(f"{file}: no question has {value!r} as its tag '{tag}'. {listing}")

    def _wants(self, example: Example) -> bool:
        return (not self.tasks or example.task in self.tasks) and all(
            tag in example.tags and example.tags[tag] in _listed(wanted) for tag, wanted in self.tags.items()
        )


def _is_rejected(example: Example) -> bool:
    return example.tags.get("generated") is True and example.tags.get("reviewed") == "rejected"


def _listed(wanted: Wanted) -> tuple[Scalar, ...]:
    return wanted if isinstance(wanted, tuple) else (wanted,)


def _known(title: str, word: str, known: Iterable[str]) -> str:
    names = sorted(known)
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return f"{title}: {', '.join(names[:12])}{more}.{nearest(word, names)}"
