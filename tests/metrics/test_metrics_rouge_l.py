"""ROUGE-L by hand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example, Query
from ragvlc.metrics.rouge_l import RougeL


def rouge(reply: str, *references: str, mode="any", unanswerable=False, finish="stop") -> float | None:
    case = Example(Query("q", "?", form="summary"), (), references, answer_mode=mode, unanswerable=unanswerable)
    return RougeL().score(Answer(reply, finish=finish), case)


@pytest.mark.parametrize(
    ("reply", "references", "expected"),
    [
        ("the cat sat on the mat", ["the cat sat on the mat"], 1),
        ("The CAT, sat!", ["the cat sat"], 1),
        ("police kill the gunman", ["police killed the gunman"], 0.75),  # no stemmer; articles count
        ("the gunman kill police", ["police killed the gunman"], 0.5),
        ("a b c d", ["a c"], 2 / 3),  # in order, not adjacent
        ("c a", ["a c"], 0.5),
        ("one", ["two", "one three", "one"], 1),
        ("New-York", ["new york"], 1),  # replaced by a blank, unlike SQuAD
        ("na ve", ["naïve"], 1),  # ASCII letters only
        ("", ["cat"], 0),
        ("《红楼梦》是小说。", ["红楼梦"], 2 * 3 / (6 + 3)),
        ("香港大学", ["香港 大学"], 1),
        ("Beijing 是首都", ["Beijing"], 1),  # by the package for an English reference, which drops Chinese
        ("это большой город", ["большой город"], 0.8),
        ("東京", ["京都"], 0.5),
        ("the IBM、HP 公司", ["ibm hp公司"], 8 / 9),
    ],
)
def test_by_hand(reply, references, expected):
    assert rouge(reply, *references) == pytest.approx(expected)


def test_where_it_does_not_apply():
    assert rouge("x") is None
    assert rouge("x", " ") is None
    assert rouge("", unanswerable=True) is None
    assert rouge("", "says so", unanswerable=True) is None


def test_declined_and_all_required():
    assert rouge("the cat", "the cat", finish="declined") == 0
    assert rouge("one two", "one", "two", mode="all") == 1
    assert rouge("one", "one", "two", mode="all") == pytest.approx(2 / 3)


words = st.lists(st.sampled_from(["a", "b", "cat", "红", "naïve"]), min_size=1, max_size=8).map(" ".join)


@settings(max_examples=50)
@given(words, st.lists(words, min_size=1, max_size=3))
def test_in_range_best_reference_any_order(reply, references):
    score = rouge(reply, *references)
    assert 0 <= score <= 1
    assert rouge(reply, *reversed(references)) == score
    assert rouge(reply, *references, reply) == pytest.approx(1)


def test_threads_agree():
    pairs = [(f"a b {place} c", f"b {place} d") for place in range(40)]
    alone = [rouge(*pair) for pair in pairs]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda pair: rouge(*pair), pairs)) == alone
