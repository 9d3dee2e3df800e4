"""How many of the ranked chunks each selector keeps."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragvlc.core.component import known_kinds
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.selectors.largest_gap import LargestGap
from ragvlc.selectors.token_budget import TokenBudget
from ragvlc.selectors.top_k import TopK

WORDS = WordTokenizer()
KINDS = [TopK, TokenBudget, LargestGap]
scores = st.lists(st.floats(-100, 100), max_size=40).map(lambda found: sorted(found, reverse=True))
cheap = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_all_kinds_are_tested_here():
    assert set(known_kinds("selectors")) == {kind.__module__.rpartition(".")[2] for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@cheap
@given(scores=scores)
def test_what_is_kept_is_the_head_of_the_ranking(kind, ranking, scores):
    hits = ranking(scores)
    kept = kind().select(hits, WORDS)
    assert kept == hits[: len(kept)]
    assert bool(kept) == bool(hits)
    assert hits == ranking(scores), "the ranking itself is left alone"
    assert kind().select(tuple(hits), WORDS) == kept


def test_top_k(ranking):
    hits = ranking([3, 2, 1])
    assert [len(TopK(k=k).select(hits, WORDS)) for k in (1, 2, 3, 4)] == [1, 2, 3, 3]
    with pytest.raises(ValueError, match="k"):
        TopK(k=0)


@pytest.mark.parametrize(
    ("lengths", "tokens", "kept"),
    [
        ([4, 3, 2], 9, 3),
        ([4, 3, 2], 8, 2),
        ([4, 3, 2], 7, 2),
        ([4, 6, 1], 8, 1),  # stops at the six and does not go on to the one
        ([9, 1, 1], 8, 1),  # the best is kept although it is over the budget, alone
        ([9], 1, 1),
        ([], 5, 0),
    ],
)
def test_token_budget(ranking, lengths, tokens, kept):
    hits = ranking([-float(rank) for rank in range(len(lengths))], lengths)
    assert len(TokenBudget(tokens=tokens).select(hits, WORDS)) == kept


@cheap
@given(lengths=st.lists(st.integers(1, 9), max_size=12))
def test_a_larger_budget_keeps_what_a_smaller_one_kept(ranking, lengths):
    """Recall can only rise with the budget, as it does with k."""
    hits = ranking([-float(rank) for rank in range(len(lengths))], lengths)
    kept = [TokenBudget(tokens=tokens).select(hits, WORDS) for tokens in range(1, sum(lengths) + 2)]
    assert all(larger[: len(smaller)] == smaller for smaller, larger in pairwise(kept))
    assert kept[-1] == hits


def by_the_book(scores, ignore_first, ignore_last, buffer):
    """The authors' rule, written from their description over the differences of neighbours."""
    differences = [later - earlier for earlier, later in pairwise(scores)]
    head, tail = int((len(scores) - 1) * ignore_first), int((len(scores) - 1) * ignore_last)
    seen = differences[head : len(differences) - tail]
    return seen.index(min(seen)) + head + 1 + buffer


@cheap
@given(
    scores=scores.filter(lambda found: len(found) > 1),
    first=st.sampled_from([0.0, 0.05, 0.3]),
    last=st.sampled_from([0.0, 0.1, 0.5]),
    buffer=st.integers(0, 6),
)
def test_largest_gap_follows_the_authors(ranking, scores, first, last, buffer):
    part = LargestGap(ignore_first=first, ignore_last=last, buffer=buffer)
    kept = part.select(ranking(scores), WORDS)
    assert len(kept) == min(by_the_book(scores, first, last, buffer), len(scores))


@pytest.mark.parametrize(
    ("scores", "fields", "kept"),
    [
        ([], {}, 0),
        ([0.5], {}, 1),
        ([0.9, 0.1], {"buffer": 0}, 1),
        ([0.9, 0.1], {}, 2),
        ([0.9, 0.8, 0.3, 0.2], {"buffer": 0}, 2),
        ([0.9, 0.8, 0.3, 0.2], {"buffer": 1}, 3),
        ([0.9, 0.8, 0.3, 0.2], {"buffer": 0, "minimum": 3}, 3),
        ([4, 3, 2, 1], {"buffer": 0}, 1),  # equal drops: the first
        ([1, 1, 1], {"buffer": 0}, 1),
        # Ten drops; the last, by far the largest, is in the ignored tenth.
        ([20, 19, 18, 15, 14, 13, 12, 11, 10, 9, 0], {"buffer": 0}, 3),
        ([20, 19, 18, 15, 14, 13, 12, 11, 10, 9, 0], {"buffer": 0, "ignore_last": 0}, 10),
        # The first drop is the largest; ignored, the cut falls at the next.
        ([30, 19, 18, 15, 14, 13, 12, 11, 10, 9, 8], {"buffer": 0}, 1),
        ([30, 19, 18, 15, 14, 13, 12, 11, 10, 9, 8], {"buffer": 0, "ignore_first": 0.1}, 3),
    ],
)
def test_largest_gap_by_hand(ranking, scores, fields, kept):
    assert len(LargestGap(**fields).select(ranking(scores), WORDS)) == kept


def test_largest_gap_survives_endless_scores(ranking):
    assert len(LargestGap(buffer=0).select(ranking([1.0, 0.5, -math.inf]), WORDS)) == 2


def test_largest_gap_needs_some_of_the_ranking():
    with pytest.raises(ValueError, match=r"ignore_first 0.5 and ignore_last 0.5 must add up to less than 1"):
        LargestGap(ignore_first=0.5, ignore_last=0.5)
