"""Base class of data sets: reads examples, and chooses the documents in each question's context.

A kind defines `read`; everything else works for all of them: `limit`, contexts of one length, all documents of the set.

    class Notes(Dataset):
        path: FilePath

        def read(self) -> Sequence[Example]:
            rows = json.loads(Path(self.path).read_text())
            notes = {row["note"]: Document(row["note"], row["text"]) for row in rows}
            return [
                Example(Query(row["id"], row["question"]), (notes[row["note"]],), (row["answer"],), cluster=row["note"])
                for row in rows
            ]
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ragvlc import packaged
from ragvlc.core.activity import doing
from ragvlc.core.component import Component, Execution, FilePath
from ragvlc.core.data import Document, Example, content_key
from ragvlc.core.errors import DatasetError, RagvlcError, nearest, raised_at
from ragvlc.core.outside import file_of
from ragvlc.documents.grouping import Groups, counted
from ragvlc.documents.padding import Impossible, Padding, own_documents
from ragvlc.documents.sources import documents_at
from ragvlc.documents.tokenizing import data_tokenizer

__all__ = ["REJECTED", "Dataset", "Examples", "loaded"]

REJECTED = "rejected by a reviewer"
"""Why a generated question is left out that a person has rejected."""

Share = Annotated[float, Field(ge=0, le=1)]
Shape = Callable[[Example, int], Example | Impossible]
_CONTEXT = frozenset({"scope", "group_by", "pad_to_tokens", "pad_tokenizer", "pad_depth", "pad_from"})
_CONTEXT |= {"pad_document_tokens", "pad_seed"}
"""Settings that change what a question is asked over, and not which questions there are."""
_SHOWN = 5
"""Repeated ids that an error names."""


class Examples(tuple[Example, ...]):
    """A sequence of examples, with counts of the examples that were left out, by reason.

    Attributes:
        skipped: counts by reason.
        notes: a sentence each about how the questions were read, such as what each column of a table holds.
    """

    skipped: Mapping[str, int]
    notes: tuple[str, ...]

    def __new__(
        cls, examples: Iterable[Example] = (), skipped: Mapping[str, int] | None = None, notes: Iterable[str] = ()
    ) -> Self:
        """Returns the examples together with the counts of those left out, and notes."""
        found = super().__new__(cls, examples)
        found.skipped, found.notes = dict(skipped or {}), tuple(notes)
        return found


class Dataset(Component):
    """A source of examples; the context is the question's own documents, all documents, or is padded to one length.

    The order is: read, choose `limit` questions, change what they are asked over. Questions that cannot be asked so, as
    their own documents are longer than `pad_to_tokens`, do not count and are counted. A sweep over several lengths asks
    the questions that are possible at each of them.

    A kind defines `read`. Where its documents are more than those of its questions, it defines `collection` too, and
    `source` where a table should say more than its kind. Errors of its code become a `DatasetError` that says where.

    Attributes:
        limit: number of questions to ask: the first possible ones of a permutation seeded by `seed`, so that smaller
            limits nest in larger ones; the chosen examples keep the data set's order. None asks all.
        seed: of that permutation.
        scope: `example` asks over the question's own documents, `corpus` over all documents of the set, in its order.
            The own documents are then the relevant ones. A question that the own documents leave unanswered may be
            answered by others. Questions that search a collection already stay as they are.
        group_by: name of a field in the documents' metadata, dotted inside: `corpus` and `pad_to_tokens` then take
            documents only whose value is that of the question's documents. Changes nothing otherwise.
        pad_to_tokens: ask over contexts of so many tokens, or up to 2 % fewer: the own documents, uncut, among others
            that hold none of the references (of four letters or more; two in Chinese and Japanese: shorter ones stand
            nearly everywhere), are no other form of them (same title, or same id before "@"), and come in an order
            seeded by question. The last one is cut at the end of a sentence. Of two lengths, the shorter one's other
            documents begin the longer one's.
        pad_tokenizer: whose tokens are counted: `packaged:NAME`, a folder, or a hub id. Needed by `pad_to_tokens`.
        pad_depth: share of the other documents' tokens that stands before the own ones, as nearly as whole documents
            allow; `spread` goes evenly from 0 to 1 over the questions, each with the same depth at every length;
            `scatter` gives each own document a place by chance, their order kept.
        pad_from: other documents to fill up with, in place of the set's: a documents file or a folder.
        pad_document_tokens: take at most so many tokens of one other document, so that many stand beside the own ones;
            None for whole documents.
        pad_seed: of the order of the other documents and of scattered places.
    """

    family: ClassVar[str] = "datasets"
    later_fields: ClassVar[frozenset[str]] = frozenset(
        {"scope", "group_by", "pad_to_tokens", "pad_depth", "pad_document_tokens", "pad_seed"}
    )

    limit: Annotated[int | None, Field(ge=1), Execution] = None
    seed: Annotated[int, Execution] = 0
    scope: Literal["example", "corpus"] = "example"
    group_by: str = ""
    pad_to_tokens: Annotated[int, Field(ge=1)] | None = None
    pad_tokenizer: Annotated[packaged.Model, Execution] = ""
    pad_depth: Literal["spread", "scatter"] | Share = "spread"
    pad_from: Annotated[FilePath | None, Execution] = None
    pad_document_tokens: Annotated[int, Field(ge=1)] | None = None
    pad_seed: int = 0

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        if self.pad_to_tokens and self.scope == "corpus":
            raise ValueError("pad_to_tokens and scope: corpus both say what a question is asked over. Choose one.")
        return self

    @property
    def name(self) -> str:
        """The source's name, with the scope or the context length if those are not the defaults."""
        words = [self.source]
        if self.scope == "corpus":
            words.append(f"corpus by {self.group_by}" if self.group_by else "corpus")
        if self.pad_to_tokens:
            words.append(f"{self.pad_to_tokens} tokens")
        return ", ".join(words)

    @property
    def source(self) -> str:
        """The name of the data source; by default the data set's class as named in YAML."""
        return self.kind

    def key_facts(self) -> dict[str, Any]:
        """Returns the settings that enter the data set's key; document texts are hashed with each example instead."""
        facts = super().key_facts()
        names = {"pad_tokenizer": self.pad_tokenizer, "pad_from": self.pad_from} if self.pad_to_tokens else {}
        padded = {name: "/".join(Path(value).parts[-2:]) for name, value in names.items() if value}
        return {**facts, "identity": {**padded, **facts["identity"]}}

    @abstractmethod
    def read(self) -> Sequence[Example]:
        """Returns every example that passes the filters, in the data set's order; `Examples` counts those left out."""

    def collection(self) -> Sequence[Document]:
        """Returns every document of the set, including those without a question; by default, those of the questions."""
        return self._documents_of(self._read())

    def all_documents(self) -> Sequence[Document]:
        """Returns the documents of `collection`; errors in its code become a `DatasetError` that names the place."""
        with self._own_errors("collection"):
            return self.collection()

    def losses(self) -> Sequence[Mapping[str, Any]]:
        """Returns what was read and lost of each file that was not read in full, as JSON; empty for most data sets."""
        return ()

    def load(self) -> Examples:
        """Returns the examples to ask, with counts of those left out, by reason. Raises `DatasetError`."""
        return _together([self])[0]

    def _read(self) -> Sequence[Example]:
        """Returns the examples of `read`, after checking that they are a sequence of examples with unique ids."""
        with self._own_errors("read"), doing("reading documents"):
            found: object = self.read()
        if not isinstance(found, Sequence) or isinstance(found, str):
            raise DatasetError(f"{self.kind}: read() must return a list of Example, not {type(found).__name__}.")
        first: dict[str, int] = {}
        repeated = []
        for place, example in enumerate(found):
            if not isinstance(example, Example):
                raise DatasetError(
                    f"{self.kind}: read() must return a list of Example; item {place + 1} is {type(example).__name__}."
                )
            if first.setdefault(example.id, place) != place:
                repeated.append((found[first[example.id]], first[example.id], example, place))
        if repeated:
            more = f" {len(repeated) - _SHOWN} more ids are repeated." if len(repeated) > _SHOWN else ""
            listing = " ".join(
                f"'{one.id}' is question {place + 1} ({_brief(one)}) and question {other_place + 1} ({_brief(other)})."
                for one, place, other, other_place in repeated[:_SHOWN]
            )
            raise DatasetError(f"{self.source}: two questions have the same id: {listing}{more} Give each its own id.")
        return found

    @contextmanager
    def _own_errors(self, method: str) -> Iterator[None]:
        """Turns errors in a data set's code into a `DatasetError` that names the class, the file and the line."""
        try:
            yield
        except RagvlcError:
            raise
        except OSError as error:
            place, missing = Path(str(error.filename)), isinstance(error, FileNotFoundError)
            around = [other.name for other in place.parent.glob("*")] if missing and error.filename else []
            what = f"{place}: {error.strerror}" if error.filename else str(error)
            where = raised_at(error, file_of(type(self)))
            raise DatasetError(f"{self.kind}: {what} ({where}).{nearest(place.name, around)}") from error
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            where = raised_at(error, file_of(type(self)))
            raise DatasetError(f"{self.kind}: {method}() failed with {said} ({where}).") from error

    def _collection(self, found: Sequence[Example]) -> Sequence[Document]:
        if type(self).collection is Dataset.collection:
            return self._documents_of(found)  # nothing is read twice
        return self.all_documents()

    def _documents_of(self, examples: Iterable[Example]) -> tuple[Document, ...]:
        found: dict[str, Document] = {}
        for document in (document for example in examples for document in example.documents):
            if found.setdefault(document.id, document) != document:
                raise DatasetError(f"{self.source}: two documents have the id '{document.id}'. Give each its own id.")
        return tuple(found.values())

    def _shape(self, found: Sequence[Example]) -> Shape:
        """Returns what turns an example and its rank in the permutation into the example that is asked."""
        if self.scope == "corpus":
            groups = Groups(self._collection(found), self.group_by)
            return lambda one, _: one if one.relevant else groups.asked_over(one)
        if not self.pad_to_tokens:
            return lambda one, _: one
        padding = self._padding(self.pad_to_tokens, found)
        members = Groups(padding.pool, self.group_by)

        def padded(one: Example, rank: int) -> Example | Impossible:
            made = padding.padded(one, rank, members.members(own_documents(one)) if self.group_by else None)
            return made if isinstance(made, Impossible) else counted(made)

        return padded

    def _padding(self, tokens: int, found: Sequence[Example]) -> Padding:
        if not self.pad_tokenizer:
            raise DatasetError(
                f"{self.source}: pad_to_tokens needs pad_tokenizer, the model whose tokens are counted, such as "
                "packaged:smollm2-135m-instruct."
            )
        pool = documents_at(self.pad_from, "padding/") if self.pad_from else self._collection(found)
        whole = [document for document in pool if document.text.strip()]
        tokenizer = data_tokenizer(self.pad_tokenizer)
        return Padding(tokens, tokenizer, whole, self.pad_depth, self.pad_seed, self.pad_document_tokens)


