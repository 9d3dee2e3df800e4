"""Several pipelines and questions in one `ask`: which word is what, the table in the terminal, and the page."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ragvlc.cli.app import is_quiet, out
from ragvlc.cli.interrupting import received
from ragvlc.core.errors import ConfigError, DatasetError, StoreError, nearest
from ragvlc.core.given_paths import path_of
from ragvlc.core.texts import one_line, visible

if TYPE_CHECKING:
    from rich.table import Table

    from ragvlc.analysis.results import Results
    from ragvlc.asking.ask import AskedQuestions
    from ragvlc.core.data import Document
    from ragvlc.pipeline import Pipeline

__all__ = ["AskedWords", "compare_on_page", "page_place", "sorted_words", "unique_documents"]

_YAML = (".yaml", ".yml")
_DOCUMENTS = frozenset(
    {".csv", ".docx", ".eml", ".epub", ".htm", ".html", ".ipynb", ".json", ".jsonl", ".md", ".pdf", ".pptx"}
    | {".rst", ".tsv", ".txt", ".xlsx"}
)
_MOST_SHOWN = 8
"""The most questions whose answers a terminal shows; the page has all."""
_LONGEST_ANSWER = 160


@dataclass(frozen=True, slots=True)
class AskedWords:
    """The words of an `ask`, by what they are.

    Attributes:
        pipelines: names or files, each once.
        documents: files and folders.
        questions: as typed.
    """

    pipelines: tuple[str, ...]
    documents: tuple[Path, ...]
    questions: tuple[str, ...]


def sorted_words(
    words: Sequence[str], pipelines: Sequence[str], documents: Sequence[Path], file: Path | None
) -> AskedWords:
    """Returns which word is a pipeline, a document or a question.

    The first words are pipelines (shipped names, YAML files) and documents (files and folders that exist), in any
    order; the rest are questions. Where neither came first, a first word without a blank is a slip of one of them.

    Raises:
        ConfigError: there is no question, or a file of questions beside typed ones.
        DatasetError: a word looks like a file and is none.
    """
    from ragvlc.asking.ask import DEFAULT
    from ragvlc.config import shipped

    rest, named, files = list(words), list(pipelines), list(documents)
    known = shipped("pipelines")
    least = 0 if file is not None else 1  # the last word is a question
    while len(rest) > least and (_is_pipeline(rest[0], known) or _is_path(rest[0])):
        word = rest.pop(0)
        if _is_pipeline(word, known):
            named.append(word)
        else:
            files.append(path_of(word))
    if rest and not named and len(files) == len(documents) and len(rest) > least and len(rest[0].split()) == 1:
        if path_of(rest[0]).suffix.lower() in _DOCUMENTS:
            around = [other.name for other in path_of(rest[0]).parent.glob("*")]
            raise DatasetError(f"{rest[0]}: no such file or folder.{nearest(path_of(rest[0]).name, around)}")
        named.append(rest.pop(0))  # a slip of a pipeline's name: the error says so
    if file is not None and rest:
        raise ConfigError(f"--questions {file}: takes no further questions. Put '{rest[0]}' into the file.")
    lacking = file is None and not any(one.strip() for one in rest)
    if lacking or (len(rest) == 1 and not named and (_is_pipeline(rest[0], known) or _is_path(rest[0]))):
        raise ConfigError('ask: needs a question, such as: ragvlc ask paper.pdf "What was measured?"')
    if not named and not files:
        raise ConfigError('ask: needs a document, such as: ragvlc ask paper.pdf "What was measured?"')
    return AskedWords(tuple(dict.fromkeys(named or DEFAULT)), tuple(dict.fromkeys(files)), tuple(rest))


def unique_documents(documents: Sequence[Document]) -> list[Document]:
    """Returns the documents with ids of their own: of the same name, the second is `name (2)`."""
    seen: dict[str, int] = {}
    found = []
    for one in documents:
        seen[one.id] = number = seen.get(one.id, 0) + 1
        found.append(one if number == 1 else replace(one, id=f"{one.id} ({number})"))
    return found


def page_place(page: Path) -> Path:
    """Returns where the page is written: a new file, or a page of an earlier `ask`.

    Raises:
        ConfigError: a folder or any other file is there, such as a document.
    """
    place = path_of(page)
    if place.is_dir():
        raise ConfigError(f"--page {place}: is a folder. Name a file, such as {place / 'ask.html'}.")
    if place.is_file() and not _is_page(place):
        raise ConfigError(f"--page {place}: is there already, and is no page of ask. Name another file.")
    return place


def _is_page(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(2000)
    except OSError:
        return False
    return b'<meta name="generator" content="ragvlc">' in start and b"- ragvlc ask</title>" in start


def compare_on_page(asked: AskedQuestions, words: AskedWords, page: Path) -> None:
    """Asks every pipeline every question, prints a table, and writes the page; exits with 1 if a question failed."""
    from ragvlc.analysis.asked import asked_page
    from ragvlc.asking.ask import answers_of
    from ragvlc.memo.disk import write_whole
    from ragvlc.progress import Progress
    from ragvlc.sweep.runner import SweepInterrupted

    place = path_of(page)
    try:
        with Progress(quiet=is_quiet()) as watcher, answers_of(asked, _loaded(words.pipelines), watcher) as results:
            text = asked_page(results, {one.id: one.text for one in asked.documents}, _title(words))
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                write_whole(place, text.encode("utf-8", "replace"))
            except OSError as error:
                raise StoreError(f"{place}: cannot be written: {error.strerror or error}.") from error
            failed = _print_answers(results)
    except SweepInterrupted as stopped:
        received.tell(f"interrupted: {stopped.stored} of {stopped.total} answers came. The page is not written.")
        raise
    out().print(f"Answers side by side, with what each pipeline read: {place}", soft_wrap=True)
    sys.exit(1 if failed else 0)


def _print_answers(results: Results) -> int:
    """Prints the table, what it says in sentences, and what was lost; returns the number of failed answers."""
    from ragvlc.analysis.asked import asked_sentences
    from ragvlc.results.unanswered import advice

    table, left = _table(results)
    out().print(table)
    lines = [f"and {left} more questions: the page has them."] if left else []
    lines += asked_sentences(results) + advice([cell.summary["no_answer_causes"] for cell in results.cells])
    failed = 0
    for cell in results.cells:
        messages = [row.failure.message for row in cell.rows.values() if row.failure is not None]
        failed += len(messages)
        lines += [f"{cell.name}: {_several(len(messages))} failed. {one_line(messages[0], 400)}"] if messages else []
        if cut := cell.summary["truncated"]:
            lines.append(f"{cell.name}: text did not fit the window and was left out, at {_several(cut)}.")
        if short := cell.summary["cut_short"]:
            lines.append(
                f"{cell.name}: the answer ends at its limit of tokens (`answer_tokens`), at {_several(short)}."
            )
        if cut := cell.summary["flags"].get("prompt_cut"):
            lines.append(f"{cell.name}: the server cut the prompts of {_several(cut)}: start it with a larger window.")
    for line in lines:
        out().print(line, soft_wrap=True)
    return failed


def _several(count: int) -> str:
    return f"{count:,} question{'' if count == 1 else 's'}"


def _loaded(names: Sequence[str]) -> dict[str, Pipeline]:
    from ragvlc.pipeline import Pipeline

    found: dict[str, Pipeline] = {}
    for name in names:
        stem = Path(name).stem if path_of(name).suffix.lower() in _YAML else name
        found[stem if stem not in found else name] = Pipeline.load(name)
    return found


def _title(words: AskedWords) -> str:
    names = [one.name for one in words.documents]
    if not names:
        return "Questions without documents"
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} and {len(names) - 1} more"


def _table(results: Results) -> tuple[Table, int]:
    """Returns the answers as a table for a terminal, and the number of questions left out of it."""
    from rich.table import Table

    from ragvlc.analysis.asked import asked_replies, scored

    names = list(results.cells[0].examples)
    labels = scored(results)
    money = any(cell.summary.get("cost") for cell in results.cells)
    heads = ["pipeline", "answer", "tokens", "seconds", *(["money"] if money else []), *labels[:1]]
    table = Table(box=None, pad_edge=False)
    for head in heads:
        table.add_column(head, justify="left" if head in ("pipeline", "answer") else "right", overflow="fold")
    for place, name in enumerate(names[:_MOST_SHOWN]):
        question = one_line(str(results.cells[0].examples[name]["question"]), _LONGEST_ANSWER)
        table.add_row("", f"{place + 1}. {visible(question)}", style="bold")
        for reply in asked_replies(results, name):
            scores = dict(reply.scores)
            figures = [_number(reply.tokens, 0), _number(reply.seconds, 2)]
            figures += [_number(reply.money, 6)] if money else []
            text = visible(one_line(reply.text, _LONGEST_ANSWER))
            table.add_row(reply.cell, text, *figures, *(scores.get(label, "-") for label in labels[:1]))
    return table, max(0, len(names) - _MOST_SHOWN)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _is_pipeline(word: str, known: Mapping[str, Path]) -> bool:
    return word in known or word.lower().endswith(_YAML)


def _is_path(word: str) -> bool:
    try:
        return path_of(word).exists()
    except (OSError, ValueError, ConfigError):  # a question may be longer than a name may be
        return False
