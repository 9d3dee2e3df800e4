"""Places to cut at and windows over them, by hand."""

from __future__ import annotations

import pytest

from ragvlc.chunkers._windows import Cuts, token_cuts, windows
from ragvlc.chunkers.tokens import Tokens
from ragvlc.core.data import Document


def test_windows_of_single_tokens():
    assert list(windows(range(11), 4, 0)) == [(0, 4), (4, 8), (8, 10)]
    assert list(windows(range(11), 4, 1)) == [(0, 4), (3, 7), (6, 10)]
    assert list(windows(range(11), 4, 3)) == [(at, at + 4) for at in range(7)]
    assert list(windows(range(4), 10, 2)) == [(0, 3)]
    assert list(windows([0], 4, 0)) == []


def test_windows_over_longer_steps():
    # Steps of 3, 3, 3, 9, 1 and 2 tokens.
    tokens = [0, 3, 6, 9, 18, 19, 21]
    assert list(windows(tokens, 6, 0)) == [(0, 2), (2, 3), (3, 4), (4, 6)]
    assert list(windows(tokens, 6, 3)) == [(0, 2), (1, 3), (3, 4), (4, 6)]
    assert list(windows(tokens, 10, 1)) == [(0, 3), (3, 5), (4, 6)]
    # No room for the repeated step of 3 beside the step of 9: it is not repeated, and no window stands inside another.
    assert list(windows(tokens, 10, 3)) == [(0, 3), (3, 5), (4, 6)]


def listed(cuts):
    return Cuts(list(cuts.chars), list(cuts.tokens))


def test_a_character_of_several_tokens_is_one_step(bpe):
    text = "a👩b"
    assert [span for span in bpe.spans(text) if span == (1, 2)] == [(1, 2)] * 4
    assert listed(token_cuts(text, bpe)) == Cuts([0, 1, 2, 3], [0, 1, 5, 6])


def test_windows_keep_a_character_of_several_tokens_together(bpe, cut):
    assert cut(Tokens(size=4), "a👩b", bpe) == ["a", "👩", "b"]
    assert cut(Tokens(size=5), "a👩b", bpe) == ["a👩", "b"]
    # Four tokens are more than the size of three: the only way to be longer.
    assert cut(Tokens(size=3), "ab👩", bpe)[-1] == "👩"
    # An overlap of two tokens cannot repeat half of the emoji.
    assert cut(Tokens(size=6, overlap=2), "xy👩zw", bpe) == ["xy👩", "zw"]


@pytest.mark.parametrize(
    ("spans", "places"),
    [
        ([(0, 0), (0, 2), (2, 4)], Cuts([0, 2, 4], [0, 2, 3])),  # an empty token first
        ([(0, 2), (2, 2), (2, 4)], Cuts([0, 2, 4], [0, 1, 3])),  # between
        ([(0, 2), (2, 4), (4, 4)], Cuts([0, 2, 4], [0, 1, 3])),  # last
        ([(0, 3), (2, 4)], Cuts([0, 4], [0, 2])),  # two that share a character
        ([(0, 2), (3, 4)], Cuts([0, 3, 4], [0, 1, 2])),  # a gap goes to the token before it
        ([(1, 2), (2, 4)], Cuts([0, 2, 4], [0, 1, 2])),  # and at the beginning to the first
        ([], Cuts([0, 4], [0, 1])),  # a tokenizer that sees nothing
    ],
)
def test_awkward_spans(spans, places):
    class Fixed:
        def spans(self, text):
            return spans

    assert listed(token_cuts("abcd", Fixed())) == places


def test_empty_text_has_one_place(words):
    assert token_cuts("", words) == Cuts((0,), (0,))


def test_a_cut_goes_to_a_token_boundary():
    text = 'one. Two."Three'
    cuts = Cuts([0, 4, 8, 15], [0, 1, 2, 3])  # "one.", " Two", '."Three'
    assert cuts.nearest(4, text) == 1
    assert cuts.nearest(5, text) == 1, "white space goes with the word that it opens"
    assert cuts.nearest(10, text) == 3, "a token that ends a sentence stays in it"
    assert cuts.nearest(0, text) == 0
    assert cuts.nearest(15, text) == 3


def test_chunks_of_tokens_by_hand(words):
    chunks = Tokens(size=3, overlap=1).split(Document("paper", "One two, three four."), words)
    assert [(chunk.document_id, chunk.index, chunk.start, chunk.end, chunk.text) for chunk in chunks] == [
        ("paper", 0, 0, 8, "One two,"),
        ("paper", 1, 7, 19, ", three four"),
        ("paper", 2, 14, 20, " four."),
    ]
