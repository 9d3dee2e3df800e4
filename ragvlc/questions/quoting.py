"""Locates quotes in the passages that the model was shown; places are those of the original text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ragvlc.core.data import Document, Span
from ragvlc.questions.item import QuotedEvidence
from ragvlc.text.matching import has_cjk, locate

__all__ = ["QuoteProblem", "located"]

_GAP = re.compile(r"\s*(?:\[\s*(?:\.{3}|…)\s*\]|\(\s*(?:\.{3}|…)\s*\)|\.{3,}|…)\s*")
_ENDS = " \t\n.,;:!?…\"'“”‘’«»"
_CJK_SHARE = 3


@dataclass(frozen=True, slots=True)
class QuoteProblem:
    """Why quotes are no evidence, as it is counted, and the quote that is not."""

    reason: str
    quote: str = ""


def located(
    quotes: Sequence[str], passages: Sequence[Span], documents: Mapping[str, Document], letters: int
) -> tuple[QuotedEvidence, ...] | QuoteProblem:
    """Returns the evidence that quotes name, or the first problem with one of them.

    Typography is folded. A full stop that was added, a changed case of the first letter, and words left out with an
    ellipsis are passed over: the parts around an ellipsis are evidence each.

    Args:
        quotes: as the model wrote them.
        passages: where they are looked for, in this order.
        documents: by id.
        letters: letters and digits that a quote must have.
    """
    if not quotes:
        return QuoteProblem("no quote")
    found: list[QuotedEvidence] = []
    for quote in quotes:
        least = letters / _CJK_SHARE if has_cjk([quote]) else letters
        if sum(map(str.isalnum, quote)) < least:
            return QuoteProblem("a quote is too short", quote)
        whole = _place(quote, passages, documents)
        parts = [whole] if whole else [_place(part, passages, documents) for part in _parts(quote, least)]
        if not parts or any(part is None for part in parts):
            return QuoteProblem("a quote is not in the text", quote)
        found += [
            QuotedEvidence(span, documents[span.document_id].text[span.start : span.end], quote)
            for span in parts
            if span is not None
        ]
    unique = {one.span: one for one in reversed(found)}
    return tuple(one for one in found if unique.pop(one.span, None) is not None)


def _parts(quote: str, least: float) -> list[str]:
    parts = [part for part in _GAP.split(quote) if part.strip()]
    return parts if len(parts) > 1 and all(sum(map(str.isalnum, part)) >= least for part in parts) else []


def _place(quote: str, passages: Sequence[Span], documents: Mapping[str, Document]) -> Span | None:
    for form in _forms(quote):
        for passage in passages:
            text = documents[passage.document_id].text[passage.start : passage.end]
            place = locate(form, text)
            if place is not None and _whole_words(text, *place):
                return Span(passage.document_id, passage.start + place[0], passage.start + place[1])
    return None


def _forms(quote: str) -> Iterator[str]:
    """Yields the quote as it is, and in the forms in which it may be in the text."""
    yield quote
    bare = quote.strip(_ENDS)
    if not any(map(str.isalnum, bare)):
        return
    yield bare
    yield bare[0].swapcase() + bare[1:]


def _whole_words(text: str, start: int, end: int) -> bool:
    """Returns whether a piece of text has characters and does not begin or end within a word."""
    inside = (text[place - 1 : place + 1] for place in (start, end) if 0 < place < len(text))
    return bool(text[start:end].strip()) and not any(len(two) == 2 and all(map(_in_word, two)) for two in inside)


def _in_word(character: str) -> bool:
    return character.islower() or character.isupper() or character.isdigit()
