"""The contract of data sets: complete examples, nested limits, contexts of other documents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import get_args, get_origin

from pydantic.fields import FieldInfo

from ragvlc.core.component import Execution, PathMark, fields_of
from ragvlc.core.data import Document, Example
from ragvlc.core.errors import DatasetError, RagvlcError
from ragvlc.documents.dataset import Dataset
from ragvlc.documents.padding import TOLERANCE, own_documents
from ragvlc.documents.tokenizing import data_tokenizer
from ragvlc.testing.trial import Broken, Trial, require

__all__ = ["CLAUSES"]

_LIMITS = 12
_PADDING_DOCUMENTS = 40
_FILLER = "So the river runs on past the mill, and nobody asks it why."


def examples_are_whole(trial: Trial) -> None:
    """Every example has a question, documents, a cluster, and gold that is in its documents."""
    dataset: Dataset = trial.build()
    examples = dataset.load()
    require(examples, "read() returns no example. Return at least one, or raise DatasetError.")
    require(dataset.name, "its name is empty. Define `source` as a short name for tables.")
    unknown = 0
    for example in examples:
        _is_whole(example)
        unknown += not (example.references or example.unanswerable or example.relevant)
    if unknown:
        trial.notes.append(
            f"{unknown} of {len(examples)} examples have neither references nor relevant documents and are not "
            "marked unanswerable: no score applies to them."
        )


def _is_whole(example: Example) -> None:
    name, texts = f"example '{example.id}'", {document.id: document.text for document in example.documents}
    require(
        isinstance(example.documents, tuple) and isinstance(example.references, tuple),
        f"{name} has lists where tuples belong. Give documents and references as tuples.",
    )
    require(
        example.query.text.strip(), f"{name} has no question. Leave it out, and count it in Examples(..., skipped)."
    )
    require(texts, f"{name} has no documents. Give it those that it is asked over.")
    require(len(texts) == len(example.documents), f"{name} has two documents with one id. Give each its own.")
    empty = ", ".join(name for name, text in texts.items() if not text)
    require(not empty, f"{name} has documents without text: {empty}. Leave them out.")
    require(
        example.cluster,
        f"{name} has no cluster. Name what resampling keeps together: the document's id, or the example's own where it "
        "is independent of all others.",
    )
    if example.query.choices and not example.unanswerable:
        require(
            set(example.references) <= set(example.query.choices),
            f"{name} has references that are none of its choices. Give the texts of the right choices.",
        )
    for span in example.evidence:
        require(
            0 <= span.start < span.end <= len(texts.get(span.document_id, "")),
            f"{name} has evidence at {span}, which is not in its documents. Count characters of the document's text.",
        )
    require(
        set(example.relevant) <= set(texts),
        f"{name} has relevant documents that it is not asked over. Add them to its documents.",
    )


def a_limit_nests_and_keeps_the_order(trial: Trial) -> None:
    """A smaller limit selects a part of a larger limit's questions, in the set's order, with the same key."""
    everything = trial.build().load()
    key, before = trial.build().key, set[str]()
    for limit in range(1, min(len(everything), _LIMITS) + 1):
        dataset: Dataset = trial.build(limit=limit)
        chosen = [example.id for example in dataset.load()]
        require(
            len(chosen) == limit
            and before <= set(chosen)
            and chosen == [example.id for example in everything if example.id in set(chosen)],
            f"limit: {limit} asks {chosen[:5]}, not {limit} questions in the set's order with those of a smaller limit "
            "among them. Leave `load` as inherited, and read the same examples in the same order each time.",
        )
        require(dataset.key == key, "limit changes its key. Leave `key_facts` as inherited.")
        before = set(chosen)


def reading_twice_gives_the_same(trial: Trial) -> None:
    """Reading a data set twice gives equal examples with equal keys."""
    first, again = trial.build().load(), trial.build().load()
    require(
        first == again and [example.key for example in first] == [example.key for example in again],
        "read() returns other examples the second time. Draw from random.Random with a seed that is a setting.",
    )


def it_can_be_asked_over_all_its_documents(trial: Trial) -> None:
    """With `scope: corpus`, each question's context is every document of the set, including its own."""
    dataset: Dataset = trial.build(scope="corpus")
    plain = {example.id: example for example in trial.build().load()}
    corpus = {document.id: document for document in dataset.all_documents()}
    for example in dataset.load():
        own = plain[example.id]
        if own.relevant:  # a search over a collection of its own
            require(example == own, f"scope: corpus changes the search '{example.id}'. Leave `load` as inherited.")
            continue
        strangers = [document.id for document in own.documents if corpus.get(document.id) != document]
        require(
            not strangers,
            f"collection() does not hold {', '.join(strangers)}, which '{example.id}' is asked over. Return every "
            "document of the set.",
        )
        require(
            [document.id for document in example.documents] == list(corpus),
            f"scope: corpus asks '{example.id}' over {len(example.documents)} of {len(corpus)} documents. Leave `load` "
            "as inherited.",
        )


