"""Facts about invented people and places, each hidden in a long text about something else (LongEmbed's needle task).

Zhu et al. 2024 (LongEmbed, arXiv 2404.12096), after Kamradt 2023 (needle in a haystack,
https://github.com/gkamradt/LLMTest_NeedleInAHaystack): 50 questions over 100
documents at each of eight lengths, 256 to 32,768 tokens; ranking is within one length, and the score is the mean over
the lengths of nDCG@1, which is accuracy as each question has one relevant document.

Differences: facts are drawn from patterns written here, not written by a language model; the haystack is the language
reference that every CPython carries, or a text of one's own; documents are stretches of it from different places on, a
longer document going on where a shorter one ends; lengths are counted in the embedding model's own tokens, where
LongEmbed takes three quarters of the number as words; the same questions are asked at every length.

    dataset: {kind: needle}                      # or haystack: my_novel.txt
    axes:    {dataset.length: [256, 512, 1024, 2048, 4096, 8192, 16384, 32768]}
"""

from __future__ import annotations

import random
import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

from ragvlc.core.component import Execution, FilePath
from ragvlc.core.errors import DatasetError
from ragvlc.datasets._hidden import NAMES, PLACES, Fact, HiddenFacts, Surroundings, shuffled
from ragvlc.datasets.python_reference import PythonReference
from ragvlc.documents.sources import documents_at
from ragvlc.documents.tokenizing import DataTokenizer

_BEGINNING = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'“])|\n\s*\n\s*")
"""What stands before a sentence or paragraph."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A template of a fact; `{person}`, `{place}` and `{answer}` are replaced by random values."""

    question: str
    text: str
    answers: tuple[str, ...]


PATTERNS = (
    Pattern(
        "Which instrument did {person} play at the fair of {place}?",
        "At the fair of {place}, {person} played the {answer} until dusk.",
        ("bassoon", "dulcimer", "accordion", "zither", "cornet", "viola", "bagpipe", "tambourine"),
    ),
    Pattern(
        "What did {person} plant behind the church of {place}?",
        "Behind the church of {place}, {person} planted {answer} in the autumn.",
        ("quince trees", "rhubarb", "lavender", "hop vines", "walnut trees", "gooseberries", "saffron", "leeks"),
    ),
    Pattern(
        "What colour did {person} paint the ferry of {place}?",
        "{person} painted the ferry of {place} {answer} before the summer.",
        ("crimson", "pale green", "orange", "navy blue", "mustard yellow", "silver", "violet", "chestnut brown"),
    ),
    Pattern(
        "How much did {person} pay for the old mill of {place}?",
        "{person} paid {answer} for the old mill of {place}.",
        ("900 guineas", "two prize bulls", "410 crowns", "a single shilling", "77 barrels of cider", "1,250 pounds"),
    ),
    Pattern(
        "Which animal follows {person} through the streets of {place}?",
        "Wherever {person} walks in the streets of {place}, a {answer} follows.",
        ("goose", "tame fox", "lame donkey", "peacock", "piebald goat", "badger", "wolfhound", "raven"),
    ),
    Pattern(
        "What does the baker {person} sell in {place} on Fridays?",
        "On Fridays the baker {person} sells {answer} in the market of {place}.",
        ("plum dumplings", "anise bread", "eel pies", "chestnut cake", "poppy rolls", "honey wafers", "onion tarts"),
    ),
    Pattern(
        "In which year did {person} build the observatory of {place}?",
        "The observatory of {place} was built by {person} in {answer}.",
        ("1788", "1811", "1836", "1849", "1867", "1874", "1893", "1902", "1926"),
    ),
    Pattern(
        "Where did {person} hide the bell of {place}?",
        "{person} hid the bell of {place} {answer} and told nobody.",
        ("in a salt cellar", "under the bowling green", "in a dry well", "behind the organ", "in a load of hay"),
    ),
)


