"""Context of a prompt: pieces of documents joined to one text and cut to fit; the question is never cut."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from ragvlc.core.data import Document, Span
from ragvlc.core.engines import Prompt, Reader, Tokenizer
from ragvlc.core.errors import WindowExceeded
from ragvlc.core.official import Cut
from ragvlc.core.window import window_too_small

__all__ = ["TITLES", "ContextBudget", "FittedPrompt", "Layout", "Truncation", "fit", "lay_out", "placed"]

Truncation = Literal["middle", "head", "tail", "refuse"]
"""Where a document too long for its budget is cut; `refuse` fails the example instead."""

OMISSION = "\n[...]\n"
"""Stands where characters were left out inside a document."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How pieces of documents are joined to one text.

    Attributes:
        titles: whether each change of document is announced by a title line, where there are several documents.
        between: what separates pieces that do not touch.
        adjoining: what separates the end of a document from the start of the next one; None for `between`.
        piece: how each piece is written, with `{number}` from 1 or `{index}` from 0, and `{text}`.
    """

    titles: bool = True
    between: str = "\n\n"
    adjoining: str | None = None
    piece: str = "{text}"


TITLES = Layout()


@dataclass(frozen=True, slots=True)
class ContextBudget:
    """The limits of a prompt, and which text is cut to meet them.

    Attributes:
        max_tokens: of the answer.
        truncation: where a span is cut.
        limit: at most so many tokens of document text, whatever the window allows.
        least: places in the spans, those to give up first in front; by default the longest span is cut, then the next.
        layout: how the spans are joined.
        cut: what is left out of the whole prompt, in place of `truncation`; empty for document text only.
    """

    max_tokens: int
    truncation: Truncation = "middle"
    limit: int | None = None
    least: Sequence[int] = ()
    layout: Layout = TITLES
    cut: Cut = ""


@dataclass(frozen=True, slots=True)
class FittedPrompt:
    """A prompt that fits the window.

    Attributes:
        prompt: with the document text filled in.
        context: the characters of the documents that are in it, in prompt order.
        dropped_tokens: document tokens left out.
    """

    prompt: Prompt
    context: tuple[Span, ...]
    dropped_tokens: int


def lay_out(
    spans: Sequence[Span],
    documents: Sequence[Document],
    cuts: Container[tuple[str, int]] = frozenset(),
    layout: Layout = TITLES,
) -> str:
    """Returns the text of `spans`, joined in their order.

    A span that starts inside or at the end of the one before continues it without a break or repeat; other spans start
    a paragraph. When the question has several documents, each change of document is announced by a title line.

    Args:
        spans: what to read.
        documents: the question's documents.
        cuts: (document id, character) where truncation cut; an omission mark stands there.
        layout: how pieces are separated and announced.
    """
    return "".join(text for text, _ in placed(spans, documents, cuts, layout))


def placed(
    spans: Sequence[Span], documents: Sequence[Document], cuts: Container[tuple[str, int]], layout: Layout
) -> list[tuple[str, Span | None]]:
    """Returns the parts of the text that `lay_out` makes, with the characters of a document that each part is."""
    named = {document.id: document for document in documents}
    ahead = {one.id: other.id for one, other in pairwise(documents)}
    parts: list[tuple[str, Span | None]] = []
    opening, _, closing = layout.piece.partition("{text}")
    number = 0
    before: Span | None = None
    for span in spans:
        document = named[span.document_id]
        announced = before is None or before.document_id != span.document_id
        if before is not None and not announced and before.start <= span.start <= before.end:
            if span.end > before.end:
                more = Span(span.document_id, before.end, span.end)
                parts.insert(-1, (document.text[more.start : more.end], more))  # before the closing of the piece
            before = Span(span.document_id, before.start, max(before.end, span.end))
            continue
        at_cut = (span.document_id, span.start) in cuts
        if before is not None:
            after_cut = (before.document_id, before.end) in cuts
            whole = before.end == len(named[before.document_id].text) and span.start == 0
            adjoins = announced and whole and ahead.get(before.document_id) == span.document_id
            gap = layout.adjoining if adjoins and layout.adjoining is not None else layout.between
            parts.append((OMISSION if after_cut or (at_cut and not announced) else gap, None))
        if announced and layout.titles and len(documents) > 1:
            parts.append((f"Title: {document.title or document.id}\n", None))
        if announced and at_cut:
            parts.append((OMISSION, None))
        head = opening.replace("{number}", str(number + 1)).replace("{index}", str(number))
        number += 1
        parts += [(head, None), (document.text[span.start : span.end], span)]
        parts.append((closing, None))
        before = span
    if before is not None and (before.document_id, before.end) in cuts:
        parts.append((OMISSION, None))
    return parts


def fit(
    spans: Sequence[Span],
    documents: Sequence[Document],
    reader: Reader,
    make: Callable[[str], Prompt],
    budget: ContextBudget,
) -> FittedPrompt:
    """Returns a prompt that fits the window together with the answer; only document text is ever cut.

    Args:
        spans: what to read, in prompt order.
        documents: the question's documents.
        reader: whose window and tokenizer count.
        make: puts document text into the prompt.
        budget: what to fit and what gives way.

    Raises:
        WindowExceeded: if `truncation` is `refuse` and the text is too long, or if no document token fits at all.
    """
    tokenizer = reader.tokenizer
    max_tokens, limit, truncation = budget.max_tokens, budget.limit, budget.truncation
    room = reader.window - max_tokens
    kept = tuple(spans)
    text = lay_out(kept, documents, layout=budget.layout)
    prompt = make(text)
    excess = _excess(prompt, text, tokenizer, room, limit)
    if excess > 0 and truncation == "refuse":
        raise WindowExceeded(
            f"the prompt is {excess} tokens too long for a window of {reader.window} with {max_tokens} for the answer"
            f"{f' and at most {limit} of documents' if limit else ''}; truncation is 'refuse'."
        )
    sizes = _tokens(spans, documents, tokenizer) if excess > 0 else []
    order = budget.least or sorted(range(len(sizes)), key=lambda i: (-sizes[i], i))
    shrink = 0
    while excess > 0:
        shrink += excess
        kept = _cut([(place, spans[place], sizes[place]) for place in order], documents, tokenizer, shrink, truncation)
        if not kept:
            raise window_too_small("document text", window=reader.window, limit=limit)
        edges = {(span.document_id, place) for span in kept for place in (span.start, span.end)}
        cuts = edges - {(span.document_id, place) for span in spans for place in (span.start, span.end)}
        text = lay_out(kept, documents, cuts, budget.layout)
        prompt = make(text)
        excess = _excess(prompt, text, tokenizer, room, limit)
    dropped = sum(sizes) - sum(_tokens(kept, documents, tokenizer)) if shrink else 0
    return FittedPrompt(prompt, kept, dropped)


def _excess(prompt: Prompt, text: str, tokenizer: Tokenizer, room: int, limit: int | None) -> int:
    over_window = len(tokenizer.render(prompt)) - room
    return over_window if limit is None else max(over_window, tokenizer.count(text) - limit)


def _cut(
    spans: Sequence[tuple[int, Span, int]],
    documents: Sequence[Document],
    tokenizer: Tokenizer,
    excess: int,
    where: Truncation,
) -> tuple[Span, ...]:
    """Returns the spans in prompt order after removing `excess` tokens from them, one span after the other.

    Args:
        spans: place in the prompt, span, tokens; those to give up first in front.
        documents: the question's documents.
        tokenizer: counts.
        excess: tokens to lose.
        where: a span is cut.
    """
    texts = {document.id: document.text for document in documents}
    pieces: dict[int, tuple[Span, ...]] = {}
    mark = tokenizer.count(f"a{OMISSION}a") - tokenizer.count("a") * 2  # beside text: its edges join their neighbours
    for place, span, size in spans:
        pieces[place] = (span,)
        if excess > 0:
            keep = max(0, size - excess - mark)
            tokens = tokenizer.spans(texts[span.document_id][span.start : span.end])
            pieces[place] = _halves(span, tokens, keep, where)
            excess -= size - keep - (mark if pieces[place] else 0)
    return tuple(piece for place in sorted(pieces) for piece in pieces[place])


def _halves(span: Span, tokens: Sequence[tuple[int, int]], keep: int, where: Truncation) -> tuple[Span, ...]:
    front = {"middle": (keep + 1) // 2, "tail": keep, "head": 0}[where]
    back = keep - front
    pieces = []
    if front:
        pieces.append(Span(span.document_id, span.start, span.start + tokens[front - 1][1]))
    if back:
        pieces.append(Span(span.document_id, span.start + tokens[len(tokens) - back][0], span.end))
    return tuple(pieces)


def _tokens(spans: Sequence[Span], documents: Sequence[Document], tokenizer: Tokenizer) -> list[int]:
    texts = {document.id: document.text for document in documents}
    return [tokenizer.count(texts[span.document_id][span.start : span.end]) for span in spans]
