"""Examples in the form of published benchmarks, with the gold that their scorers need; for the contract of metrics."""

from __future__ import annotations

from ragvlc.core.data import Document, Example, Query

__all__ = ["BENCHMARKS"]

_BOOK = (Document("book", "Paragraph 1: The tower is 31 metres high. Paragraph 2: It was built of stone."),)

BENCHMARKS = (
    Example(
        Query("published-class", "What kind of question is it?"),
        _BOOK,
        ("Number",),
        task="classification",
        scoring={"classes": ["Number", "Person", "Place"]},
    ),
    Example(Query("published-paragraph", "Which paragraph is it from?"), _BOOK, ("Paragraph 2",), task="retrieval"),
    Example(Query("published-count", "How many paragraphs are there?"), _BOOK, ("2",), task="counting"),
    Example(
        Query("published-choice", "What is it?", ("A tower", "A house", "A ship", "A bridge")),
        _BOOK,
        ("A tower",),
        task="multiple_choice",
    ),
    Example(
        Query("published-needle", "What is hidden in the text?"),
        _BOOK,
        ("The tower is 31 metres high.",),
        task="needle",
        scoring={"keywords": ["31 metres", "high"], "depths": [10, 50], "answer_keywords": "31 metres"},
    ),
    Example(
        Query("published-fiction", "The tower is higher than 20 metres."),
        _BOOK,
        ("True [fact: False]",),
        task="science_fiction",
    ),
)
"""One a form, so that every shipped scorer applies to some of them."""
