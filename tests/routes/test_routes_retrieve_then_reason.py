"""Quotes are looked up in the documents; what stands is read, what does not is dropped."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from reading_engines import read, sentences

from ragvlc.core.data import Document, Span
from ragvlc.metrics.quote_survival import QuoteSurvival
from ragvlc.reading.quotes import find_quote, quotes_in
from ragvlc.routes.retrieve_then_reason import RetrieveThenReason

TEXT = "The mill was built in 1868. Its “grey” sails turn no more. The tower is 31 metres high. A cat lives there."
DOCUMENT = Document("d", TEXT)


def quoting(*quotes):
    listed = "\n".join(f"- {quote}" for quote in quotes)
    return lambda prompt: listed if "word for word" in prompt else "an answer"


def ask(reply, folder, documents=TEXT, **settings):
    return read({"kind": "retrieve_then_reason", **settings}, "How high?", documents, reply, folder)


def test_the_answer_is_read_from_the_document_where_quotes_stand(tmp_path):
    asked = ask(quoting("the tower is 31 metres  HIGH", 'Its "grey" sails'), tmp_path)
    assert [TEXT[span.start : span.end].strip() for span in asked.answer.context] == [
        "Its “grey” sails turn no more. The tower is 31 metres high."
    ]
    assert "mill" not in asked.prompts[-1]
    assert "cat" not in asked.prompts[-1]
    assert asked.answer.text == "an answer"


def test_the_quote_alone_may_be_read(tmp_path):
    asked = ask(quoting("31 metres", "1868"), tmp_path, reading="quote")
    assert asked.answer.context == (Span("d", 22, 26), Span("d", 72, 81))


def test_made_up_quotes_are_dropped_and_counted(tmp_path):
    asked = ask(quoting("The tower is 31 metres high.", "The tower was sold to a dentist from Leeds."), tmp_path)
    assert "dentist" not in asked.prompts[-1]
    assert QuoteSurvival().score(asked.answer, None) == 0.5
    assert list(asked.answer.facts("fallback")) == [False]


@pytest.mark.parametrize(
    "reply", [quoting("A whale sang in the harbour of Leeds."), lambda prompt: "NONE", lambda prompt: ""]
)
def test_without_a_verified_quote_everything_is_read(tmp_path, reply):
    asked = ask(reply, tmp_path)
    assert TEXT in asked.prompts[-1]
    assert asked.answer.context == (Span("d", 0, len(TEXT)),)
    assert list(asked.answer.facts("fallback")) == [True]
    assert QuoteSurvival().score(asked.answer, None) == 0.0


def test_long_documents_are_quoted_from_in_pieces_at_once(tmp_path):
    text = sentences(100, planted=70)
    asked = ask(quoting("The code is amber7."), tmp_path, text, window=400)
    assert asked.batches[0] > 2
    assert asked.batches[1:] == [1]
    assert [text[span.start : span.end].strip() for span in asked.answer.context] == ["The code is amber7."]


def test_quotes_of_several_documents_are_read_in_their_order(tmp_path):
    documents = [Document("x", "Ada is tall. Ada sings."), Document("y", "Bob is small. Bob sleeps.")]
    asked = ask(quoting("Bob sleeps.", "Ada sings."), tmp_path, documents)
    assert [span.document_id for span in asked.answer.context] == ["x", "y"]


class TestFinding:
    def test_near_quotes_above_the_threshold_only(self):
        near = "The towr is 31 meters high."
        found = find_quote(near, [DOCUMENT], 0.85)
        assert TEXT[found.span.start : found.span.end] == "The tower is 31 metres high."
        assert 0.85 <= found.likeness < 1
        assert find_quote(near, [DOCUMENT], 0.99) is None
        assert find_quote(near, [DOCUMENT], 1.0) is None

    def test_short_quotes_must_stand_as_they_are(self):
        assert find_quote("in 1869", [DOCUMENT], 0.5) is None
        assert find_quote("in 1868", [DOCUMENT], 0.5).likeness == 1.0

    @settings(max_examples=150, deadline=None)
    @given(
        text=st.text(alphabet=st.sampled_from("aA ßİ\n\t“”'’茶é\u0301-–.b"), min_size=1, max_size=80), data=st.data()
    )
    def test_any_piece_of_a_text_is_found_where_it_says_the_same(self, text, data):
        start = data.draw(st.integers(0, len(text) - 1))
        quote = text[start : data.draw(st.integers(start + 1, len(text)))]
        found = find_quote(quote, [Document("d", text)], 0.9)
        if not quote.strip():
            assert found is None
            return
        assert found.likeness == 1.0
        again = find_quote(text[found.span.start : found.span.end], [Document("d", text)], 1.0)
        assert again.span == found.span

    def test_lines_become_quotes(self):
        reply = '1. "One."\n- Two.\n\n* “Three”\nNONE\n[4] Four\n---\nTwo.'
        assert quotes_in(reply) == ["One.", "Two.", "Three", "Four"]


def test_settings():
    with pytest.raises(ValidationError, match=r"quote_prompt must contain \{document\}"):
        RetrieveThenReason(quote_prompt="{question}")
    with pytest.raises(ValidationError):
        RetrieveThenReason(likeness=1.2)
