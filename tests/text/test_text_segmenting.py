"""Chinese words: the library's own search gives the same ones, and a text of one character is no trap."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragvlc.core.errors import ConfigError
from ragvlc.text import segmenting
from ragvlc.text.segmenting import chinese_words, viterbi

jieba = pytest.importorskip("jieba")


def table(text, states, start, change, emit):
    """Returns the likeliest path by trying all."""
    rows = [{state: (start[state] + emit[state].get(text[0], -3.14e100), [state]) for state in states}]
    for one in text[1:]:
        rows.append({})
        for state in states:
            came = [
                (rows[-2][old][0] + change[old].get(state, -3.14e100) + emit[state].get(one, -3.14e100), old)
                for old in {"B": "ES", "M": "MB", "S": "SE", "E": "BM"}[state]
            ]
            best, old = max(came)
            rows[-1][state] = best, [*rows[-2][old][1], state]
    best, state = max((rows[-1][one][0], one) for one in "ES")
    return best, rows[-1][state][1]


@settings(max_examples=100)
@given(st.text(alphabet="的一是杭研大厦红楼梦䶮囧网易", min_size=1, max_size=30))
def test_the_search_is_that_of_the_library(text):
    chinese_words("")
    final = __import__("jieba.finalseg").finalseg
    given_tables = ("BMES", final.start_P, final.trans_P, final.emit_P)
    assert viterbi(text, *given_tables) == table(text, *given_tables)


def test_words():
    assert chinese_words("他来到了网易杭研大厦。") == ["他", "来到", "了", "网易", "杭研", "大厦", "。"]
    assert chinese_words("") == []
    assert chinese_words("a b") == ["a", " ", "b"]


def test_one_character_many_times_is_cut_at_once():
    assert "".join(chinese_words("的" * 30_000)) == "的" * 30_000


def test_without_the_library_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr(segmenting, "has_jieba", lambda: False)
    segmenting._jieba.cache_clear()
    with pytest.raises(ConfigError, match=r"pip install 'ragvlc\[benchmarks\]'"):
        chinese_words("x")
    segmenting._jieba.cache_clear()
