"""A first comparison for a folder of documents: a template for questions, pipelines and an experiment that fit them."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ragvlc.chunkers.tokens import Tokens
from ragvlc.core.data import Document
from ragvlc.core.errors import ConfigError, DatasetError
from ragvlc.core.given_paths import path_of
from ragvlc.datasets.folder import Folder
from ragvlc.documents.files import FolderFiles, read_folder
from ragvlc.documents.tables.files import ENDINGS
from ragvlc.documents.tables.questions import TEMPLATE
from ragvlc.documents.tokenizing import data_tokenizer, model_file, window_of

if TYPE_CHECKING:
    from ragvlc.core.engines import Tokenizer

__all__ = ["EMBEDDER", "MODEL", "Started", "start"]

MODEL, EMBEDDER = "packaged:smollm2-135m-instruct", "packaged:all-minilm-l6-v2"
_SIZES = (256, 192, 160, 128, 96, 64, 48, 32)
_RESERVE = 512
"""Tokens for the instruction, the question and the answer."""
_EXAMPLES = 3
_HOW = """\
# One row is one question. Replace every cell that begins with WRITE HERE; delete rows that you do not need.
# answers: what is right; several as a list such as ["30 days", "thirty days"]. Empty: no score applies.
# documents: the files that hold the answer; empty: the question is asked over all of them.
# evidence: the words of the document that answer (optional). unanswerable: yes if they do not answer.
"""


@dataclass
class Started:
    """What `ragvlc init` wrote and found.

    Attributes:
        files: written, with what each is.
        facts: a sentence each, about sizes and what fits.
        problems: a sentence each: to mend before a run.
        experiment: the file to check and run.
        template: the table of questions to edit; None where one was given.
    """

    experiment: Path
    template: Path | None = None
    files: dict[Path, str] = field(default_factory=dict)
    facts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Sizes:
    """Token counts of the documents, and the sizes that follow from them."""

    window: int
    total: int
    largest: int
    largest_id: str
    chunk: int
    chunk_most: int
    embedder_window: int

    @property
    def fits(self) -> int:
        """Tokens of documents that fit into the window beside question and answer."""
        return self.window - _RESERVE

    @property
    def passages(self) -> int:
        """The number of passages to read: at most eight, and at most half of the window."""
        return max(1, min(8, self.fits // 2 // self.chunk))


def start(folder: str | Path, out: str | Path = ".", *, questions: str | Path = "", model: str = MODEL) -> Started:
    """Writes a template for questions, pipelines and an experiment for the documents of a folder.

    Args:
        folder: of the documents.
        out: folder for the files; made if it does not exist.
        questions: a table of questions to use; where there is no such file, the template is written there. Empty: the
            folder's only table of questions; where it has none, the template is written into `out`.
        model: the local model that answers: `packaged:NAME`, a folder or a hub id.

    Raises:
        ConfigError: a file exists already (nothing is overwritten), or cannot be written.
        DatasetError: the folder holds no documents, or the given table of questions cannot be read.
    """
    place, target = path_of(folder).absolute(), path_of(out).absolute()
    found = "" if questions else _table_of(place)
    table = path_of(questions or found or target / "questions.csv").absolute()
    given = bool(questions or found) and table.is_file()
    if not given and table.suffix.lower() != ".csv":
        known = ", ".join(ENDINGS)
        raise DatasetError(f"{table}: no such file, and the template is a .csv file. Tables that are read: {known}.")
    dataset = Folder(path=str(place), questions=_seen_from(place, table))
    files = read_folder(place, exclude=dataset.left_alone())
    if not files.documents:
        files.insist(place)
    sizes = _measured(files.documents, model)
    asked_over = _asked_over(dataset, sizes, model) if given else sizes.largest
    full = asked_over <= sizes.fits
    started = Started(target / "experiment.yaml", None if given else table)
    taken = [f"{found}: the folder's only table of questions, taken as yours (another: --questions FILE)."]
    started.facts = [*(taken if found else ()), *_facts(files, sizes, asked_over, full=full, given=given)]
    started.problems = [one.losses() for one in files.balances if one.losses()]
    texts = {target / "rag.yaml": _rag(sizes, model)}
    if full:
        texts[target / "full_context.yaml"] = _full(sizes, model)
    texts[started.experiment] = _experiment(place, target, table, sizes, files, full=full)
    if not given:
        texts[table] = _template(files.documents)
    _write(texts)
    what = {"rag.yaml": "retrieval", "full_context.yaml": "full context", "experiment.yaml": "the comparison"}
    started.files = {path: what.get(path.name, "the template for questions") for path in texts}
    return started


def _table_of(place: Path) -> str:
    """Returns the folder's only table of questions; empty if it has none. Raises `DatasetError` for several."""
    tables = Folder(path=str(place)).tables()
    if len(tables) > 1:
        raise DatasetError(
            f"{place}: holds {len(tables)} tables of questions: {', '.join(tables)}. Choose one, or where to write the "
            "template: --questions FILE."
        )
    return str(place / tables[0]) if tables else ""


