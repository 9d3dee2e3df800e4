"""Draws passages to ask about: by seed, spread over documents, over places in each, and over lengths.

What an attempt draws depends on the seed, the kind and the attempt's number alone, never on other attempts. Every
document comes once before any comes again; the places of one round are spread evenly over the documents, and move on
by the golden ratio from round to round, so that places of a document are spread too.
"""

from __future__ import annotations

import hashlib
import random
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ragvlc.core.data import Document, Span
from ragvlc.core.engines import Tokenizer
from ragvlc.questions.kind import QuestionKind
from ragvlc.text.sentences import sentence_ends

__all__ = ["Drawer", "Related", "seeded"]

GOLDEN = 0.6180339887498949
_TRIES = 8
_LEAST_WORDS = 8
"""Words that a document must have to be asked about."""
_LEAST_LETTERS = 30
"""Letters and digits of a sentence that a question is made from."""
_LONGEST = 2
"""Times the wanted length that a passage of whole sentences may have."""

Related = Callable[[Span, int], Sequence[Span]]
"""Returns passages of other documents that speak of the same things, best first, at most so many."""


def seeded(*parts: object) -> random.Random:
    """Returns a random generator that depends only on the given values."""
    text = "\0".join(map(str, parts))
    return random.Random(hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())  # noqa: S311 - repeatable


@dataclass(frozen=True, slots=True)
class _Cuts:
    """Ends of sentences, and ends of tokens, of a text."""

    sentences: Sequence[int]
    tokens: Sequence[int]


@dataclass
class Drawer:
    """Draws passages for the attempts of one set.

    Attributes:
        documents: to draw from, by id.
        tokenizer: whose tokens lengths are counted in.
        seed: of the set.
        related: finds passages of other documents.
    """

    documents: dict[str, Document]
    tokenizer: Tokenizer
    seed: int
    related: Related
    _cuts: dict[str, _Cuts] = field(default_factory=dict)
    _usable: dict[str, list[str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def usable(self, kind: QuestionKind) -> list[str]:
        """Returns the ids of the documents that a kind can ask about, in the set's order."""
        with self._lock:
            if kind.places not in self._usable:
                least = _LEAST_WORDS * (4 if kind.places == "same_document" else 1)
                found = [name for name, one in self.documents.items() if _has_words(one.text, least)]
                self._usable[kind.places] = [] if kind.places == "other_document" and len(found) < 2 else found
            return self._usable[kind.places]

    def draw(self, kind: QuestionKind, attempt: int) -> tuple[Span, ...]:
        """Returns the passages of an attempt; none if the document has no passage that suits the kind."""
        names = self.usable(kind)
        if not names:
            return ()
        turn, place = divmod(attempt, len(names))
        name = _shuffled(names, self.seed, kind.kind, "documents", turn)[place]
        # Where the document lies among all of them, the same in each round, spreads the first places evenly.
        rank = _shuffled(names, self.seed, kind.kind, "places").index(name)
        at = ((rank + 0.5) / len(names) + turn * GOLDEN) % 1
        length = kind.lengths[(rank + turn) % len(kind.lengths)]
        if kind.places == "same_document":  # two places must fit beside each other
            length = min(length, max(1, len(self._cuts_of(name).tokens) // 3))
        for _ in range(_TRIES):
            span = self.passage(name, at, length)
            if kind.suits(self.text(span)):
                return self._with_other(kind, span, at, length, attempt)
            at = (at + GOLDEN) % 1
        return ()

    def _with_other(self, kind: QuestionKind, span: Span, at: float, length: int, attempt: int) -> tuple[Span, ...]:
        if kind.places == "one":
            return (span,)
        if kind.places == "other_document":
            near = [one for one in self.related(span, 3) if one.document_id != span.document_id]
            return (span, seeded(self.seed, kind.kind, attempt, "other").choice(near)) if near else ()
        text = self.documents[span.document_id].text
        for step in range(_TRIES):
            other = self.passage(span.document_id, (at + 0.5 + step * GOLDEN / 2) % 1, length)
            if (other.end <= span.start or other.start >= span.end) and text[other.start : other.end].strip():
                return (span, other) if span.start < other.start else (other, span)
        return ()

    def passage(self, name: str, at: float, length: int) -> Span:
        """Returns the passage of whole sentences, of about `length` tokens, that begins at a share of a document."""
        text, cuts = self.documents[name].text, self._cuts_of(name)
        tokens = len(cuts.tokens)
        first = min(int(at * tokens), max(0, tokens - length))
        last = min(first + length, tokens) - 1
        # Tokens `first` to `last`, widened to whole sentences where these are not much longer.
        low = cuts.tokens[first - 1] if first else 0
        high = cuts.tokens[last]
        starts = (0, *cuts.sentences)
        start = starts[bisect_right(starts, low) - 1]
        end = cuts.sentences[min(bisect_left(cuts.sentences, high), len(cuts.sentences) - 1)]
        if self._tokens(cuts, start, end) > _LONGEST * length:
            start, end = low, high
        return _trimmed(Span(name, start, end), text)

    def sentence(self, span: Span, kind: QuestionKind, attempt: int) -> Span:
        """Returns a sentence of a passage, drawn by seed among those that can give a question; else the passage."""
        text = self.text(span)
        ends = sentence_ends(text)
        pieces = [
            _trimmed(
                Span(span.document_id, span.start + start, span.start + end), self.documents[span.document_id].text
            )
            for start, end in zip([0, *ends[:-1]], ends, strict=True)
        ]
        usable = [one for one in pieces if _letters(self.text(one)) >= _LEAST_LETTERS and kind.suits(self.text(one))]
        return seeded(self.seed, kind.kind, attempt, "sentence").choice(usable) if usable else span

    def text(self, span: Span) -> str:
        """Returns the characters of a span."""
        return self.documents[span.document_id].text[span.start : span.end]

    def _cuts_of(self, name: str) -> _Cuts:
        with self._lock:
            if name not in self._cuts:
                text = self.documents[name].text
                ends = [end for _, end in self.tokenizer.spans(text)]
                self._cuts[name] = _Cuts(sentence_ends(text), ends or [len(text)])
            return self._cuts[name]

    @staticmethod
    def _tokens(cuts: _Cuts, start: int, end: int) -> int:
        return bisect_left(cuts.tokens, end) - bisect_right(cuts.tokens, start) + 1


def _shuffled(names: Sequence[str], *seed: object) -> list[str]:
    found = list(names)
    seeded(*seed).shuffle(found)
    return found


def _has_words(text: str, least: int) -> bool:
    return _letters(text[: 64 * least]) >= 3 * least


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))


def _trimmed(span: Span, text: str) -> Span:
    start, end = span.start, span.end
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(span.document_id, start, end)
