"""Documents as numbered paragraphs, which a model can refer to by number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ragvlc.chunkers.sentences import Sentences
from ragvlc.core.data import Chunk, Document, Span
from ragvlc.core.engines import Tokenizer
from ragvlc.core.run import Run
from ragvlc.core.window import window_too_small
from ragvlc.reading.context import OMISSION

__all__ = ["Numbered", "numbered", "numbers_in"]

_NUMBER = re.compile(r"\[\s*(\d{1,5})\s*\]|\b(\d{1,5})\b")


@dataclass(frozen=True, slots=True)
class Numbered:
    """The numbered paragraphs that fit into a prompt.

    Attributes:
        text: of all of them, each after its number.
        paragraphs: by number, in order; those left out are missing.
        dropped_tokens: of the paragraphs left out.
    """

    text: str
    paragraphs: dict[int, Chunk]
    dropped_tokens: int

    @property
    def spans(self) -> list[Span]:
        """The document spans of the paragraphs in the prompt."""
        return [chunk.span for chunk in self.paragraphs.values()]


def numbered(documents: Sequence[Document], run: Run, role: str, *, size: int, room: int) -> Numbered:
    """Returns the documents as paragraphs of whole sentences; if not all fit, those in the middle are left out.

    Args:
        documents: what to read.
        run: at work.
        role: of the generator whose tokens count.
        size: at most so many tokens a paragraph, and at most a quarter of the room.
        room: tokens for all of the text.

    Raises:
        WindowExceeded: if there is text, and room for none of it.
    """
    tokenizer = run.generator(role).tokenizer
    if room <= 0:
        raise window_too_small("the documents", left=room)
    chunks = run.chunks(Sentences(size=max(1, min(size, room // 4))), documents, role)
    everything = {number: chunk for number, chunk in enumerate(chunks, 1) if chunk.text.strip()}
    kept = _ends(everything, documents, tokenizer, room)
    while kept and tokenizer.count(_laid_out(kept, documents)) > room:
        del kept[sorted(kept)[len(kept) // 2]]
    if everything and not kept:
        raise window_too_small("one paragraph of the documents", left=room)
    dropped = sum(tokenizer.count(chunk.text) for number, chunk in everything.items() if number not in kept)
    return Numbered(_laid_out(kept, documents), kept, dropped)


def numbers_in(reply: str, paragraphs: dict[int, Chunk]) -> list[int]:
    """Returns the numbers of the paragraphs that a reply refers to, in the order of the reply."""
    found = (int(match[1] or match[2]) for match in _NUMBER.finditer(reply))
    return list(dict.fromkeys(number for number in found if number in paragraphs))


def _ends(chunks: dict[int, Chunk], documents: Sequence[Document], tokenizer: Tokenizer, room: int) -> dict[int, Chunk]:
    """Returns about as many paragraphs as fit, chosen alternately from the start and the end of the documents."""
    numbers, chosen, used = list(chunks), set[int](), 0
    for place in range(len(numbers)):
        number = numbers[place // 2] if place % 2 == 0 else numbers[-1 - place // 2]
        used += tokenizer.count(_laid_out({number: chunks[number]}, documents))
        if used > room:
            break
        chosen.add(number)
    return {number: chunk for number, chunk in chunks.items() if number in chosen}


def _laid_out(chunks: dict[int, Chunk], documents: Sequence[Document]) -> str:
    blocks: list[str] = []
    before = 0
    for number, chunk in chunks.items():
        if number > before + 1 and before:
            blocks.append(OMISSION.strip())
        announced = not before or chunks[before].document_index != chunk.document_index
        document = documents[chunk.document_index]
        heading = f"Title: {document.title or document.id}\n" if announced and len(documents) > 1 else ""
        blocks.append(f"{heading}[{number}] {chunk.text}")
        before = number
    return "\n\n".join(blocks)
