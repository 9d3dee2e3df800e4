"""Division of whole documents into pieces of whole sentences, for calls with a small window.

The chunking of Chain of Agents (Zhang et al. 2024, arXiv 2406.02818, algorithm 2 of the published version): sentences
are added to a piece until the next would not fit. What that algorithm leaves open is settled here: no piece is empty,
a sentence that is too long alone is divided between tokens, and a finished piece is counted again as it will be sent,
since the tokens of a text are not the sum of those of its sentences.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ragvlc.core.data import Document, Span
from ragvlc.core.engines import Tokenizer
from ragvlc.core.errors import WindowExceeded
from ragvlc.core.window import window_too_small
from ragvlc.reading.context import lay_out
from ragvlc.text.sentences import sentence_ends

__all__ = ["Piece", "pieces_of"]


@dataclass(frozen=True, slots=True)
class Piece:
    """The text that one call reads.

    Attributes:
        spans: characters of the documents, in order; several where documents meet.
        text: of the spans, as it stands in the prompt.
        tokens: of the text in the prompt.
        divided: whether a sentence had to be divided, at the start or the end.
    """

    spans: tuple[Span, ...]
    text: str
    tokens: int
    divided: bool = False


@dataclass(frozen=True, slots=True)
class _Sentence:
    span: Span
    tokens: int
    divided: bool = False


def pieces_of(
    documents: Sequence[Document], tokenizer: Tokenizer, room: int, count: Callable[[str], int] | None = None
) -> list[Piece]:
    """Returns the documents as pieces of whole sentences, in order, each as full as possible.

    Nothing but pieces without any visible character is left out.

    Args:
        documents: what to read.
        tokenizer: counts and places tokens.
        room: at most so many tokens a piece.
        count: tokens of a text where it will stand; the tokenizer's count by default.

    Raises:
        WindowExceeded: if there is no room, or if not even one character's tokens fit.
    """
    if room <= 0:
        raise window_too_small("the text of a piece", left=room)
    counted = count or tokenizer.count
    left = list(_sentences(documents, tokenizer, room))[::-1]  # the next one is the last
    texts = {document.id: document.text for document in documents}
    found: list[Piece] = []
    while left:
        piece, taken = _next(left, documents, counted, room)
        if piece is None:
            left[-1:] = list(_halves(left[-1], documents, tokenizer))[::-1]
            continue
        del left[len(left) - taken :]
        if any(texts[span.document_id][span.start : span.end].strip() for span in piece.spans):
            found.append(piece)
    return found


def _sentences(documents: Sequence[Document], tokenizer: Tokenizer, room: int) -> Iterator[_Sentence]:
    """Yields every sentence with the white space after it; a sentence that is too long is yielded in parts that fit."""
    for document in documents:
        starts = [start for start, _ in tokenizer.spans(document.text)]
        start = 0
        for end in sentence_ends(document.text):
            first, last = bisect_left(starts, start), bisect_left(starts, end)
            if last - first <= room:
                yield _Sentence(Span(document.id, start, end), last - first)
            else:
                cuts = sorted({start, *starts[first + room : last : room], end})  # a character may take several tokens
                for before, after in pairwise(cuts):
                    yield _Sentence(Span(document.id, before, after), room, divided=True)
            start = end


def _next(
    left: Sequence[_Sentence], documents: Sequence[Document], count: Callable[[str], int], room: int
) -> tuple[Piece | None, int]:
    """Returns the longest piece from the front and the number of its sentences; None and 0 if not one sentence fits."""

    def of(taken: int) -> Piece:
        sentences = [left[-1 - place] for place in range(taken)]
        spans = _joined([sentence.span for sentence in sentences])
        text = lay_out(spans, documents)
        return Piece(spans, text, count(text), any(sentence.divided for sentence in sentences))

    taken, tokens = 1, left[-1].tokens
    while taken < len(left) and tokens + left[-1 - taken].tokens <= room:
        tokens += left[-1 - taken].tokens
        taken += 1
    piece = of(taken)
    while piece.tokens > room and taken > 1:
        over, dropped = piece.tokens - room, 0
        while taken > 1 and dropped < over:
            taken -= 1
            dropped += max(1, left[-1 - taken].tokens)
        piece = of(taken)
    if piece.tokens > room:
        return None, 0
    while taken < len(left) and (longer := of(taken + 1)).tokens <= room:  # the sum was only about right
        piece, taken = longer, taken + 1
    return piece, taken


def _halves(sentence: _Sentence, documents: Sequence[Document], tokenizer: Tokenizer) -> Iterator[_Sentence]:
    """Yields both halves of a part that does not fit in its prompt. Raises `WindowExceeded` for a single token."""
    span = sentence.span
    [text] = [document.text for document in documents if document.id == span.document_id]
    tokens = tokenizer.spans(text[span.start : span.end])
    places = sorted({start for start, _ in tokens} - {0, len(span)})  # between tokens, inside the part
    if not places:
        raise WindowExceeded("not even one token of the documents fits beside the instructions. Use a larger window.")
    middle = span.start + places[len(places) // 2]
    for start, end in ((span.start, middle), (middle, span.end)):
        part = text[start:end]
        yield _Sentence(Span(span.document_id, start, end), tokenizer.count(part), divided=True)


def _joined(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Returns the spans, with adjacent spans of one document merged."""
    found: list[Span] = []
    for span in spans:
        if found and found[-1].document_id == span.document_id and found[-1].end == span.start:
            found[-1] = Span(span.document_id, found[-1].start, span.end)
        else:
            found.append(span)
    return tuple(found)
