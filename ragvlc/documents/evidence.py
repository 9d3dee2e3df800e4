"""Location of the evidence that a data set quotes: word for word, else by the most similar sentence."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

from ragvlc.core.data import Document, Span, covered
from ragvlc.text.matching import locate
from ragvlc.text.sentences import sentence_ends

__all__ = ["LIKENESS", "Located", "QuoteIndex"]

LIKENESS = 0.8
"""Least share of words that a quoted sentence and a sentence of the document have in common, as twice the common ones
by all of both."""
_CANDIDATES = 12
_SHORT = 4
"""Words below which a similar sentence means nothing."""


@dataclass(frozen=True, slots=True)
class Located:
    """Where the quoted passages of one question are.

    Attributes:
        spans: of those found, without repeats, in (document, start) order.
        exact: number of passages found word for word, white space and typography aside.
        fuzzy: number of passages of which every sentence, or some, were found by similar sentences only.
        lost: number of passages not found.
    """

    spans: tuple[Span, ...]
    exact: int
    fuzzy: int
    lost: int

    @property
    def tags(self) -> dict[str, Any]:
        """The tags of an example: the counts, whether any span is `fuzzy`, and `evidence` as of other data sets."""
        total = self.exact + self.fuzzy + self.lost
        if not total:
            return {"evidence": "none"}
        found = self.exact + self.fuzzy
        state = "located" if not self.lost else "partly located" if found else "not located"
        counts = {"evidence_exact": self.exact, "evidence_fuzzy": self.fuzzy, "evidence_lost": self.lost}
        return {"evidence": state, "fuzzy": self.fuzzy > 0, **counts}


@dataclass(frozen=True)
class QuoteIndex:
    """Finds quoted passages in the documents of one record; its sentences are indexed by words once, when needed.

    Attributes:
        documents: where to look, in this order.
        likeness: least likeness of a similar sentence, from 0 to 1.
    """

    documents: Sequence[Document]
    likeness: float = LIKENESS
    _found: dict[str, tuple[tuple[Span, ...], bool]] = field(default_factory=dict)

    def located(self, passages: Iterable[str]) -> Located:
        """Returns where the passages are; blank ones are not counted."""
        spans: list[Span] = []
        exact = fuzzy = lost = 0
        for passage in (one.strip() for one in passages):
            if not passage:
                continue
            if passage not in self._found:
                self._found[passage] = self._find(passage)
            found, word_for_word = self._found[passage]
            spans += found
            exact, fuzzy, lost = exact + word_for_word, fuzzy + (bool(found) and not word_for_word), lost + (not found)
        return Located(covered(spans), exact, fuzzy, lost)

    def _find(self, passage: str) -> tuple[tuple[Span, ...], bool]:
        """Returns the spans of a passage, and whether it stands in a document word for word."""
        for document in self.documents:
            place = locate(passage, document.text)
            if place is not None:
                return (Span(document.id, *place),), True
        ends = sentence_ends(passage)
        found = [self._similar(passage[start:end]) for start, end in pairwise([0, *ends])]
        return tuple(span for span in found if span is not None), False

    def _similar(self, sentence: str) -> Span | None:
        """Returns the sentence of the documents that has most words in common, if it has enough."""
        words = Counter(_words(sentence))
        size = sum(words.values())
        if size < _SHORT:
            return None
        shared: Counter[int] = Counter()
        for word, count in words.items():
            for place, often in self._places.get(word, ()):
                shared[place] += min(count, often)
        best, likeness = None, self.likeness
        for place, common in shared.most_common(_CANDIDATES):
            ratio = 2 * common / (size + self._sentences[place][1])
            if ratio >= likeness and (best is None or ratio > likeness):
                best, likeness = self._sentences[place][0], ratio
        return best

    @cached_property
    def _sentences(self) -> list[tuple[Span, int]]:
        """Each sentence of the documents, with its number of words."""
        found = []
        for document in self.documents:
            for start, end in pairwise([0, *sentence_ends(document.text)]):
                text = document.text[start:end]
                left, right = len(text) - len(text.lstrip()), len(text.rstrip())
                if right > left:
                    found.append((Span(document.id, start + left, start + right), len(_words(text))))
        return found

    @cached_property
    def _places(self) -> Mapping[str, Sequence[tuple[int, int]]]:
        """The sentences in which each word occurs, and how often."""
        texts = {document.id: document.text for document in self.documents}
        found: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        for place, (span, _) in enumerate(self._sentences):
            for word, count in Counter(_words(texts[span.document_id][span.start : span.end])).items():
                found[word].append((place, count))
        return found


def _words(text: str) -> list[str]:
    """Returns the words of a text in lower case, without the punctuation around them."""
    stripped = (word.strip(".,;:!?\"'()[]“”‘’") for word in text.casefold().split())
    return [word for word in stripped if word]
