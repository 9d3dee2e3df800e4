"""Pass keys of many people, each hidden in a document of repeated sentences: LongEmbed's passkey task, for any length.

Zhu et al. 2024 (LongEmbed, arXiv 2404.12096), after Mohtashami and Jaggi 2023 (Landmark Attention, arXiv 2305.16300):
50 questions over 100 documents at each of eight lengths, 256 to 32,768 tokens; ranking is within one length, and the
score is the mean over the lengths of nDCG@1, which is accuracy as each question has one relevant document.

Differences: sentences, people and keys are written or drawn here; lengths are counted in the embedding model's own
tokens, where LongEmbed takes three quarters of the number as words; the same questions are asked at every length.

    dataset: {kind: passkey}
    axes:    {dataset.length: [256, 512, 1024, 2048, 4096, 8192, 16384, 32768]}
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import ClassVar

from ragvlc.datasets._hidden import NAMES, Fact, HiddenFacts, Surroundings, shuffled
from ragvlc.documents.tokenizing import DataTokenizer

FILLER = (
    "The river runs slowly past the mill.",
    "Meadows lie open on both banks.",
    "A light wind comes from the west.",
    "Clouds gather, and then they part.",
    "So the day goes by.",
)
"""Said again and again around the key, a paragraph at a time."""


class Passkey(HiddenFacts):
    """Asks for the pass key of one person among documents that each hold a different person's key."""

    version: ClassVar[int] = 1

    @classmethod
    def most(cls) -> int:
        """Returns the number of invented people, which limits the facts: each person has one key."""
        return len(NAMES)

    @property
    def gap(self) -> str:
        """The separator around the key: a blank line, so that the key is a separate paragraph."""
        return "\n\n"

    def facts(self) -> Sequence[Fact]:
        """Returns one fact for each document: a person and a five-digit key, all different."""
        people = shuffled(NAMES, "passkey", self.text_seed)[: self.documents]
        keys = shuffled([str(key) for key in range(10_000, 100_000)], "keys", self.text_seed)
        return [
            Fact(
                f"What is the pass key of {person}?",
                f"The pass key of {person} is {key}. Keep it in mind: {key} is the pass key of {person}.",
                key,
            )
            for person, key in zip(people, keys, strict=False)
        ]

    def setting(self, tokenizer: DataTokenizer) -> Callable[[int, int], Surroundings]:
        """Returns a function that repeats whole sentences as long as the next one fits the token limit."""
        sizes = [tokenizer.count(f" {sentence}") for sentence in FILLER]

        def sentences(number: int, room: int) -> Surroundings:  # noqa: ARG001 - the same around every key
            whole, left = divmod(room, sum(sizes))
            last = bisect_right(list(accumulate(sizes)), left)
            paragraphs = [" ".join(FILLER)] * whole + [" ".join(FILLER[:last])] * bool(last)
            starts = accumulate((len(paragraph) + len(self.gap) for paragraph in paragraphs), initial=0)
            return Surroundings(self.gap.join(paragraphs), list(starts)[: len(paragraphs)])

        return sentences