class Needle(HiddenFacts):
    """Asks for a fact that one document mentions in passing, among documents that each mention a different fact.

    Attributes:
        haystack: texts to hide facts in: a file (txt, md, html, pdf, jsonl) or a folder of them. None takes the
            language reference of Python, whose text differs a little between its versions: 3.11 to 3.13 hold from
            100,000 tokens on.
    """

    version: ClassVar[int] = 1
    haystack: Annotated[FilePath | None, Execution] = None

    @property
    def source(self) -> str:
        """The data set's name, with the file name of a user's own haystack."""
        return f"needle in {Path(self.haystack).name}" if self.haystack else self.kind

    def identity(self) -> Mapping[str, Any]:
        """Returns the haystack's name only, because the hash of each example covers the documents."""
        return {"haystack": "/".join(Path(self.haystack).parts[-2:])} if self.haystack else {}

    @classmethod
    def most(cls) -> int:
        """Returns the number of invented places, which limits the facts because each fact uses a different place."""
        return len(PLACES)

    def facts(self) -> Sequence[Fact]:
        """Returns one fact for each document, each about a different person and place."""
        people = shuffled(NAMES, "needle", self.text_seed)[: self.documents]
        places = shuffled(PLACES, "places", self.text_seed)
        found = []
        for number, (person, place) in enumerate(zip(people, places, strict=False)):
            pattern = PATTERNS[number % len(PATTERNS)]
            answer = shuffled(pattern.answers, "answers", self.text_seed, number)[0]
            words = {"person": person, "place": place, "answer": answer}
            found.append(Fact(pattern.question.format(**words), pattern.text.format(**words), answer))
        return found

    def setting(self, tokenizer: DataTokenizer) -> Callable[[int, int], Surroundings]:
        """Returns a function that cuts surroundings out of the haystack. Raises `DatasetError` if that is too short."""
        documents = documents_at(self.haystack) if self.haystack else PythonReference().collection()
        hay = _hay("\n\n".join(text for document in documents if (text := document.text.strip())), tokenizer)
        if len(hay.ends) < self.length:
            raise DatasetError(
                f"{self.name}: the haystack has {len(hay.ends):,} tokens, a document {self.length:,}. "
                "Name a longer text, or lower length."
            )

        def stretch(number: int, room: int) -> Surroundings:
            chance = random.Random(f"start\0{self.text_seed}\0{number}")  # noqa: S311 - repeatable, not secret
            return hay.stretch(int(chance.random() * len(hay.beginnings)), room)

        return stretch


@dataclass(frozen=True)
class _Hay:
    """The haystack text with the positions of its tokens, sentences and paragraphs.

    Attributes:
        text: without space at its ends.
        ends: of each token, in characters.
        beginnings: of sentences and paragraphs, in characters.
    """

    text: str
    ends: Sequence[int]
    beginnings: Sequence[int]

    def stretch(self, first: int, room: int) -> Surroundings:
        """Returns whole sentences from number `first` on, up to a number of tokens, wrapping around at the end."""
        start = self.beginnings[first]
        token = bisect_left(self.ends, start + 1)
        text = self._words(start, token + room)
        places = [place - start for place in self.beginnings[first:] if place - start < len(text)]
        left = room - (len(self.ends) - token)
        if left > 0:
            places += [len(text) + 2 + place for place in self.beginnings if place < self.ends[left - 1]]
            text = f"{text}\n\n{self._words(0, left)}"
        return Surroundings(text, places)

    def _words(self, start: int, tokens: int) -> str:
        """Returns the text from character `start` to the end of the first `tokens` tokens, without dividing a word."""
        if tokens >= len(self.ends):
            return self.text[start:]
        end = self.ends[tokens - 1] if tokens else 0
        while end > start and self.text[end - 1].isalnum() and self.text[end].isalnum():
            end -= 1
        return self.text[start:end].rstrip()


@lru_cache(maxsize=2)
def _hay(text: str, tokenizer: DataTokenizer) -> _Hay:
    beginnings = [0, *(match.end() for match in _BEGINNING.finditer(text) if match.end() < len(text))]
    return _Hay(text, [end for _, end in tokenizer.spans(text)], beginnings)