def loaded(datasets: Mapping[str, Dataset]) -> dict[str, Examples]:
    """Returns the examples of each data set; data sets that differ only in their contexts ask the same questions.

    So a sweep over `pad_to_tokens` asks, at every length, the first `limit` questions that are possible at each of its
    lengths. Those left out are counted by reason. Raises `DatasetError`.
    """
    groups: dict[str, list[str]] = {}
    for key, dataset in datasets.items():
        spec = {name: value for name, value in dataset.spec().items() if name not in _CONTEXT}
        own = key if type(dataset).load is not Dataset.load else content_key(spec)
        groups.setdefault(own, []).append(key)
    found: dict[str, Examples] = {}
    for keys in groups.values():
        members = [datasets[key] for key in keys]
        found |= zip(keys, _together(members) if len(members) > 1 else [members[0].load()], strict=True)
    return {key: found[key] for key in datasets}


@doing("preparing questions")
def _together(datasets: Sequence[Dataset]) -> list[Examples]:
    """Returns the examples of data sets with the same questions: those that are possible in each of their contexts."""
    first = datasets[0]
    found = first._read()  # noqa: SLF001 - one unit
    places = list(range(len(found)))
    random.Random(first.seed).shuffle(places)  # noqa: S311 - a repeatable permutation, not a secret
    shapes = [dataset._shape(found) for dataset in datasets]  # noqa: SLF001 - one unit
    chosen: list[tuple[int, list[Example]]] = []
    refused: list[tuple[int, list[Example | Impossible]]] = []
    for rank, place in enumerate(places):
        if len(chosen) == first.limit:
            break
        made = [shape(found[place], rank) for shape in shapes]
        possible = [one for one in made if isinstance(one, Example)]
        if len(possible) == len(shapes):
            chosen.append((place, possible))
        else:
            refused.append((place, made))
    if refused and not chosen:
        raise DatasetError(_none_possible(datasets, [made for _, made in sorted(refused, key=lambda one: one[0])]))
    chosen.sort(key=lambda one: one[0])
    read = found if isinstance(found, Examples) else Examples(found)
    notes = list(read.notes)
    if refused and len(chosen) < (first.limit or 0):
        notes.append(f"only {len(chosen)} of the {first.limit} questions asked for are possible over these contexts.")
    return [
        Examples((made[i] for _, made in chosen), Counter(read.skipped) + _reasons(refused, i), notes)
        for i in range(len(datasets))
    ]


