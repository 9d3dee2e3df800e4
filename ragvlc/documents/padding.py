"""Contexts of one length: the question's own documents among other documents that do not answer it.

Sources: RULER's question answering (Hsieh et al. 2024, arXiv 2404.06654), which fills up with other paragraphs of the
set to a number of tokens, and LV-Eval (Yuan et al. 2024, arXiv 2402.05136), which asks the same questions at every
length. Differences: RULER finds a number of whole paragraphs by a binary search, LV-Eval counts words and mixes in
confusing facts; here the last document is cut so that the length is met, documents that hold an answer are left out,
the own documents stand together at a chosen depth unless they are scattered, and lengths nest: what a shorter context
is filled with begins what a longer one is filled with.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate
from typing import Literal

from ragvlc.core.data import Document, Example
from ragvlc.documents.tokenizing import DataTokenizer
from ragvlc.text.matching import distinctive, has_cjk, normalise

__all__ = ["TOLERANCE", "Depth", "Impossible", "Padding", "own_documents"]

Depth = float | Literal["spread", "scatter"]
TOLERANCE = 0.02
_KEPT_TEXTS = 4096


@dataclass(frozen=True, slots=True)
class Impossible:
    """Says that a question cannot be asked over a context of the wanted length.

    Attributes:
        reason: to count by.
        why: a sentence with the sizes of this question.
        size: tokens of its own documents, if these are too long; else 0.
    """

    reason: str
    why: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class Filling:
    """The other documents that a question's own documents are placed among.

    Attributes:
        documents: in order, the last one cut.
        sizes: tokens of each.
        left_out: documents passed over, by reason.
    """

    documents: tuple[Document, ...]
    sizes: tuple[int, ...]
    left_out: Counter[str]


@dataclass
class Padding:
    """Builds contexts of `tokens` tokens, or up to 2 % fewer.

    Attributes:
        tokens: length to reach, counted over the documents' texts.
        tokenizer: counts and cuts.
        pool: documents to fill up with.
        depth: where the own documents stand: share of the filling before them, `spread` or `scatter`.
        seed: of the order in which the pool is drawn from.
        piece: at most so many tokens of one document of the pool; None for whole documents.
    """

    tokens: int
    tokenizer: DataTokenizer
    pool: Sequence[Document]
    depth: Depth = "spread"
    seed: int = 0
    piece: int | None = None
    _pieces: dict[int, Document] = field(default_factory=dict, init=False, repr=False)
    _words: Callable[[int, bool], str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._words = lru_cache(maxsize=_KEPT_TEXTS)(self._words_of)  # its own, so that it goes with the padding

    def padded(self, example: Example, place: int, allowed: Sequence[bool] | None = None) -> Example | Impossible:
        """Returns the example over a context of the wanted length, or why there is none.

        Args:
            example: whose documents to put among others.
            place: of the question in the order that `spread` counts by.
            allowed: which documents of the pool may be used; all by default.
        """
        own = own_documents(example)
        size = sum(map(self.tokenizer.size, own))
        if size > self.tokens:
            return Impossible(f"own documents longer than {self.tokens} tokens", size=size)
        filling = self._filling(example, own, self.tokens - size, allowed)
        total = size + sum(filling.sizes)
        if total < self.tokens * (1 - TOLERANCE):
            reason = f"too little other text for {self.tokens} tokens"
            return Impossible(reason, self._too_few(example, size, filling))
        documents, depth = self._arranged(example, own, filling, place)
        tags = {
            **example.tags,
            "context_tokens": total,
            "own_depth": depth,
            "padding_documents": len(filling.documents),
        }
        return replace(example, documents=documents, tags=tags)

    def _filling(self, example: Example, own: Sequence[Document], room: int, allowed: Sequence[bool] | None) -> Filling:
        found: list[Document] = []
        sizes: list[int] = []
        left_out: Counter[str] = Counter()
        slack = int(self.tokens * TOLERANCE)
        for document in self._candidates(example, own, left_out, allowed):
            if room <= 0:
                break
            size = self.tokenizer.size(document)
            if size <= room:
                found.append(document)
                sizes.append(size)
                room -= size
                continue
            text = self.tokenizer.head(document.text, room, room - slack)
            if text.strip():
                found.append(replace(document, text=text))
                sizes.append(self.tokenizer.count(text))
            break
        return Filling(tuple(found), tuple(sizes), left_out)

    def _candidates(
        self, example: Example, own: Sequence[Document], left_out: Counter[str], allowed: Sequence[bool] | None
    ) -> Iterator[Document]:
        """Yields the documents that may fill this question's context, in random order; counts those left out."""
        cjk = has_cjk(example.references)
        answers = distinctive(example.references, cjk=cjk)
        ids = {document.id for document in own}
        names = {_stem(document) for document in own}
        titles = {title for document in own if (title := _title(document))}
        texts = {document.text for document in own}
        for place in _drawn(len(self.pool), random.Random(f"{self.seed}\0{example.id}")):  # noqa: S311 - repeatable
            document = self.pool[place]
            if document.id in ids:
                continue
            if allowed is not None and not allowed[place]:
                left_out["of another group"] += 1
            elif _stem(document) in names or _title(document) in titles or document.text in texts:
                left_out["the same document, or another form of one"] += 1
            elif any(answer in self._words(place, cjk) for answer in answers):
                left_out["holding an answer"] += 1
            else:
                names.add(_stem(document))
                texts.add(document.text)
                yield self._piece(place)

    def _piece(self, place: int) -> Document:
        document = self.pool[place]
        if self.piece is None or self.tokenizer.size(document) <= self.piece:
            return document
        if place not in self._pieces:
            text = self.tokenizer.head(document.text, self.piece, self.piece // 2)
            self._pieces[place] = replace(document, text=text)
        return self._pieces[place]

    def _words_of(self, place: int, cjk: bool) -> str:
        return normalise(self.pool[place].text, cjk=cjk)

    def _arranged(
        self, example: Example, own: Sequence[Document], filling: Filling, place: int
    ) -> tuple[tuple[Document, ...], float]:
        """Returns all documents in order, and the share of the filling that precedes the first own document."""
        before = [0, *accumulate(filling.sizes)]
        depths = self._depths(example, len(own), place)
        places = [min(range(len(before)), key=lambda i: abs(before[i] - depth * before[-1])) for depth in depths]
        arranged: list[Document] = []
        for i in range(len(before)):
            arranged += [document for document, where in zip(own, places, strict=True) if where == i]
            arranged += filling.documents[i : i + 1]
        return tuple(arranged), round(before[places[0]] / before[-1], 3) if before[-1] else 0.0

    def _depths(self, example: Example, count: int, place: int) -> list[float]:
        if self.depth == "scatter":
            chance = random.Random(f"{self.seed}\0{example.id}\0depth")  # noqa: S311 - repeatable, not secret
            return sorted(chance.random() for _ in range(count))
        return [_halving(place) if self.depth == "spread" else float(self.depth)] * count

    def _too_few(self, example: Example, size: int, filling: Filling) -> str:
        left_out = "; ".join(f"{count} left out, {reason}" for reason, count in sorted(filling.left_out.items()))
        return (
            f"question '{example.id}' cannot be asked over {self.tokens:,} tokens: its own documents have {size:,}, "
            f"the {len(filling.documents)} others that may stand beside them {sum(filling.sizes):,}"
            f"{f' ({left_out})' if left_out else ''}. Lower pad_to_tokens, or name more text in pad_from."
        )


def own_documents(example: Example) -> tuple[Document, ...]:
    """Returns the question's own documents: the relevant ones if these are known, else all of them."""
    if not example.relevant:
        return example.documents
    wanted = {name for name, grade in example.relevant.items() if grade > 0}
    wanted |= {span.document_id for span in example.evidence}
    return tuple(document for document in example.documents if document.id in wanted)


def _drawn(count: int, chance: random.Random) -> Iterator[int]:
    """Yields the numbers 0 to `count` - 1 in random order; using only the first few is cheap."""
    moved: dict[int, int] = {}
    for i in range(count):
        j = chance.randrange(i, count)
        yield moved.get(j, j)
        moved[j] = moved.get(i, i)


def _halving(place: int) -> float:
    """Returns a point of the van der Corput sequence, whose first n points are spread evenly over 0 to 1 for any n."""
    point, step = 0.0, 1.0
    number = place + 1
    while number:
        step /= 2
        point += step * (number % 2)
        number //= 2
    return point


def _stem(document: Document) -> str:
    return document.id.partition("@")[0]


def _title(document: Document) -> str:
    return " ".join(document.title.casefold().split())
