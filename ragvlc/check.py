"""Checks documents and questions before a run: reads them, counts tokens and lists the problems to fix."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ragvlc import config
from ragvlc.core.data import Document, Example
from ragvlc.core.errors import DatasetError, nearest
from ragvlc.core.given_paths import path_of
from ragvlc.core.texts import word_count
from ragvlc.datasets.folder import Folder
from ragvlc.datasets.jsonl import Jsonl
from ragvlc.documents.balance import Balance, as_rows
from ragvlc.documents.dataset import Dataset, Examples, loaded
from ragvlc.documents.duplicates import equal_texts, near_texts
from ragvlc.documents.files import FolderFiles, read_file
from ragvlc.documents.lengths import Lengths, lengths_of
from ragvlc.documents.sources import jsonl_file
from ragvlc.documents.tokenizing import data_tokenizer, window_of
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.results.generated import generated_sentences
from ragvlc.text.matching import has_cjk, normalise

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

__all__ = ["WINDOWS", "Check", "Lengths", "check", "checked"]

WINDOWS: Mapping[str, int] = {"4k": 4096, "8k": 8192, "16k": 16384, "32k": 32768, "128k": 131072}
ESTIMATE = "words and marks (an estimate: name a tokenizer)"
SHOWN, MOST_FILES = 5, 30
MANY_WORDS = 20_000_000
CONTROL = re.compile(
    r"<\|[^\s<>|]{1,40}\|>|<｜[^<>｜]{1,40}｜>|\[/?INST\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>"
)
"""What models take for more than its letters, where it is not tokenised as data."""


class TokenCounter(Protocol):
    """An object that counts the tokens of a text."""

    def count(self, text: str) -> int:
        """Returns the number of tokens of a text."""
        ...


@dataclass
class Check:
    """The facts, problems and remarks that a check found in one data set.

    Attributes:
        name: of the data.
        facts: (what, how much) in the order to show.
        lengths: of documents, and of what questions are asked over.
        counted_by: whose tokens.
        problems: a sentence each: to be mended before a comparison means anything.
        remarks: a sentence each: to be known.
        balances: sheets of the files.
        notes: a sentence each about how the questions were read.
    """

    name: str
    counted_by: str = ESTIMATE
    facts: list[tuple[str, str]] = field(default_factory=list)
    lengths: list[Lengths] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    balances: list[Balance] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, balances: Iterable[Balance]) -> None:
        """Adds reports on the reading of files: lost text becomes a problem, a guessed encoding a remark."""
        for one in balances:
            self.balances.append(one)
            if lost := one.losses():
                self.problems.append(lost)
            if one.encoding and one.encoding.guessed:
                self.remarks.append(f"{one.file}: {one.encoding.sentence()}; set `encoding` if letters come out wrong.")

    def renderables(self) -> list[RenderableType]:
        """Returns the tables and lines that `ragvlc check` prints."""
        parts: list[RenderableType] = [_facts_table(self.name, self.facts), ""]
        if any(one.notable for one in self.balances):
            parts += [_table("What files hold and what was not read", *as_rows(self.balances, MOST_FILES)), ""]
        if self.lengths:
            parts += [_lengths_table(self), ""]
        sections = {"How the questions were read": self.notes, "To mend": self.problems, "To know": self.remarks}
        for title, sentences in sections.items():
            if sentences:
                parts += [f"{title}:", *(f"- {sentence}" for sentence in sentences), ""]
        return [*parts, "Nothing to mend." if not self.problems else f"To mend: {len(self.problems)}."]


def check(target: str | Path | Dataset, tokenizer: str = "", window: int | None = None) -> list[Check]:
    """Checks each data set that `target` names, and returns one result for each.

    Args:
        target: a folder of texts (with a table such as `questions.csv`, if there are questions), a folder with a
            `documents.jsonl`, one text, an experiment (YAML file or shipped name: each of its data sets), a data set.
        tokenizer: `packaged:NAME`, folder or hub id of the reader; for an experiment, that of its first generator.
        window: of the reader, in tokens; the model's own where its `config.json` states one.

    Raises:
        ConfigError, DatasetError: if there is nothing to look at.
    """
    if isinstance(target, Dataset):
        return [checked(target, *_reader(tokenizer), window=window or window_of(tokenizer))]
    place = path_of(target)
    if place.is_dir():
        return [checked(_dataset_in(place), *_reader(tokenizer), window=window or window_of(tokenizer))]
    if place.suffix in (".yaml", ".yml") or (not place.exists() and str(target) in config.shipped("experiments")):
        return _experiment(str(target), tokenizer, window)
    if not place.exists():
        known = [*(other.name for other in place.parent.glob("*")), *config.shipped("experiments")]
        raise DatasetError(f"{place}: no such folder, file or experiment.{nearest(place.name, known)}")
    counter, counted_by = _reader(tokenizer)
    found = Check(str(place), counted_by)
    document, balance = read_file(place)
    found.add([balance])
    if document is not None:
        _look_at_documents(found, [document], counter, _windows(window or window_of(tokenizer)))
    return [found]


def checked(
    dataset: Dataset,
    counter: TokenCounter | None = None,
    counted_by: str = ESTIMATE,
    *,
    window: int | None = None,
    examples: Examples | None = None,
) -> Check:
    """Checks one data set; a file or table that cannot be read is reported as a problem.

    Args:
        dataset: to look at.
        counter: counts tokens; words and marks without one.
        counted_by: whose tokens, for the table.
        window: of the reader, in tokens.
        examples: of the data set, if they are loaded already.
    """
    found = Check(dataset.name, counted_by)
    windows = _windows(window)
    counter = counter or WordTokenizer()
    documents = _documents(dataset, found)
    try:
        if examples is None:
            examples = _lossy(dataset).load() if _asks(dataset) else Examples()
    except DatasetError as error:
        found.problems += error.sentences
        examples = Examples()
    found.notes += examples.notes
    if not _holds_all(dataset):
        documents = list({one.id: one for example in examples for one in example.documents}.values())
    sizes = _look_at_documents(found, documents, counter, windows)
    if examples:
        _look_at_questions(found, examples, _Sizes(counter, sizes), windows)
    elif not _asks(dataset):
        found.remarks.append("There are no questions: the documents can be asked by hand (ragvlc ask).")
    return found


def _documents(dataset: Dataset, found: Check) -> list[Document]:
    """Returns the data set's documents, and adds the results of reading them to the check."""
    if isinstance(dataset, Folder):
        files = dataset.files()
        found.facts += [(f"{kind} files", f"{count:,}") for kind, count in sorted(files.read.items())]
        _account_for(found, files)
        return list(files.documents)
    if not _holds_all(dataset):
        return []
    try:
        return list(dataset.all_documents())
    except DatasetError as error:
        found.problems += error.sentences
        return []


