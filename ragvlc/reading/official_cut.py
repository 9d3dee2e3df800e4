"""Cuts the whole rendered prompt, as the code of most benchmarks does, in place of the document text alone.

The tokens are those of the message before the chat template. Their code decodes the remaining tokens and tokenises the
text again; here the text is cut at the same tokens, so that it is known which characters of the documents are left.
Equal to theirs on 400 random prompts, except where a cut divides a character: they decode its halves to U+FFFD, here it
stays whole or goes. Differences: their limit is a figure for each model, somewhat below its window; here it is what the
window leaves beside the answer and the chat template. What is left may have a few tokens more when tokenised again:
then it is cut further.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from ragvlc.core.data import Document, Span
from ragvlc.core.engines import Prompt, Reader
from ragvlc.core.errors import WindowExceeded
from ragvlc.core.official import Cut
from ragvlc.core.window import window_too_small
from ragvlc.reading.context import ContextBudget, FittedPrompt, placed

__all__ = ["fit_officially"]

_DOCUMENT = "{document}"
_WORDS_STEP = 250
"""Words that L-Eval's code takes away at each attempt."""

Range = tuple[int, int]


def fit_officially(
    spans: Sequence[Span],
    documents: Sequence[Document],
    reader: Reader,
    make: Callable[[str], Prompt],
    budget: ContextBudget,
) -> FittedPrompt:
    """Returns a prompt that fits the window together with the answer, cut as `budget.cut` says.

    Args:
        spans: what to read, in prompt order.
        documents: the question's documents.
        reader: whose window and tokenizer count.
        make: puts document text into the prompt.
        budget: what to fit, how pieces are joined, and what is left out.

    Raises:
        WindowExceeded: the prompt is too long and `cut` is `refuse`, or nothing would be left of it.
    """
    parts = placed(spans, documents, (), budget.layout)
    text = "".join(part for part, _ in parts)
    prompt, tokenizer = make(text), reader.tokenizer
    whole, size, room = prompt.text(), len(tokenizer.render(prompt)), reader.window - budget.max_tokens
    if budget.limit is not None:
        room = min(room, size - tokenizer.count(text) + budget.limit)
    excess = size - room
    if excess <= 0:
        return FittedPrompt(prompt, tuple(span for _, span in parts if span is not None), 0)
    if budget.cut == "refuse":
        raise WindowExceeded(
            f"the benchmark's prompt is {excess} tokens too long for a window of {reader.window} with "
            f"{budget.max_tokens} for the answer, and its authors cut nothing."
        )

    def cut_to(left: Sequence[Range]) -> tuple[Prompt, int]:
        said = "".join(whole[one:other] for one, other in left)
        made = replace(prompt, template="{prompt}", fields={"prompt": said})
        return made, len(tokenizer.render(made)) - room

    start, limit = _document_start(prompt), tokenizer.count(whole) - excess
    if budget.cut in ("words_left", "words_right"):
        left = _by_words((start, start + len(text)), whole, limit, budget.cut, lambda left: cut_to(left)[1] <= 0)
    else:
        left = _by_tokens(tokenizer.spans(whole), limit, budget.cut, lambda left: cut_to(left)[1])
    if not left:
        raise window_too_small("the benchmark's prompt", window=reader.window)
    cut, _ = cut_to(left)
    dropped = tokenizer.count(whole) - tokenizer.count(cut.text())
    return FittedPrompt(cut, _context(parts, start, left), dropped)


def _by_tokens(tokens: Sequence[Range], limit: int, cut: Cut, excess: Callable[[list[Range]], int]) -> list[Range]:
    """Returns the characters of the first and last tokens that are left; none if nothing fits."""
    while limit > 0:
        half, last = int(limit / 2), len(tokens)
        back = limit - half if cut == "middle_odd" else half
        if cut == "right":
            left = [(0, tokens[limit - 1][1])]
        elif cut == "left":
            left = [(tokens[last - limit][0], tokens[-1][1])]
        else:
            left = [(0, tokens[half - 1][1]), (tokens[last - back][0], tokens[-1][1])] if half else []
        over = excess(left)
        if over <= 0:
            return left
        limit -= over
    return []


def _by_words(document: Range, whole: str, limit: int, cut: Cut, fits: Callable[[list[Range]], bool]) -> list[Range]:
    """Returns what is left with as many words of the document as the limit has tokens, less 250 until it fits.

    Fewer words are fewer tokens, so the number of attempts is found by bisection.
    """
    start, end = document
    blanks = [place for place in range(start, end) if whole[place] == " "]

    def left(attempt: int) -> list[Range]:
        most = limit - attempt * _WORDS_STEP
        words = (start, end)
        if most <= 0:
            words = (start, start)
        elif len(blanks) >= most:
            words = (start, blanks[most - 1]) if cut == "words_right" else (blanks[len(blanks) - most] + 1, end)
        return [(0, start), words, (end, len(whole))]

    attempts = range(limit // _WORDS_STEP + 2)
    first = bisect_left(attempts, True, key=lambda attempt: fits(left(attempt)))
    return left(first) if first < len(attempts) else []


def _document_start(prompt: Prompt) -> int:
    """Returns where the document's text begins in the message."""
    before, found, _ = prompt.template.partition(_DOCUMENT)
    return len(replace(prompt, template=before).text()) if found else len(prompt.text())


def _context(parts: Sequence[tuple[str, Span | None]], start: int, left: Sequence[Range]) -> tuple[Span, ...]:
    """Returns the characters of documents in what is left of the message, in prompt order."""
    ends = [start]
    for text, _ in parts:
        ends.append(ends[-1] + len(text))
    found = []
    for (begin, end), (_, span) in zip(pairwise(ends), parts, strict=True):
        for one, other in left if span is not None else ():
            first, last = max(begin, one), min(end, other)
            if span is not None and first < last:
                found.append(Span(span.document_id, span.start + first - begin, span.start + last - begin))
    return tuple(found)
