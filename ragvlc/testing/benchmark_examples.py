"""Examples in the form of published benchmarks, with the gold that their scorers need; for the contract of metrics."""

from __future__ import annotations

from ragvlc.core.data import Document, Example, Query, Span

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
    Example(
        Query("published-count", "How many paragraphs are there?"),
        _BOOK,
        ("2",),
        task="counting",
        tags={"dataset": "number_string"},
    ),
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
    Example(
        Query("published-cloze", "Fill in <mask-0>, which is <mask-1> high."),
        _BOOK,
        ("{'<mask-0>': 'The tower', '<mask-1>': '31 metres'}",),
        task="cloze",
        scoring={"masks": {"<mask-0>": "The tower", "<mask-1>": "31 metres"}},
    ),
    Example(
        Query("published-order", "Bring into order: I. stone II. tower"),
        _BOOK,
        ("II, I",),
        task="timeline_reorder",
        scoring={"order": [2, 1]},
    ),
    Example(
        Query("published-coreference", "Prepend x7 to the first text about towers."),
        _BOOK,
        ("x7The tower is 31 metres high.",),
        task="coreference",
        scoring={"prefix": "x7"},
    ),
    Example(
        Query("published-graph", "What can be reached from a?"),
        _BOOK,
        ("Final Answer: [b, c]",),
        task="graph_walk",
        scoring={"nodes": ["b", "c"]},
    ),
    Example(
        Query("published-label", "Where is the tower?"),
        _BOOK,
        ("garden",),
        task="qa1",
        scoring={"labels": ["garden", "kitchen", "office"]},
    ),
    Example(
        Query("published-total", "How many metres?"),
        _BOOK,
        ("31",),
        task="counting",
        scoring={"answer_type": "ANSWER_TYPE.NUMERIC"},
    ),
    Example(Query("published-box", "How many metres?"), _BOOK, ("\\boxed{31}",), task="counting"),
    Example(
        Query("published-evidence", "How high is the tower?"),
        _BOOK,
        ("31 metres",),
        evidence=(Span("book", 13, 41),),
        scoring={"evidence_texts": [[_BOOK[0].text]], "judged": ["book"]},
    ),
)
"""One a form, so that every shipped scorer applies to some of them."""
