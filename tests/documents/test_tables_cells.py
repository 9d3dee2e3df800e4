"""Cells that hold lists, as JSON, Python, pandas and numpy write them; texts that only look like lists stay texts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragvlc.documents.tables.lists import NotAList, parsed


@pytest.mark.parametrize(
    ("cell", "items"),
    [
        ("['Paris', 'Lyon']", ["Paris", "Lyon"]),
        ("['Paris' 'Lyon']", ["Paris", "Lyon"]),
        ("['Paris'\n 'Lyon']", ["Paris", "Lyon"]),
        ("""["it's" 'say "x"']""", ["it's", 'say "x"']),
        (r"['O\'Neil', 'tab\there', 'caf\xe9']", ["O'Neil", "tab\there", "café"]),
        (r"['\d+']", [r"\d+"]),
        ('["Paris", "a, b"]', ["Paris", "a, b"]),
        ("array(['a', 'b'], dtype=object)", ["a", "b"]),
        ("array(['a', 'b'], dtype='<U5')", ["a", "b"]),
        ("[array(['a', 'b'], dtype=object)]", [["a", "b"]]),
        ("[np.str_('a'), np.int64(3), np.float64(2.5)]", ["a", "3", "2.5"]),
        ("[1868 1869]", ["1868", "1869"]),
        ("[1. -2. 2.5]", ["1", "-2", "2.5"]),
        ("[1868, 1869]", ["1868", "1869"]),
        ("[0.50, nan]", ["0.50", None]),
        ("[None, 'a']", [None, "a"]),
        ("('a', 'b')", ["a", "b"]),
        ("{'a', 'b'}", ["a", "b"]),
        ("[]", []),
        ("\"['a', 'b']\"", ["a", "b"]),
        ("[True, False]", [True, False]),
    ],
)
def test_lists_are_read_in_every_spelling(cell, items):
    assert parsed(cell) == items


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ('{"text": ["a"], "answer_start": [3]}', {"text": ["a"], "answer_start": ["3"]}),
        ("{'text': array(['a', \"b's\"], dtype=object), 'answer_start': array([3, 9], dtype=int32)}",
         {"text": ["a", "b's"], "answer_start": ["3", "9"]}),
        ("{'text': [], 'answer_start': []}", {"text": [], "answer_start": []}),
    ],
)  # fmt: skip
def test_objects_are_read_in_every_spelling(cell, value):
    assert parsed(cell) == value


@pytest.mark.parametrize(
    "cell", ["[0 1 2 ... 7 8 9]", "[1.5 2.5 ...\n 9.5]", "[[0 1]\n ...\n [8 9]]", "[1, 2, ...]", "['a' ... 'z']"]
)
def test_shortened_lists_are_refused(cell):
    with pytest.raises(NotAList, match="items were left out"):
        parsed(cell)
    assert parsed("[...] and then 3") == "[...] and then 3"


@pytest.mark.parametrize(
    "cell",
    [
        "Paris", "[sic] he went", "[1] Smith et al.", "[Redacted]", "[a, b]", "[f(x), g(x)]", "[[Paris]]", "('a')",
        "(1868)",         "(Paris, Lyon)", "[2], not [3]", "{a, b}", "[the 'old' one]", "nan", "an array (small)",
        "[“sic”] he", "[1868,",
        "array of stones", "nearly ['a']",
    ],
)  # fmt: skip
def test_texts_that_begin_like_lists_stay_texts(cell):
    assert parsed(cell) == cell


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("['Paris', 'Lyo", "cannot be read from"),
        ("['a' 'b' ... 'z']", r"'\.\.\.' where items were left out"),
        ("['it's fine', 'b']", "cannot be read from"),
        ("['a' 'b', 'c']", "commas between some items"),
        ("['a'] and ['b']", "goes on after its end"),
        ("[“Paris”, “Lyon”]", "typographic quotes"),
        ("{'text': ['a'", "ends before"),
        ("array(['a', 'b'", "ends before"),
        ("[see 'x', 'y']", "quoted items, and others beside them"),
    ],
)
def test_what_looks_like_a_list_and_is_none_is_never_half_read(cell, why):
    with pytest.raises(NotAList, match=why):
        parsed(cell)


WORDS = st.lists(st.text(alphabet="abc'\" ,|[]{}()\\\n.é1", min_size=1, max_size=9), min_size=1, max_size=5)


@given(WORDS)
def test_what_the_tools_write_is_read_back(words):
    assert parsed(json.dumps(words)) == words
    assert parsed(str(words)) == words
    assert parsed(str(np.array(words, dtype=object))) == words
    assert parsed(repr(np.array(words, dtype=object))) == words
    assert parsed(str({"text": np.array(words, dtype=object)})) == {"text": words}
