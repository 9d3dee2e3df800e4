"""The contracts of chunkers, orders and selectors: components that work on texts and rankings only."""

from __future__ import annotations

from collections.abc import Sequence

from ragvlc.core.component import fields_of
from ragvlc.core.data import Chunk, Document, Hit
from ragvlc.core.families import Chunker, Order, Selector
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.testing.materials import rankings, texts
from ragvlc.testing.trial import Trial, require

__all__ = ["CHUNKER_CLAUSES", "ORDER_CLAUSES", "SELECTOR_CLAUSES", "loses_nothing", "permutes", "selects_best_first"]

WORDS = WordTokenizer()
_SHUFFLES = 20


def chunks_are_pieces_of_the_text_that_lose_nothing(trial: Trial) -> None:
    """Chunks are pieces of the text, in order, that together lose nothing but white space."""
    small = {"size": 7} if "size" in fields_of(trial.part) else {}
    for text in texts():
        loses_nothing(trial.build(**small), text)


def an_empty_document_has_no_chunks(trial: Trial) -> None:
    """An empty document has no chunks."""
    found = trial.build().split(Document("d", ""), WORDS)
    require(found == [], f"split() makes {found!r} of an empty document. Return an empty list.")


def loses_nothing(chunker: Chunker, text: str) -> None:
    """Raises `Broken` if the chunks of a text are not pieces of it, in order, that lose nothing but white space."""
    chunks, shown = chunker.split(Document("d", text), WORDS), repr(text[:60])
    require(
        [chunk.index for chunk in chunks] == list(range(len(chunks))),
        f"the chunks of {shown} have the indexes {[chunk.index for chunk in chunks]}. Count from 0.",
    )
    require(
        all(chunk.document_id == "d" for chunk in chunks),
        "chunks name another document than theirs. Pass on `document.id`.",
    )
    for chunk in chunks:
        require(
            chunk.start < chunk.end and chunk.text == text[chunk.start : chunk.end],
            f"chunk {chunk.index} of {shown} is not the text at its place. Let chunk.text be "
            "document.text[start:end], and not empty.",
        )
    places = [(chunk.start, chunk.end) for chunk in chunks]
    require(places == sorted(places), f"the chunks of {shown} are not in the text's order. Sort them by start and end.")
    reached = 0
    for start, end in [*places, (len(text), len(text))]:
        lost = text[reached:start].strip()
        require(not lost, f"the chunks of {shown} lose {lost[:40]!r}. Let the next chunk start where one ends.")
        reached = max(reached, end)
    require(
        chunker.split(Document("d", text), WORDS) == chunks,
        "split() cuts the same text in another way the second time. Let it depend on document and settings only.",
    )


def an_order_is_a_permutation(trial: Trial) -> None:
    """An order returns all the hits that it is given, each once, and arranged the same way each time."""
    for number, hits in enumerate(rankings()):
        permutes(trial.build(), hits, number)


def an_order_that_says_it_is_random_is(trial: Trial) -> None:
    """An order depends on the seed if, and only if, it says that it is random."""
    order: Order = trial.build()
    hits = [Hit(Chunk("d", i, i, i + 1, "x"), -float(i)) for i in range(6)]
    seen = {tuple(hit.chunk.index for hit in order.arrange(hits, seed)) for seed in range(_SHUFFLES)}
    require(
        (len(seen) > 1) == order.random,
        f"it arranges six hits in {len(seen)} ways for {_SHUFFLES} seeds, and `random` is {order.random}. Define "
        "`random` as a property that says so, and draw from random.Random(seed) only.",
    )


def permutes(order: Order, hits: Sequence[Hit], seed: int) -> None:
    """Raises `Broken` if an order does not return all the hits, each once, and arranged the same way each time."""
    before, given = list(hits), list(hits)
    arranged = order.arrange(given, seed)
    require(given == before, "arrange() changes the list that it is given. Return a new one.")
    require(
        len(arranged) == len(hits) and {id(hit) for hit in arranged} == {id(hit) for hit in hits},
        f"arrange() returns {len(arranged)} of {len(hits)} hits, or others. Return the hits given, each of them once.",
    )
    require(
        order.arrange(tuple(hits), seed) == arranged,
        "arrange() returns another order the second time. Draw from random.Random(seed) only.",
    )
    if not order.random:
        require(
            order.arrange(hits, seed + 1) == arranged,
            "arrange() depends on the seed, and `random` is False. Define `random` as True.",
        )


def a_selection_is_a_subset_best_first(trial: Trial) -> None:
    """A selector returns some of the hits, best first; it returns none only if there are none."""
    for hits in rankings():
        selects_best_first(trial.build(), hits)


def selects_best_first(selector: Selector, hits: Sequence[Hit]) -> None:
    """Raises `Broken` if a selector does not return a part of the hits in their order."""
    before, given = list(hits), list(hits)
    selected = selector.select(given, WORDS)
    require(given == before, "select() changes the list that it is given. Return a new one.")
    places = {id(hit): place for place, hit in enumerate(hits)}
    chosen = [places.get(id(hit), -1) for hit in selected]
    require(
        -1 not in chosen and chosen == sorted(set(chosen)),
        f"select() returns the hits {chosen} of {len(hits)} (-1: none of them). Return some of the hits given, each "
        "once, in their order.",
    )
    require(
        bool(selected) == bool(hits),
        f"select() returns {len(selected)} of {len(hits)} hits. Return at least the best one.",
    )
    require(
        selector.select(tuple(hits), WORDS) == selected,
        "select() returns something else the second time. Let it depend on hits and settings only.",
    )


CHUNKER_CLAUSES = (chunks_are_pieces_of_the_text_that_lose_nothing, an_empty_document_has_no_chunks)
ORDER_CLAUSES = (an_order_is_a_permutation, an_order_that_says_it_is_random_is)
SELECTOR_CLAUSES = (a_selection_is_a_subset_best_first,)