def _measured(documents: Sequence[Document], model: str) -> _Sizes:
    tokenizer = data_tokenizer(model)
    cutter = cast("Tokenizer", tokenizer)  # chunkers count and cut, and never render prompts
    counts = {document.id: tokenizer.size(document) for document in documents}
    largest = max(counts, key=lambda name: counts[name])
    window = window_of(model)
    if window is None:
        raise DatasetError(f"'{model}': its config.json, which states the window, is not on this machine.")
    embedding = data_tokenizer(EMBEDDER)
    most = json.loads(model_file(EMBEDDER, "sentence_bert_config.json").read_text(encoding="utf-8"))["max_seq_length"]
    for size in (one for one in _SIZES if one <= (window - _RESERVE) // 2 or one == _SIZES[-1]):
        chunks = [chunk.text for one in documents for chunk in Tokens(size=size, overlap=0).split(one, cutter)]
        longest = max(embedding.counts(chunks), default=0) + 2  # with the two tokens that begin and end a text
        if longest <= most:
            break
    return _Sizes(window, sum(counts.values()), counts[largest], largest, size, longest, most)


def _asked_over(dataset: Folder, sizes: _Sizes, model: str) -> int:
    """Returns the largest number of tokens that a question of the given table is asked over."""
    tokenizer = data_tokenizer(model)
    lossy = dataset.model_copy(update={"unreadable": "skip", "allow_loss": 1.0})
    found = {id(example.documents): example.documents for example in lossy.load()}
    return max((sum(map(tokenizer.size, documents)) for documents in found.values()), default=sizes.total)


def _facts(files: FolderFiles, sizes: _Sizes, asked_over: int, *, full: bool, given: bool) -> list[str]:
    what = "what a question of your table is asked over" if given else f"the largest, {sizes.largest_id},"
    passages = (
        f"passages of {sizes.chunk} tokens: the longest has {sizes.chunk_most} in the embedder's window of "
        f"{sizes.embedder_window}; {sizes.passages} of them are read."
    )
    if sizes.chunk_most > sizes.embedder_window:
        passages += " Longer ones are cut when they are embedded: choose smaller passages or another embedder."
    facts = [f"{len(files.documents):,} documents, {sizes.total:,} tokens; {what} has up to {asked_over:,}.", passages]
    if not full:
        facts.append(
            f"full context is left out: {asked_over:,} tokens do not fit the window of {sizes.window:,} beside "
            "question and answer. A model with a longer window (--model) reads them; so do routes that read in "
            "pieces, such as map_reduce and chain_of_agents."
        )
    elif not given and sizes.total > sizes.fits:
        facts.append(
            f"full context fits for questions that name their documents; one that names none is asked over all "
            f"{sizes.total:,} tokens, and loses the middle beyond {sizes.window:,}: reports count it as truncated."
        )
    return facts


def _rag(sizes: _Sizes, model: str) -> str:
    return f"""\
# rag.yaml - retrieve by meaning, read the best passages in the order of the document.
description: Dense retrieval, passages in document order.
generators: {{main: {{kind: transformers, model: {json.dumps(model)}}}}}
embedders: {{main: {{kind: sentence_transformer, model: "{EMBEDDER}"}}}}
routes:
  rag:
    kind: retrieve
    # The longest passage has {sizes.chunk_most} tokens of the embedder, whose window is {sizes.embedder_window}.
    chunker: {{kind: tokens, size: {sizes.chunk}, overlap: 0}}
    retriever: dense
    selector: {{kind: top_k, k: {sizes.passages}}}
    order: document
"""


def _full(sizes: _Sizes, model: str) -> str:
    return f"""\
# full_context.yaml - whole documents in the prompt; the window has {sizes.window:,} tokens.
description: Whole documents in the prompt.
generators: {{main: {{kind: transformers, model: {json.dumps(model)}}}}}
routes:
  full: {{kind: full_context, truncation: middle}}   # what does not fit loses its middle, and is counted
"""


def _experiment(place: Path, out: Path, table: Path, sizes: _Sizes, files: FolderFiles, *, full: bool) -> str:
    name = re.sub(r"[^\w .+-]", "-", place.name).strip(" .+-") or "documents"
    pipelines = "[full_context.yaml, rag.yaml]" if full else "[rag.yaml]"
    few = max(1, sizes.passages // 2)
    unread = [one.file for one in files.unread]
    exclude = f"\n  # exclude: {json.dumps(unread, ensure_ascii=False)}   # nothing was read of these" if unread else ""
    without = "" if full else "# Full context is left out: the documents do not fit the model's window.\n"
    return f"""\
# experiment.yaml - full context or retrieval for these documents and questions?
#   ragvlc check experiment.yaml    (what is read, how long it is, what to mend; rows of the template to edit)
#   ragvlc plan experiment.yaml     (what would be asked)
#   ragvlc run experiment.yaml      (stop and go on at any time)
{without}name: {json.dumps(name, ensure_ascii=False)}
description: Full context or retrieval, on our own documents and questions.
dataset:
  kind: folder
  path: {json.dumps(_seen_from(out, place), ensure_ascii=False)}
  questions: {json.dumps(_seen_from(place, table), ensure_ascii=False)}   # as seen from path{exclude}
pipelines: {pipelines}
axes:
  routes.rag.selector.k: [{", ".join(map(str, sorted({few, sizes.passages})))}]
metrics: [contains, token_f1, evidence_recall, answer_in_context]
"""


def _seen_from(start_at: Path, path: Path) -> str:
    try:
        return Path(os.path.relpath(path, start_at)).as_posix()
    except ValueError:  # on another drive
        return path.as_posix()


def _template(documents: Sequence[Document]) -> str:
    step = max(1, len(documents) // _EXAMPLES)
    rows = [["question", "answers", "documents", "evidence", "unanswerable"]]
    rows += [
        [f"{TEMPLATE}: a question that {one.id} answers", f"{TEMPLATE}: its answer", one.id, "", ""]
        for one in documents[::step][:_EXAMPLES]
    ]
    last = documents[-1].id
    rows.append([f"{TEMPLATE}: a question that {last} does not answer", "", last, "", "yes"])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return _HOW + text.getvalue()


def _write(texts: Mapping[Path, str]) -> None:
    """Writes the files, all or none. Raises `ConfigError` if one exists."""
    there = [str(path) for path in texts if path.exists()]
    if there:
        raise ConfigError(f"{', '.join(there)}: there already, and not overwritten. Choose another folder: --out DIR.")
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            # Excel takes a table for UTF-8 by its byte order mark.
            path.write_text(text, encoding="utf-8-sig" if path.suffix.lower() == ".csv" else "utf-8")
    except OSError as error:
        raise ConfigError(f"{error.filename}: cannot be written: {error.strerror}") from error
