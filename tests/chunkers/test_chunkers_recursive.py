"""LangChain's splitter over tokens: the same cuts, known places."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from langchain_text_splitters import RecursiveCharacterTextSplitter

from ragvlc.chunkers.recursive import Recursive
from ragvlc.core.data import Document

pieces = ["a", "bb", " ", "\n", "\n\n", "\r\n", "。", "天地", "cccccc", "\n\n\n", "👩‍🚀"]
texts = st.lists(st.sampled_from(pieces), max_size=40).map("".join)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=texts, size=st.integers(1, 12))
@example(text="same same\n\nsame same\n\nsame same", size=5)
@example(text="x" * 50, size=7)
@example(text="one\r\n\r\ntwo\r\n", size=4)
def test_one_token_a_character_gives_langchains_own_chunks(characters, cut, text, size):
    separators = ("\n\n", "\n", "。", " ")
    theirs = RecursiveCharacterTextSplitter(
        separators=[*separators, ""],
        chunk_size=size,
        chunk_overlap=0,
        keep_separator="end",
        strip_whitespace=False,
    )
    assert cut(Recursive(size=size, separators=separators), text, characters) == theirs.split_text(text)


def test_paragraphs_then_lines_then_words(words, cut):
    text = "one two three\n\nfour five\nsix seven eight nine ten\n\neleven"
    assert cut(Recursive(size=4), text, words) == [
        "one two three",
        "\n\nfour five",
        "\nsix seven eight nine",
        " ten",
        "\n\neleven",
    ]


def test_chinese_is_divided_after_full_stops(words, cut):
    assert cut(Recursive(size=6), "天地玄黄。宇宙洪荒。日月盈昃。", words) == ["天地玄黄。", "宇宙洪荒。", "日月盈昃。"]


def test_a_word_without_separators_is_divided_at_tokens(bpe, cut):
    text = "z" * 100
    chunks = cut(Recursive(size=10), text, bpe)
    assert "".join(chunks) == text
    assert [bpe.count(chunk) for chunk in chunks] == [10] * 10


def test_overlap_repeats_tokens_even_between_paragraphs(words, cut):
    text = "a b c d e f\n\ng h i j"
    # Cut at 6 - 2 = 4 new tokens, and begun two tokens early.
    assert cut(Recursive(size=6, overlap=2), text, words) == ["a b c d", " c d e f", " e f\n\ng h i j"]


def test_overlap_never_swallows_the_chunk_before(words, cut):
    """LangChain leaves short parts standing alone; the chunk after one must not contain it."""
    assert cut(Recursive(size=8, overlap=4), "a\n\nb c d e f", words) == ["a", "\n\nb c d e", " c d e f"]


def test_overlap_gives_way_to_the_size(bpe, cut):
    """The emoji has four tokens, so that only one of the three to repeat has room beside it."""
    assert cut(Recursive(size=5, overlap=3), "xyab👩", bpe) == ["xy", "yab", "b👩"]


def test_repeated_text_keeps_its_places(words):
    """Searching for a chunk's text, as `add_start_index` does, finds an earlier copy."""
    text = "same again " * 20
    chunks = Recursive(size=3, overlap=1).split(Document("d", text), words)
    assert all(one.start < other.start <= one.end < other.end for one, other in pairwise(chunks))
    assert chunks[-1].end == len(text)


@pytest.mark.parametrize("separators", [[""], ["\n", ""], ["x"] * 65])
def test_separators_are_checked(separators):
    with pytest.raises(ValueError, match="separators"):
        Recursive(separators=separators)


def test_separators_are_literal(words, cut):
    assert cut(Recursive(size=5, separators=["."]), "a b c. d e f.", words) == ["a b c.", " d e f."]
    assert cut(Recursive(size=3, separators=()), "a. b. c.", words) == ["a. b", ". c."]
