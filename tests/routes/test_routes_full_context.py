"""Whole documents in the prompt."""

from __future__ import annotations

import pytest

from ragvlc.core.data import Document, Span
from ragvlc.core.errors import WindowExceeded

A, B = Document("a", "Ada was born in London.", "Ada"), Document("b", "Bob was born in Bonn.")


def test_every_document_in_its_given_order(ask):
    asked = ask("full_context", "Who?", [B, A])
    text = "Title: b\nBob was born in Bonn.\n\nTitle: Ada\nAda was born in London.\n\n"
    assert asked.prompt.startswith(text)
    assert asked.answer.context == (Span("b", 0, 21), Span("a", 0, 23))
    assert asked.answer.ranking == ()


def test_one_document_has_no_title_line(ask):
    assert ask("full_context", "Who?", [A]).prompt.startswith("Ada was born in London.\n\n")


@pytest.mark.parametrize("documents", [[], [Document("a", "")], [Document("a", ""), Document("b", "")]])
def test_nothing_to_read(ask, documents):
    asked = ask("full_context", "Who?", documents)
    assert asked.prompt.startswith("\n\n")
    assert asked.answer.context == ()
    assert asked.answer.text == "a reply"


def test_an_empty_document_among_others_is_passed_over(ask):
    asked = ask("full_context", "Who?", [Document("e", ""), A])
    assert asked.prompt.startswith("Title: Ada\nAda was born")
    assert asked.answer.context == (Span("a", 0, 23),)


def test_a_limit_on_what_is_read(ask, read):
    long = Document("l", " ".join(f"w{number}" for number in range(100)))
    whole = ask({"kind": "full_context", "max_context_tokens": 100}, "Who?", [long])
    assert whole.answer.dropped_tokens == 0
    cut = ask({"kind": "full_context", "max_context_tokens": 25}, "Who?", [long])
    assert cut.answer.dropped_tokens == 80  # 5 tokens of the 25 are the mark
    assert read(cut.answer, [long]) == [
        " ".join(f"w{number}" for number in range(10)),
        "".join(f" w{number}" for number in range(90, 100)),
    ]


def test_where_it_is_cut_is_a_setting(ask, read):
    long = Document("l", " ".join(f"w{number}" for number in range(100)))
    tail = ask({"kind": "full_context", "truncation": "tail"}, "Who?", [long], window=100)
    head = ask({"kind": "full_context", "truncation": "head"}, "Who?", [long], window=100)
    assert read(tail.answer, [long])[0].startswith("w0 w1 ")
    assert read(head.answer, [long])[0].endswith(" w98 w99")
    assert "Who?" in tail.prompt
    assert tail.answer.dropped_tokens == head.answer.dropped_tokens > 0
    with pytest.raises(WindowExceeded, match="'refuse'"):
        ask({"kind": "full_context", "truncation": "refuse"}, "Who?", [long], window=100)
