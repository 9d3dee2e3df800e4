"""Test inputs for components: texts, rankings and answers of many forms, the same ones each time."""

from __future__ import annotations

import random
from collections.abc import Iterator

from ragvlc.core.answer import Answer, Step
from ragvlc.core.data import Chunk, Document, Example, Hit, Query, Span

__all__ = ["SEARCH", "answers_to", "hits_of", "rankings", "texts"]

_CHARACTERS = "ab .\n,;茶馆。🫖é\u0301\t7\u00a0\u200bß"
_PIECES = ("The cat. ", "Dr. Who? ", "\n\n", "茶馆。", "x" * 30, "a ", "1. ", "- item\n", "{text}", "<|im_end|>")
_SCORES = (3.0, 2.5, 1.0, 0.0, -1.5)

# A search with enough right documents that even a precision at 10 can be perfect.
SEARCH = Example(
    Query("search", "What is said about boats?"),
    tuple(Document(f"d{n:02}", f"Boat {n} is at sea." if n < 10 else f"House {n} is on land.") for n in range(20)),
    evidence=tuple(Span(f"d{n:02}", 0, 6) for n in range(10)),
    relevant={f"d{n:02}": 1.0 + n % 2 for n in range(10)},
    cluster="search",
    task="retrieval",
    scoring={"judged": [f"d{n:02}" for n in range(10)]},
)


def texts(count: int = 120) -> Iterator[str]:
    """Yields the empty text, then random texts, short and long, of single characters and of sentences."""
    chance = random.Random("texts")  # noqa: S311 - the same each time, not a secret
    yield ""
    for number in range(1, count):
        if number % 2:
            yield "".join(chance.choice(_CHARACTERS) for _ in range(chance.randrange(200)))
        else:
            yield "".join(chance.choice(_PIECES) for _ in range(chance.randrange(80)))


def hits_of(scores: list[float]) -> list[Hit]:
    """Returns hits with the given scores, best first, over three documents and with several lengths."""
    found = []
    for place, score in enumerate(sorted(scores, reverse=True)):
        start = place * 13 % 31 * 10
        text = " word" * (place % 4 + 1)
        chunk = Chunk(f"d{place % 3}", place, start, start + len(text), text, document_index=place % 3)
        found.append(Hit(chunk, score))
    return found


def rankings(count: int = 60) -> Iterator[list[Hit]]:
    """Yields the empty ranking, then random rankings, some with ties."""
    chance = random.Random("rankings")  # noqa: S311 - the same each time, not a secret
    for number in range(count):
        length = number % 31
        yield hits_of(
            [chance.choice(_SCORES) if chance.random() < 0.7 else chance.uniform(-9, 9) for _ in range(length)]
        )


def answers_to(example: Example) -> Iterator[Answer]:
    """Yields answers of many forms: right, wrong, empty, declined, other scripts, other contexts and rankings."""
    whole = tuple(Span(document.id, 0, len(document.text)) for document in example.documents)
    first = (Span(example.documents[0].id, 0, 5),)
    replies = [
        "",
        " ",
        "A",
        "B.",
        "(C)",
        "yes",
        "31 metres",
        "It is 31 metres high, I think",
        "The text does not say.",
        "茉莉花茶",
        "🫖",
        "!?",
        "x " * 50,
        "The correct answer is (A)",
    ]
    replies += [*example.references, *example.query.choices, " ".join(example.references)]
    for text in replies:
        for context in ((), first, whole, (*first, *whole), example.evidence):
            yield Answer(text, context=context)
    yield Answer("none", finish="declined", context=whole)
    for text in example.references:  # noted on the way, and not answered
        yield Answer("", trace=(Step("call", {"unit": text, "path_answer": text, "quotes": 1, "survived": 1}),))
    hits = [
        Hit(Chunk(document.id, 0, 0, len(document.text), document.text, place), 1.0)
        for place, document in enumerate(example.documents)
    ]
    right = [hit for hit in hits if hit.chunk.document_id in example.relevant]
    wrong = [hit for hit in hits if hit not in right]
    for ranking in ([*right, *wrong], [*wrong, *right], right, wrong, right[:1], hits * 2):
        yield Answer("", ranking=tuple(ranking))