def _account_for(found: Check, files: FolderFiles) -> None:
    """Adds to the check which files of a folder were read, skipped or unreadable."""
    if files.unread:
        found.facts.append(("files not read", f"{len(files.unread):,}"))
    if files.passed_over:
        kinds = ", ".join(f"{count} {ending}" for ending, count in sorted(files.passed_over.items()))
        found.facts.append(("no documents, not read", kinds))
    if files.hidden:
        found.facts.append(("hidden files, not read", f"{files.hidden:,}"))
    if files.tables:
        found.facts.append(("tables of questions, no documents", _listing(files.tables)))
    if files.results:
        found.facts.append(("results of ragvlc, not read", _listing(files.results)))
    found.add(files.balances)
    pictures = [ending for ending in (".png", ".jpg", ".jpeg") if ending in files.passed_over]
    if pictures:
        found.remarks.append(
            f"pictures are not read ({', '.join(pictures)}): if they are scans, their text is missing."
        )


def _holds_all(dataset: Dataset) -> bool:
    """Returns whether to check all documents of the data set, and not only those that its questions use."""
    whole = dataset.scope == "corpus" or dataset.pad_to_tokens is not None
    return whole or isinstance(dataset, (Folder, Jsonl))


def _lossy(dataset: Dataset) -> Dataset:
    """Returns the data set without its refusal of files that lost text, which are listed apart."""
    lossy = dataset.model_copy(update={"unreadable": "skip", "allow_loss": 1.0})
    return lossy if isinstance(dataset, Folder) else dataset


