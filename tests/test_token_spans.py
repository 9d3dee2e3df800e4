"""Compact spans of tokens behave as the list of pairs that they replace."""

from __future__ import annotations

import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragvlc.core.texts import word_count
from ragvlc.core.token_spans import TokenSpans


@given(st.lists(st.integers(1, 9), max_size=20), st.integers(-25, 25), st.integers(-25, 25), st.integers(1, 3))
def test_spans_equal_the_list_of_pairs(lengths: list[int], first: int, last: int, step: int) -> None:
    ends = [sum(lengths[: place + 1]) for place in range(len(lengths))]
    pairs = list(pairwise([0, *ends]))
    spans = TokenSpans(ends)
    assert list(spans) == pairs
    assert len(spans) == len(pairs)
    assert spans == pairs
    assert spans == TokenSpans(ends)
    assert hash(spans) == hash(TokenSpans(iter(ends)))
    assert list(spans[first:last:step]) == pairs[first:last:step]
    assert list(spans[::-1]) == pairs[::-1]
    for place in range(-len(pairs), len(pairs)):
        assert spans[place] == pairs[place]
    assert spans != [*pairs, (0, 1)]
    for outside in (len(pairs), -len(pairs) - 1):
        with pytest.raises(IndexError):
            spans[outside]


def test_a_token_takes_eight_bytes() -> None:
    spans = TokenSpans(range(1, 100_001))
    assert sys.getsizeof(spans._ends) < 1_000_000


@pytest.mark.parametrize("text", ["", "  ", "a b", " a\u2003b\x1cc\n\n\u00a0d ", "x" * 50])
def test_words_of_a_long_text_are_counted_as_split_does(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragvlc.core.texts._LONG", 0)
    assert word_count(text) == len(text.split())