def _reasons(refused: Sequence[tuple[int, Sequence[Example | Impossible]]], i: int) -> Counter[str]:
    """Returns counts of the questions left out of a data set: by its own reason, else by that of another length."""
    reasons: Counter[str] = Counter()
    for _, made in refused:
        own = made[i]
        why = own if isinstance(own, Impossible) else next(one for one in made if isinstance(one, Impossible))
        reasons[why.reason] += 1
    return reasons


def _none_possible(datasets: Sequence[Dataset], refused: Sequence[Sequence[Example | Impossible]]) -> str:
    """Returns an error message for contexts over which no question can be asked."""
    for i, dataset in enumerate(datasets):
        whys = [one for made in refused if isinstance(one := made[i], Impossible)]
        if len(whys) < len(refused):
            continue
        sentence = next((one.why for one in whys if one.why), "")
        return sentence or (
            f"{dataset.name}: the documents of each of the {len(whys)} questions are longer than that; the shortest "
            f"have {min(one.size for one in whys):,} tokens. Raise pad_to_tokens."
        )
    counts = Counter(one.reason for made in refused for one in made if isinstance(one, Impossible))
    listing = "; ".join(f"{count} {reason}" for reason, count in counts.items())
    return f"{datasets[0].source}: no question is possible at every length: {listing}. Compare fewer lengths."


def _brief(example: Example) -> str:
    words = " ".join(example.query.text.split())
    return repr(words if len(words) <= 40 else f"{words[:40]}...")