def _asks(dataset: Dataset) -> bool:
    if isinstance(dataset, Folder):
        return bool(dataset.tables())
    return not (
        isinstance(dataset, Jsonl) and not dataset.questions and jsonl_file(Path(dataset.path), "questions") is None
    )


def _look_at_documents(
    found: Check, documents: Sequence[Document], counter: TokenCounter, windows: Mapping[str, int]
) -> dict[str, int]:
    """Adds facts and problems of the documents to the check; returns each document's token count, by document key."""
    words = sum(word_count(document.text) for document in documents)
    found.facts += [("documents", f"{len(documents):,}"), ("words", f"{words:,}")]
    if not documents and not found.problems:  # else those say why
        found.problems.append("no documents with text.")
    blank = [document.id for document in documents if not document.text.strip()]
    if blank:
        found.problems.append(f"without text: {_listing(blank)}.")
    sizes = {document.key: counter.count(document.text) for document in documents}
    if documents:
        found.lengths.append(lengths_of("a document", sorted(sizes[one.key] for one in documents), windows))
        found.facts.append(("tokens", f"{sum(sizes[one.key] for one in documents):,}"))
    for group in equal_texts(documents):
        found.problems.append(f"the same text {len(group)} times: {_listing(group)}. Keep one.")
    if words > MANY_WORDS:
        found.remarks.append(f"Nearly equal documents were not looked for, among more than {MANY_WORDS:,} words.")
    else:
        pairs = near_texts(documents)
        for one, other, share in pairs[:SHOWN]:
            found.remarks.append(f"nearly the same text ({share:.0%} of its word groups): {one} and {other}.")
        if len(pairs) > SHOWN:
            found.remarks.append(f"... and {len(pairs) - SHOWN} more pairs of nearly the same text.")
    control: Counter[str] = Counter()
    for document in documents:
        control.update(dict.fromkeys(_control_strings(document.text, counter), 1))
    if control:
        listing = ", ".join(f"{text!r} in {count}" for text, count in control.most_common(SHOWN))
        found.remarks.append(f"control strings of models in documents, sent as ordinary text: {listing}.")
    return sizes


def _look_at_questions(found: Check, examples: Examples, sizes: _Sizes, windows: Mapping[str, int]) -> None:
    found.facts.append(("questions", f"{len(examples):,}"))
    tags = [one.tags for one in examples]
    found.facts += [("origin", one) for one in generated_sentences([(tags, examples.skipped)])]
    tasks = Counter(example.task for example in examples)
    if len(tasks) > 1:
        found.facts.append(("by task", ", ".join(f"{task} {count}" for task, count in tasks.most_common())))
    found.facts += [(f"left out: {reason}", f"{count:,}") for reason, count in examples.skipped.items()]
    asked_over = sorted(sizes.of(example.documents) for example in examples)
    found.lengths.append(lengths_of("what a question is asked over", asked_over, windows))
    standing = Counter(str(example.tags.get("evidence", "")) for example in examples)
    located = sum(bool(example.evidence) for example in examples)
    found.facts.append(("with located evidence", f"{located:,}"))
    lost = [one.id for one in examples if one.tags.get("evidence") in ("not located", "partly located")]
    if lost:
        part = f", {standing['partly located']} of them partly" if standing["partly located"] else ""
        found.problems.append(f"evidence that stands in no document, of {len(lost)} questions{part}: {_listing(lost)}.")
    unknown = [
        example.id for example in examples if not (example.references or example.unanswerable or example.relevant)
    ]
    if unknown:
        found.remarks.append(f"questions with no answer to compare with: {len(unknown)} ({_listing(unknown)}).")
    absent = list(_without_answer(examples))
    if absent:
        found.remarks.append(
            f"questions without an answer that stands word for word in their documents (usual where answers are worded "
            f"freely): {len(absent)} ({_listing(absent)})."
        )


