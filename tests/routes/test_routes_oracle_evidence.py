"""The gold evidence and a little text around it."""

from __future__ import annotations

import pytest

from ragvlc.core.data import Document, Span

TEXT = "zero one two three four five six seven eight nine"
DOCUMENT = Document("d", TEXT)


def at(words, document=DOCUMENT):
    start = document.text.index(words)
    return Span(document.id, start, start + len(words))


@pytest.mark.parametrize(
    ("margin", "expected"),
    [
        (0, "four five"),
        (1, " four five six"),  # the token before is the blank that "four" does not begin with
        (2, " three four five six seven"),
        (4, " one two three four five six seven eight nine"),
        (100, TEXT),
    ],
)
def test_evidence_with_a_margin_on_each_side(ask, read, margin, expected):
    route = {"kind": "oracle_evidence", "margin_tokens": margin}
    asked = ask(route, "?", [DOCUMENT], evidence=(at("four five"),))
    assert read(asked.answer, [DOCUMENT]) == [expected]
    assert expected in asked.prompt
    assert list(asked.answer.facts("located")) == [1]


@pytest.mark.parametrize(("words", "expected"), [("zero", "zero one"), ("nine", " nine")])
def test_at_the_edges_of_the_text(ask, read, words, expected):
    asked = ask({"kind": "oracle_evidence", "margin_tokens": 1}, "?", [DOCUMENT], evidence=(at(words),))
    assert read(asked.answer, [DOCUMENT]) == [expected]


def test_margins_that_meet_are_read_once(ask, read):
    route = {"kind": "oracle_evidence", "margin_tokens": 2}
    asked = ask(route, "?", [DOCUMENT], evidence=(at("six"), at("four")))
    assert read(asked.answer, [DOCUMENT]) == [" three four five six seven eight"]


def test_in_the_order_of_the_documents(ask):
    b, a = Document("b", "bread and butter"), Document("a", "apples and pears")
    evidence = (at("apples", a), at("butter", b), at("bread", b))
    asked = ask({"kind": "oracle_evidence", "margin_tokens": 0}, "?", [b, a], evidence=evidence)
    assert asked.answer.context == (at("bread", b), at("butter", b), at("apples", a))


def test_without_evidence_everything_is_read(ask):
    asked = ask("oracle_evidence", "?", [DOCUMENT], unanswerable=True)
    assert asked.answer.context == (Span("d", 0, len(TEXT)),)
    assert list(asked.answer.facts("located")) == [0]


def test_no_text_at_all(ask):
    assert ask("oracle_evidence", "?", [Document("d", "")]).answer.context == ()
