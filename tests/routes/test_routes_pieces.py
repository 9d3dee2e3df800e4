"""C1, C2, C5: pieces cover the documents sentence by sentence, are never empty and never too long."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragvlc.core.data import Document
from ragvlc.core.errors import WindowExceeded
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.reading.context import lay_out
from ragvlc.reading.pieces import pieces_of
from ragvlc.text.sentences import sentence_ends

WORDS = WordTokenizer()

texts = st.text(
    alphabet=st.sampled_from("ab .\n!?,;茶馆。🫖é\u0301\t7") | st.characters(codec="utf-8"), max_size=200
) | st.lists(
    st.sampled_from(["The cat sat. ", "Dr. Who? ", "\n\n", "茶馆。", "word " * 30, "a ", "No! "]), max_size=60
).map("".join)


def sentences_in(text: str) -> list[str]:
    places = [0, *sentence_ends(text)]
    return [text[start:end] for start, end in zip(places, places[1:], strict=False)]


class TestC1Coverage:
    @settings(max_examples=150, deadline=None)
    @given(text=texts, room=st.integers(1, 40))
    def test_every_visible_character_is_in_one_piece_in_order(self, text, room):
        pieces = pieces_of([Document("d", text)], WORDS, room)
        spans = [span for piece in pieces for span in piece.spans]
        assert all(before.end <= after.start for before, after in zip(spans, spans[1:], strict=False))
        reached = 0
        for span in spans:
            assert not text[reached : span.start].strip()
            reached = span.end
        assert not text[reached:].strip()

    @settings(max_examples=150, deadline=None)
    @given(text=texts, room=st.integers(1, 40))
    def test_the_sentences_of_the_pieces_are_those_of_the_text(self, text, room):
        pieces = pieces_of([Document("d", text)], WORDS, room)
        found = [text[span.start : span.end] for piece in pieces for span in piece.spans]
        whole = [sentence for sentence in sentences_in(text) if sentence.strip()]
        if any(piece.divided for piece in pieces):
            assert "".join("".join(found).split()) == "".join(text.split())
            return
        borders = {span.end for piece in pieces for span in piece.spans}
        assert borders <= set(sentence_ends(text))
        assert "".join(found).split() == "".join(whole).split()

    @settings(max_examples=100, deadline=None)
    @given(several=st.lists(texts, max_size=4), room=st.integers(12, 60))
    def test_several_documents_share_pieces_and_lose_nothing(self, several, room):
        documents = [Document(f"d{place}", text) for place, text in enumerate(several)]
        pieces = pieces_of(documents, WORDS, room)
        for document in documents:
            spans = [span for piece in pieces for span in piece.spans if span.document_id == document.id]
            said = "".join(document.text[span.start : span.end] for span in spans)
            assert "".join(said.split()) == "".join(document.text.split())
        assert all(piece.text == lay_out(piece.spans, documents) for piece in pieces)

    @given(text=texts, room=st.integers(1, 40))
    @settings(max_examples=100, deadline=None)
    def test_no_piece_is_empty(self, text, room):
        assert all(piece.text.strip() for piece in pieces_of([Document("d", text)], WORDS, room))

    def test_a_sentence_too_long_right_behind_a_full_piece(self):
        """The published algorithm emits an empty piece here."""
        long = "w " * 20 + "end."
        text = f"{long} One two three. {long} Four."
        pieces = pieces_of([Document("d", text)], WORDS, 6)
        assert all(piece.text.strip() for piece in pieces)
        assert any(piece.divided for piece in pieces)
        assert "".join(piece.text for piece in pieces) == text


class TestC2Length:
    @settings(max_examples=150, deadline=None)
    @given(text=texts, room=st.integers(1, 40))
    def test_no_piece_is_longer_than_its_room(self, text, room):
        pieces = pieces_of([Document("d", text)], WORDS, room)
        assert all(WORDS.count(piece.text) == piece.tokens <= room for piece in pieces)

    @settings(max_examples=100, deadline=None)
    @given(text=texts, room=st.integers(2, 40))
    def test_pieces_are_as_full_as_sentences_allow(self, text, room):
        pieces = pieces_of([Document("d", text)], WORDS, room)
        for piece, after in zip(pieces, pieces[1:], strict=False):
            if piece.divided or after.divided or piece.spans[-1].end != after.spans[0].start:
                continue
            start, end = piece.spans[0].start, after.spans[0].start
            following = next(stop for stop in sentence_ends(text) if stop > end)
            assert WORDS.count(text[start:following]) > room

    @pytest.mark.parametrize("room", [0, -3])
    def test_without_room_it_is_refused(self, room):
        with pytest.raises(WindowExceeded, match="larger window"):
            pieces_of([Document("d", "A cat.")], WORDS, room)

    def test_a_piece_is_counted_as_it_is_sent(self):
        """A counter that finds more than the sum of the sentences moves the last of them on."""
        text = "One two. " * 10
        plain = pieces_of([Document("d", text)], WORDS, 9)
        dearer = pieces_of([Document("d", text)], WORDS, 9, lambda piece: WORDS.count(piece) + 3)
        assert len(plain[0].text) > len(dearer[0].text)
        assert all(piece.tokens <= 9 for piece in dearer)

    def test_titles_of_several_documents_count(self):
        documents = [Document(f"d{place}", "One two three. " * 3, "A title of many words indeed") for place in range(3)]
        pieces = pieces_of(documents, WORDS, 14)
        assert all(WORDS.count(piece.text) <= 14 for piece in pieces)
        assert all(piece.text.startswith("Title: A title") for piece in pieces)
        with pytest.raises(WindowExceeded, match="not even one token"):
            pieces_of(documents, WORDS, 5)


class TestC5Edges:
    @pytest.mark.parametrize("texts", [[], [""], ["", " \n"]])
    def test_nothing_to_read_makes_no_pieces(self, texts):
        assert pieces_of([Document(f"d{i}", text) for i, text in enumerate(texts)], WORDS, 10) == []

    def test_a_short_text_is_one_piece(self):
        [piece] = pieces_of([Document("d", "A cat. A dog.")], WORDS, 100)
        assert (piece.text, piece.divided) == ("A cat. A dog.", False)

    def test_a_text_without_punctuation_is_divided_between_tokens(self):
        text = " ".join(f"w{place}" for place in range(25))
        pieces = pieces_of([Document("d", text)], WORDS, 10)
        assert [piece.tokens for piece in pieces] == [10, 10, 5]
        assert all(piece.divided for piece in pieces)
        assert "".join(piece.text for piece in pieces) == text