def _without_answer(examples: Sequence[Example]) -> Iterator[str]:
    """Yields the ids of questions whose reference answers are not in their documents; skips choices and summaries."""
    words: dict[tuple[str, bool], str] = {}
    for example in examples:
        if not example.references or example.query.choices or example.query.form == "summary":
            continue
        cjk = has_cjk(example.references)
        wanted = [normalise(reference, cjk=cjk) for reference in example.references]
        for document in example.documents:
            if (document.key, cjk) not in words:
                words[document.key, cjk] = normalise(document.text, cjk=cjk)
        if not any(one in words[document.key, cjk] for document in example.documents for one in wanted if one.strip()):
            yield example.id


@dataclass
class _Sizes:
    """Caches the token counts of documents and of tuples of documents."""

    counter: TokenCounter
    known: dict[str, int]
    _tuples: dict[int, int] = field(default_factory=dict)

    def of(self, documents: tuple[Document, ...]) -> int:
        if id(documents) not in self._tuples:
            for document in documents:
                if document.key not in self.known:
                    self.known[document.key] = self.counter.count(document.text)
            self._tuples[id(documents)] = sum(self.known[document.key] for document in documents)
        return self._tuples[id(documents)]


def _experiment(name: str, tokenizer: str, window: int | None) -> list[Check]:
    from ragvlc.sweep.plan import plan, remarks
    from ragvlc.sweep.racing import check_strategy
    from ragvlc.sweep.spec import Sweep
    from ragvlc.sweep.windows import cut_remarks

    cells = plan(sweep := Sweep.load(name))
    generator = next(iter(cells[0].pipeline.generators.values()))
    counter, counted_by = _reader(tokenizer)
    if not tokenizer:
        counter, counted_by = generator.tokenizer(), str(getattr(generator, "model", generator.kind))
    own = window or getattr(generator, "window", None) or window_of(tokenizer or str(getattr(generator, "model", "")))
    datasets = {cell.dataset.key: cell.dataset for cell in cells}
    asked: dict[str, Examples] = {}
    with suppress(DatasetError):  # each data set says below what is wrong with it
        asked = loaded({key: _lossy(dataset) for key, dataset in datasets.items() if _asks(dataset)})
    check_strategy(sweep, [cell for cell in cells if cell.dataset.key in asked], asked)
    found = []
    for key, dataset in datasets.items():
        one = checked(dataset, counter, counted_by, window=own, examples=asked.get(key))
        own_cells = [cell for cell in cells if cell.dataset.key == key]
        one.remarks += [*remarks(own_cells), *(cut_remarks(own_cells, {key: asked[key]}) if key in asked else [])]
        found.append(one)
    return found


def _dataset_in(folder: Path) -> Dataset:
    if jsonl_file(folder, "documents"):
        return Jsonl(path=str(folder))
    return Folder(path=str(folder), unreadable="skip")


def _reader(tokenizer: str) -> tuple[TokenCounter, str]:
    return (data_tokenizer(tokenizer), tokenizer) if tokenizer else (WordTokenizer(), ESTIMATE)


def _windows(own: int | None) -> dict[str, int]:
    named = {f"{name} (the reader's)" if most == own else name: most for name, most in WINDOWS.items()}
    return named if own is None or own in WINDOWS.values() else {**named, f"{own:,} (the reader's)": own}


def _control_strings(text: str, counter: TokenCounter) -> set[str]:
    own: Sequence[str] = getattr(counter, "control", ())
    return {match[0] for match in CONTROL.finditer(text)} | {one for one in own if one in text}


def _listing(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def _facts_table(name: str, facts: Sequence[tuple[str, str]]) -> Table:
    table = _table(name, ["", ""], facts)
    table.show_header = False
    table.columns[1].justify = "left"
    return table


def _lengths_table(found: Check) -> Table:
    over = [f"over {name}" for name in found.lengths[0].over]
    rows = [
        (one.what, *(f"{n:,}" for n in (len(one.sizes), *map(one.quantile, (0.0, 0.5, 0.95, 1.0)), *one.over.values())))
        for one in found.lengths
    ]
    return _table(f"Tokens, by {found.counted_by}", ["", "number", "least", "median", "95 %", "most", *over], rows)


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left")
    for row in rows:
        table.add_row(*row)
    return table