def it_can_be_asked_over_contexts_of_one_length(trial: Trial) -> None:
    """With `pad_to_tokens`, contexts have up to 2 % fewer tokens than that, and the question's documents are uncut."""
    tokenizer = data_tokenizer(_word_tokenizer(trial.folder))
    plain = {example.id: example for example in trial.build().load()}
    owned = {name: own_documents(example) for name, example in plain.items()}
    longest = max(sum(map(tokenizer.size, documents)) for documents in owned.values())
    tokens = longest + 400
    padded = trial.build(
        pad_to_tokens=tokens,
        pad_tokenizer=_word_tokenizer(trial.folder),
        pad_from=str(_filler(trial.folder, longest)),
    )
    try:
        examples: Sequence[Example] = padded.load()
    except DatasetError as error:
        raise Broken(f"it cannot be padded: {error}") from None
    require(len(examples) == len(plain), "pad_to_tokens leaves out questions that fit. Leave `load` as inherited.")
    for example in examples:
        held: dict[str, Document] = {document.id: document for document in example.documents}
        cut = [document.id for document in owned[example.id] if held.get(document.id) != document]
        require(
            not cut, f"'{example.id}' is asked without {', '.join(cut)}, or with it cut. Leave `load` as inherited."
        )
        size = sum(map(tokenizer.size, example.documents))
        require(
            tokens * (1 - TOLERANCE) <= size <= tokens,
            f"'{example.id}' is asked over {size} tokens in place of {tokens}. Leave `load` as inherited.",
        )


def another_file_is_another_set(trial: Trial) -> None:
    """If a path setting is marked `Execution`, `identity` names the file: two files are two data sets."""
    for name, info in fields_of(trial.part).items():
        if name in Dataset.model_fields or Execution not in info.metadata or not _is_one_path(info):
            continue
        try:
            key, other = (trial.build(**change).key for change in ({}, {name: str(trial.folder / "other" / "place")}))
        except (RagvlcError, OSError, ValueError):
            continue  # it reads the file for its key
        require(
            key != other,
            f"{name} is marked Execution, and nothing names the file in the key: an experiment over two files would "
            f'ask one. Return it from `identity`: {{"file": "/".join(Path(self.{name}).parts[-2:])}}.',
        )


def _is_one_path(info: FieldInfo) -> bool:
    marks = [*info.metadata, *(mark for inner in get_args(info.annotation) for mark in get_args(inner)[1:])]
    several = get_origin(info.annotation) in (tuple, list)
    return not several and any(isinstance(mark, PathMark) and not mark.dotted for mark in marks)


def _word_tokenizer(folder: Path) -> str:
    """Returns the path of a `tokenizer.json` that counts words and punctuation, for padding without a model."""
    file = folder / "words" / "tokenizer.json"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        rules: dict[str, object] = {
            "version": "1.0",
            "added_tokens": [],
            "normalizer": None,
            "pre_tokenizer": {"type": "Whitespace"},
            "decoder": None,
            "model": {"type": "WordLevel", "vocab": {"word": 0}, "unk_token": "word"},
        }
        file.write_text(json.dumps(rules), encoding="utf-8")
    return str(file)


def _filler(folder: Path, words: int) -> Path:
    """Returns the path of a documents file with at least `words` + 400 words, in many similar documents."""
    file = folder / "filler" / "documents.jsonl"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        sentences = max(8, (words + 800) // _PADDING_DOCUMENTS // len(_FILLER.split()) + 1)
        numbers = count()
        rows = [
            {"doc_id": f"filler-{n}", "text": " ".join(f"{_FILLER} {next(numbers)}." for _ in range(sentences))}
            for n in range(_PADDING_DOCUMENTS)
        ]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


CLAUSES = (
    examples_are_whole,
    a_limit_nests_and_keeps_the_order,
    reading_twice_gives_the_same,
    another_file_is_another_set,
    it_can_be_asked_over_all_its_documents,
    it_can_be_asked_over_contexts_of_one_length,
)
