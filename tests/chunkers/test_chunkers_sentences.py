"""Where sentences end, and how they are packed."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragvlc.chunkers.sentences import Sentences
from ragvlc.text.sentences import sentence_ends


def sentences(text):
    return [text[start:end] for start, end in pairwise([0, *sentence_ends(text)])]


@pytest.mark.parametrize(
    "expected",
    [
        ["It rained. ", "We stayed in. ", "Why?"],
        ["Wait... ", "What?! ", "Yes!"],
        ['He said "Stop." ', "(She went on.) ", "End."],
        ['"Why?" he asked. ', "“No!” she said."],
        ["Dr. Smith met J. R. R. Tolkien in St. Ives. ", "Then he left."],
        ["The U.S. Navy came at 3.14 p.m. and left. ", "So did e.g. Mrs. Jones."],
        ["See Fig. 3 and eqs. (2) on pp. 4 of vol. 7. ", "He said no. ", "Then he went."],
        ["Apples, pears etc. (see below) are fruit. ", "Nuts etc. ", "They are not."],
        ["Version 2.0.1 is at www.x.org/a.b?c=d now. ", "Get it."],
        ["1. First item.\n", "2. Second item.\n  ", "12. Third."],
        ["In 1999. ", "Then."],
        ["Heading\n", "A line that goes\non in the next. ", "Another.\n"],
        ["One paragraph\n\n", "and another, in lower case"],
        ["One paragraph\r\n\r\n", "and another\r\nline"],
        ["- one\r\n", "- Two\r\n", "- three"],
        ["你好。", "今天天气很好！", "“真的吗？”", "他说。", "好"],
        ["これは文です。", "次の文（終わり。）", "はい"],
        ["ما اسمك؟ ", "اسمي علي. ", "شكرا."],
        ["यह वाक्य है। ", "दूसरा वाक्य।"],
        ["   "],
        [],
    ],
)
def test_sentences_by_hand(expected):
    assert sentences("".join(expected)) == expected


@given(st.text(alphabet="aA1 .!?\"')(\n\r。“”Dr\u00a0é؟…", max_size=60))
def test_sentences_tile_the_text(text):
    ends = sentence_ends(text)
    assert ends == sorted(set(ends))
    assert "".join(sentences(text)) == text
    assert all(sentences(text))


def test_whole_sentences_are_packed(words, cut):
    text = "One two three. Four five. Six. Seven eight nine ten."
    # 4, 3, 2 and 5 tokens.
    assert cut(Sentences(size=7), text, words) == ["One two three. Four five.", " Six. Seven eight nine ten."]
    assert cut(Sentences(size=5), text, words) == ["One two three.", " Four five. Six.", " Seven eight nine ten."]
    assert cut(Sentences(size=100), text, words) == [text]


def test_overlap_repeats_whole_sentences_that_fit(words, cut):
    text = "One two three. Four five. Six. Seven eight nine ten."
    assert cut(Sentences(size=9, overlap=5), text, words) == [
        "One two three. Four five. Six.",
        " Six. Seven eight nine ten.",  # "Four five." would fit the overlap, but not the size
    ]
    assert cut(Sentences(size=7, overlap=2), text, words) == [
        "One two three. Four five.",  # its last sentence has three tokens, more than the overlap
        " Six. Seven eight nine ten.",
    ]


def test_a_long_sentence_is_divided_at_tokens(words, cut):
    text = "Go on. a b c d e f g h. End it."
    # "a ... h." has nine tokens: it fills up the first chunk, and its rest is packed with the next sentence.
    assert cut(Sentences(size=5), text, words) == ["Go on. a b", " c d e f g", " h. End it."]
    assert cut(Sentences(size=5, overlap=2), text, words) == [
        "Go on. a b",
        " a b c d e",
        " d e f g h",
        " g h.",
        " h. End it.",
    ]


def test_space_before_a_sentence_goes_with_it(words, cut):
    assert cut(Sentences(size=3), "One two.  \n Three four.", words) == ["One two.", "  \n Three four."]


def test_repeated_sentences_keep_their_places(words):
    from ragvlc.core.data import Document

    text = "No. " * 6
    chunks = Sentences(size=2).split(Document("d", text), words)
    assert [chunk.start for chunk in chunks][:6] == [0, 3, 7, 11, 15, 19]
