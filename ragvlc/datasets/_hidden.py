"""Collections in which every document hides one fact, and questions that each ask for one of them.

What `passkey` and `needle` share: how many documents and questions there are, how long documents are, and where in them
the fact stands. Facts, questions and depths are drawn from `text_seed` alone, so they are the same at every length, and
the first of them are the same however many there are.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ragvlc import packaged
from ragvlc.core.data import Collection, Document, Example, Query, Span
from ragvlc.core.errors import DatasetError
from ragvlc.documents.dataset import Dataset
from ragvlc.documents.tokenizing import DataTokenizer, data_tokenizer

__all__ = ["NAMES", "PLACES", "Fact", "HiddenFacts", "Surroundings", "shuffled"]

Share = Annotated[float, Field(ge=0, le=1)]
GOLDEN = 0.6180339887498949
"""Multiples of it, less their whole part, are spread evenly over 0 to 1 however many are taken."""
LEAST_TOKENS = 96

FIRST = (
    "Ada", "Alban", "Beatrix", "Bruno", "Cecily", "Cosmo", "Delia", "Edmund", "Elspeth", "Felix", "Flora", "Gideon",
    "Greta", "Hector", "Ines", "Ivor", "Jonas", "Judith", "Konrad", "Leonie", "Magnus", "Mirabel", "Nestor", "Odile",
    "Oscar", "Petra", "Quentin", "Rosalind", "Rufus", "Sabine", "Silas", "Tabitha", "Theo", "Ursula", "Vera", "Walter",
)  # fmt: skip
LAST = (
    "Ashdown", "Barrow", "Bexley", "Brindle", "Calloway", "Corbett", "Dunmore", "Easton", "Fairburn", "Garrick",
    "Halloran", "Hathersage", "Inchbald", "Jessop", "Kilburn", "Lachlan", "Marchmont", "Merriweather", "Netherby",
    "Oakeshott", "Pemberton", "Quayle", "Ravenscroft", "Sallow", "Somerset", "Thackeray", "Underhill", "Vavasour",
    "Wetherell", "Winterbourne", "Yardley", "Zouch",
)  # fmt: skip
BEGINNINGS = (
    "Amber", "Birch", "Copper", "Dun", "Elder", "Fern", "Gold", "Hazel", "Iron", "Juniper", "Kestrel", "Lark", "Marl",
    "Nettle", "Otter", "Pebble", "Quarry", "Reed", "Sorrel", "Thorn", "Umber", "Vine", "Willow", "Yew",
)  # fmt: skip
ENDINGS = ("bridge", "by", "combe", "dale", "ferry", "field", "ford", "gate", "ham", "haven", "mere", "mouth", "stead",
           "thorpe", "wick", "worth")  # fmt: skip
NAMES = tuple(f"{first} {last}" for first in FIRST for last in LAST)
"""1,152 invented people."""
PLACES = tuple(f"{beginning}{ending}" for beginning in BEGINNINGS for ending in ENDINGS)
"""384 invented places."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact that one document contains, with a question about it and the answer.

    Attributes:
        question: what is asked.
        text: what stands in the document.
        answer: the words of it that answer.
    """

    question: str
    text: str
    answer: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A text that a fact can be inserted into, with the places where that is possible.

    Attributes:
        text: of some length.
        places: characters before which a fact may stand, rising: sentences or paragraphs begin there.
    """

    text: str
    places: Sequence[int]

    def around(self, fact: str, depth: float, gap: str) -> tuple[str, int]:
        """Returns the text with `fact` inserted at the place nearest to `depth` (0 to 1), and the fact's position."""
        wanted = depth * len(self.text)
        after = bisect_right(self.places, wanted)
        near = [*self.places[max(0, after - 1) : after + 1], 0, len(self.text)]
        place = min(near, key=lambda place: abs(place - wanted))
        before, behind = self.text[:place].rstrip(), self.text[place:].lstrip()
        start = len(before) + len(gap) if before else 0
        return gap.join(part for part in (before, fact, behind) if part), start


