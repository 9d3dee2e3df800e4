"""The answers of several pipelines to several questions over given documents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ragvlc.asking.documents import GivenDocuments
from ragvlc.core.data import Document, Query
from ragvlc.core.errors import ConfigError, DatasetError
from ragvlc.documents.balance import Balance
from ragvlc.documents.tables.files import ENDINGS
from ragvlc.pipeline import Pipeline
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep

if TYPE_CHECKING:
    from ragvlc.analysis.results import Results
    from ragvlc.core.data import Example
    from ragvlc.sweep.runner import Watcher

__all__ = ["DEFAULT", "AskedQuestions", "answers_of"]

DEFAULT = ("full_context", "rag")
"""The shipped pipelines that are compared when none is named."""
_TEXT = (".txt", ".md")
_METRICS = ("contains", "token_f1")


@dataclass(frozen=True, slots=True)
class AskedQuestions:
    """What is asked.

    Attributes:
        documents: that are read.
        queries: questions typed; empty if there is a file.
        file: a table of questions, or a text file with a question a line.
        balances: balance sheets of the documents' files.
    """

    documents: tuple[Document, ...]
    queries: tuple[Query, ...] = ()
    file: Path | None = None
    balances: tuple[Balance, ...] = ()


@contextmanager
def answers_of(
    asked: AskedQuestions, pipelines: Mapping[str, Pipeline], watcher: Watcher | None = None
) -> Iterator[Results]:
    """Yields the results of asking every pipeline every question; their folder is gone afterwards.

    Equal work is shared as in every sweep: chunks, rankings and prefixes that pipelines have in common are computed
    once, and answers of earlier runs are found on disk. A question that fails is a row like others.

    Raises:
        ConfigError, DatasetError: nothing to ask, or a file of questions that cannot be read.
        SetupError: a model or server does not work.
    """
    with TemporaryDirectory(prefix="ragvlc-ask-") as place:
        folder = Path(place)
        questions = _dataset(asked, folder)
        examples = tuple(questions.read())
        sweep = Sweep.model_validate(
            {
                "name": "ask",
                "dataset": questions,
                "pipelines": dict(pipelines),
                "metrics": _metrics(examples),
                "max_failures": 1.0,
                "tracker": "none",
            }
        )
        yield run_sweep(sweep, folder, watcher=watcher).results()


def _dataset(asked: AskedQuestions, folder: Path) -> GivenDocuments:
    """Returns the questions as a data set; those that are typed are written to a table in the folder first."""
    file = asked.file
    if file is not None and not file.is_file():
        raise DatasetError(f"{file}: no such file of questions.")
    if file is None or file.name.lower().endswith(_TEXT):
        queries = asked.queries if file is None else _lines(file)
        if not queries:
            raise DatasetError(f"{file}: no question in it." if file else "there is no question.")
        rows = [
            {"id": f"q{place + 1}", "question": one.text, "choices": list(one.choices)}
            for place, one in enumerate(queries)
        ]
        rows = [{name: value for name, value in row.items() if value} for row in rows]
        file = folder / "questions.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif not file.name.lower().endswith(ENDINGS):
        known = ", ".join((*_TEXT, *ENDINGS))
        raise ConfigError(f"--questions {file}: is no table of questions. Known endings: {known}.")
    absolute = file.absolute()
    found = GivenDocuments(path=str(absolute.parent), questions=absolute.name)
    return found.over(asked.documents, asked.balances)


def _lines(file: Path) -> list[Query]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{file}: cannot be read as UTF-8 text: {error}") from error
    return [Query(f"q{place}", line.strip()) for place, line in enumerate(lines) if line.strip()]


def _metrics(examples: Sequence[Example]) -> list[str]:
    """Returns the metrics that apply to some question, or one that applies to none."""
    chosen = ["choice_accuracy"] if any(one.query.choices for one in examples) else []
    found = [*_METRICS, *chosen] if any(one.references or one.unanswerable for one in examples) else [_METRICS[0]]
    return found + (["evidence_recall"] if any(one.evidence for one in examples) else [])
