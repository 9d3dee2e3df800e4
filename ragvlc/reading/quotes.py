"""Location of quotes in documents: exact matches first, then near matches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ragvlc.core.data import Document, Span
from ragvlc.text.sentences import sentence_ends

__all__ = ["LocatedQuote", "find_quote", "quotes_in", "sentences_around"]

_BULLET = re.compile(r"^\s*(?:[-*•–—]\s+|\(?\d{1,3}[.):]\s+|\[\d{1,3}\]\s*)?")
_MARKS = "\"'“”„‘’«»「」`"
_PLAIN = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "\u00ad": None})
_SHORT = 16
"""Characters below which a near match means nothing: `in 1868` is near to `in 1968`."""


@dataclass(frozen=True, slots=True)
class LocatedQuote:
    """A quote's position in the documents, and how closely the text there matches the quote.

    Attributes:
        span: the characters of the document.
        likeness: 1.0 for word for word, case, blanks and forms of quotation marks aside; else below.
    """

    span: Span
    likeness: float


def quotes_in(reply: str) -> list[str]:
    """Returns the lines of a reply as quotes, without bullets, numbers and quotation marks, except `NONE` lines."""
    quotes = []
    for line in reply.splitlines():
        quote = _BULLET.sub("", line).strip().strip(_MARKS).strip()
        if any(map(str.isalnum, quote)) and quote.strip(" .").upper() != "NONE":
            quotes.append(quote)
    return list(dict.fromkeys(quotes))


def find_quote(quote: str, documents: Sequence[Document], likeness: float) -> LocatedQuote | None:
    """Returns the first exact match of a quote in the documents, else the best near match, or None.

    Args:
        quote: what is looked for.
        documents: where; the first that holds it word for word, else the one that comes nearest.
        likeness: the least share of characters in common for a near match, by rapidfuzz's `partial_ratio`; 1.0 takes
            no near match.
    """
    sought, _ = _plain(quote)
    sought = sought.strip()
    if not sought:
        return None
    texts = [(document, *_plain(document.text)) for document in documents]
    for document, text, places in texts:
        start = text.find(sought)
        if start >= 0:
            return LocatedQuote(_span(document, places, start, start + len(sought)), 1.0)
    if likeness >= 1.0 or len(sought) < _SHORT:
        return None
    return _nearest(sought, texts, likeness)


def _nearest(sought: str, texts: Sequence[tuple[Document, str, list[int]]], likeness: float) -> LocatedQuote | None:
    from rapidfuzz.fuzz import partial_ratio_alignment

    best: LocatedQuote | None = None
    for document, text, places in texts:
        if len(text) < len(sought) * likeness:
            continue
        at = partial_ratio_alignment(sought, text, score_cutoff=100 * likeness)
        if (
            at is not None
            and text[at.dest_start : at.dest_end].strip()
            and (best is None or at.score > best.likeness * 100)
        ):
            span = _span(document, places, at.dest_start, at.dest_end)
            best = LocatedQuote(_whole_words(span, document.text), at.score / 100)
    return best


def _whole_words(span: Span, text: str) -> Span:
    """Returns the span extended to whole words, because the ends of a near match may be off by a few characters."""
    start, end = span.start, span.end
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while start > 0 and text[start - 1].isalnum() and text[start].isalnum():
        start -= 1
    while end < len(text) and text[end - 1].isalnum() and text[end].isalnum():
        end += 1
    return Span(span.document_id, start, end)


def sentences_around(span: Span, document: Document) -> Span:
    """Returns the span extended to whole sentences."""
    ends = sentence_ends(document.text)
    start = max((end for end in ends if end <= span.start), default=0)
    return Span(span.document_id, start, next((end for end in ends if end >= span.end), span.end))


def _span(document: Document, places: Sequence[int], start: int, end: int) -> Span:
    return Span(document.id, places[start], places[end - 1] + 1)


def _plain(text: str) -> tuple[str, list[int]]:
    """Returns the text with unified case, blanks and quotation marks, and the original position of each character."""
    characters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        if character.isspace():
            if characters and characters[-1] != " ":
                characters.append(" ")
                places.append(place)
            continue
        for folded in character.translate(_PLAIN).casefold():
            characters.append(folded)
            places.append(place)
    return "".join(characters), places