class HiddenFacts(Dataset):
    """A collection with one fact hidden in each document; each question asks for the fact of one document.

    Attributes:
        length: tokens of each document, special tokens included, reached from below within a few words.
        questions: how many of the documents are asked for; the first ones.
        documents: in the collection; those that nobody asks for hide facts of the same kind.
        tokenizer: whose tokens are counted: `packaged:NAME`, a folder, or a hub id; that of the embedding model, so
            that a document of its window's length fits it exactly.
        special_tokens: that the embedding model puts around a text; so many are left free.
        depth: share of a document before its fact; `spread` goes evenly over 0 to 1, `scatter` gives each fact a place
            by chance; either way a fact has the same depth at every length.
        text_seed: of facts and texts.
    """

    length: Annotated[int, Field(ge=LEAST_TOKENS)] = 1024
    questions: Annotated[int, Field(ge=1)] = 50
    documents: Annotated[int, Field(ge=2)] = 100
    tokenizer: packaged.Model = "packaged:all-minilm-l6-v2"
    special_tokens: Annotated[int, Field(ge=0, le=16)] = 2
    depth: Literal["spread", "scatter"] | Share = "spread"
    text_seed: int = 0

    @model_validator(mode="after")
    def _enough_documents(self) -> Self:
        if self.questions > self.documents:
            raise ValueError(
                f"questions is {self.questions}, documents only {self.documents}: each asks for another one."
            )
        if self.documents > self.most():
            raise ValueError(f"documents is {self.documents}; there are {self.most()} different facts.")
        return self

    @classmethod
    @abstractmethod
    def most(cls) -> int:
        """Returns the number of different facts that can be made."""

    @abstractmethod
    def facts(self) -> Sequence[Fact]:
        """Returns one fact for each document."""

    @abstractmethod
    def setting(self, tokenizer: DataTokenizer) -> Callable[[int, int], Surroundings]:
        """Returns a function that makes the text around a fact, given the document's number and a token limit."""

    @property
    def gap(self) -> str:
        """The separator text between a fact and its surroundings."""
        return " "

    def read(self) -> Sequence[Example]:
        """Returns the questions, each over the whole collection. Raises `DatasetError` if a fact does not fit."""
        tokenizer = data_tokenizer(self.tokenizer)
        facts = self.facts()
        texts = self._texts(facts, tokenizer)
        hidden = [self._document(number, *found) for number, found in enumerate(texts)]
        # In an order drawn by chance: where vectors are equal, rankings keep it, and the asked must not be in front.
        order = sorted(range(len(hidden)), key=lambda number: self._chance("order", number))
        corpus = Collection(hidden[number][0] for number in order)
        asked = zip(facts, hidden, range(self.questions), strict=False)
        return [self._example(fact, document, start, corpus) for fact, (document, start), _ in asked]

    def _texts(self, facts: Sequence[Fact], tokenizer: DataTokenizer) -> list[tuple[str, int, int]]:
        """Returns, for each document, its text, the position of its fact, and its number of tokens."""
        most, setting = self.length - self.special_tokens, self.setting(tokenizer)
        room = {number: most - tokenizer.count(fact.text) for number, fact in enumerate(facts)}
        found: dict[int, tuple[str, int, int]] = {}
        while room:
            if min(room.values()) < 0:
                raise DatasetError(f"{self.name}: a fact alone is longer than {most} tokens. Raise length.")
            made = {
                number: setting(number, space).around(facts[number].text, self._depth(number), self.gap)
                for number, space in room.items()
            }
            sizes = tokenizer.counts([text for text, _ in made.values()])
            over = {number: size - most for number, size in zip(made, sizes, strict=True)}
            found |= {n: (*made[n], extra + most) for n, extra in over.items() if extra <= 0}
            room = {n: room[n] - extra for n, extra in over.items() if extra > 0}  # tokens that the joints took
        return [found[number] for number in range(len(facts))]

    def _depth(self, number: int) -> float:
        if self.depth == "scatter":
            return self._chance("depth", number)
        return (number + 0.5) * GOLDEN % 1 if self.depth == "spread" else float(self.depth)

    def _chance(self, what: str, number: int) -> float:
        return random.Random(f"{what}\0{self.text_seed}\0{number}").random()  # noqa: S311 - repeatable, not secret

    def _document(self, number: int, text: str, start: int, tokens: int) -> tuple[Document, int]:
        facts = {
            "length": self.length,
            "tokens": tokens + self.special_tokens,
            "depth": round(start / len(text), 3),
        }
        return Document(f"{self.kind}-{number:03}@{self.length}", text, metadata=facts), start

    def _example(self, fact: Fact, document: Document, start: int, corpus: Collection) -> Example:
        name = document.id.partition("@")[0]
        return Example(
            query=Query(name, fact.question),
            documents=corpus,
            references=(fact.answer,),
            evidence=(Span(document.id, start, start + len(fact.text)),),
            relevant={document.id: 1.0},
            cluster=name,
            task="retrieval",
            tags={**document.metadata, "evidence": "located", "language": "en"},
        )


def shuffled(items: Sequence[str], *seed: object) -> list[str]:
    """Returns the items in a random order that depends only on `seed`."""
    found = list(items)
    random.Random("\0".join(map(str, seed))).shuffle(found)  # noqa: S311 - repeatable, not secret
    return found
