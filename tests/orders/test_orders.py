"""Where each passage stands in the prompt."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragvlc.core.component import known_kinds
from ragvlc.core.data import Chunk, Hit
from ragvlc.orders.document import DocumentOrder
from ragvlc.orders.edges_best_first import EdgesBestFirst
from ragvlc.orders.edges_best_last import EdgesBestLast
from ragvlc.orders.random import RandomOrder
from ragvlc.orders.relevance import Relevance
from ragvlc.orders.reverse import Reverse

KINDS = [DocumentOrder, EdgesBestFirst, EdgesBestLast, RandomOrder, Relevance, Reverse]

# Relevance ranks from the first passage of the prompt to the last, from Jin et al. 2024, equation 1.
EDGES = {
    0: [],
    1: [1],
    2: [1, 2],
    3: [1, 3, 2],
    4: [1, 3, 4, 2],
    5: [1, 3, 5, 4, 2],
    6: [1, 3, 5, 6, 4, 2],
    7: [1, 3, 5, 7, 6, 4, 2],
    8: [1, 3, 5, 7, 8, 6, 4, 2],
    9: [1, 3, 5, 7, 9, 8, 6, 4, 2],
    10: [1, 3, 5, 7, 9, 10, 8, 6, 4, 2],
}
# What LangChain's and LlamaIndex's reorderers return where they differ from that.
LANGCHAIN_EVEN = {
    2: [2, 1],
    4: [2, 4, 3, 1],
    6: [2, 4, 6, 5, 3, 1],
    8: [2, 4, 6, 8, 7, 5, 3, 1],
    10: [2, 4, 6, 8, 10, 9, 7, 5, 3, 1],
}


def ranked(count):
    """Returns hits of ranks 1 to `count`, best first; a chunk's index is its rank, its place is scattered."""
    chunks = [Chunk("d", rank, rank * 7 % 11, rank * 7 % 11 + 1, "x") for rank in range(1, count + 1)]
    return [Hit(chunk, 1 / chunk.index) for chunk in chunks]


def ranks(order, count):
    return [hit.chunk.index for hit in order.arrange(ranked(count), seed=0)]


def test_all_kinds_are_tested_here():
    assert set(known_kinds("orders")) == {kind.__module__.rpartition(".")[2] for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@given(count=st.integers(0, 30), seed=st.integers(0, 2**31 - 1))
def test_orders_permute_and_leave_the_ranking_alone(kind, count, seed):
    hits = ranked(count)
    arranged = kind().arrange(hits, seed)
    assert hits == ranked(count)
    assert sorted(arranged, key=lambda hit: hit.chunk.index) == hits
    assert kind().arrange(tuple(hits), seed) == arranged


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_random_order_is_random(kind):
    seen = {tuple(hit.chunk.index for hit in kind().arrange(ranked(8), seed)) for seed in range(20)}
    assert kind().random == (len(seen) > 1) == (kind is RandomOrder)


@pytest.mark.parametrize("count", EDGES)
def test_edges_best_first_is_the_published_table(count):
    assert ranks(EdgesBestFirst(), count) == EDGES[count]


@pytest.mark.parametrize("count", EDGES)
def test_edges_best_last_is_its_mirror(count):
    assert ranks(EdgesBestLast(), count) == EDGES[count][::-1]


@given(count=st.integers(1, 60))
def test_edges_best_first_is_the_published_formula(count):
    places = {rank: (rank + 1) // 2 if rank % 2 else count + 1 - rank // 2 for rank in range(1, count + 1)}
    assert ranks(EdgesBestFirst(), count) == sorted(places, key=places.__getitem__)


@given(count=st.integers(3, 60))
def test_weakest_passage_is_in_the_middle(count):
    found = ranks(EdgesBestFirst(), count)
    middle = found.index(count)
    assert found[: middle + 1] == sorted(found[: middle + 1])
    assert found[middle:] == sorted(found[middle:], reverse=True)
    assert 0 < middle < count - 1


@given(count=st.integers(2, 60))
def test_best_passage_stays_at_its_end_for_every_number(count):
    """The trap: reorderers that flip with parity move the best passage during a sweep over k."""
    first, last = ranks(EdgesBestFirst(), count), ranks(EdgesBestLast(), count)
    assert (first[0], first[-1]) == (1, 2)
    assert (last[0], last[-1]) == (2, 1)


@pytest.mark.parametrize("count", LANGCHAIN_EVEN)
def test_langchain_agrees_for_odd_numbers_only(count):
    assert ranks(EdgesBestLast(), count) == LANGCHAIN_EVEN[count]
    assert ranks(EdgesBestFirst(), count) != LANGCHAIN_EVEN[count]


def test_relevance_and_reverse():
    assert ranks(Relevance(), 4) == [1, 2, 3, 4]
    assert ranks(Reverse(), 4) == [4, 3, 2, 1]


def test_document_order_reads_documents_as_given():
    def hit(document, start, score):
        return Hit(Chunk(f"doc{9 - document}", start // 10, start, start + 12, "x", document), score)

    best_first = [hit(1, 30, 0.9), hit(0, 20, 0.8), hit(1, 0, 0.7), hit(0, 10, 0.6), hit(2, 5, 0.5)]
    arranged = DocumentOrder().arrange(best_first, seed=3)
    assert [(found.chunk.document_index, found.chunk.start) for found in arranged] == [
        (0, 10),
        (0, 20),
        (1, 0),
        (1, 30),
        (2, 5),
    ]


@given(st.lists(st.integers(0, 500), unique=True, max_size=30))
def test_document_order_rises_strictly(starts):
    hits = [Hit(Chunk("d", 0, start, start + 1, "x"), -rank) for rank, start in enumerate(starts)]
    assert [hit.chunk.start for hit in DocumentOrder().arrange(hits, 0)] == sorted(starts)


@pytest.mark.parametrize("kind", [DocumentOrder, EdgesBestFirst, Relevance])
def test_ties_keep_the_ranking(kind):
    """Equal scores: the rank decides; equal places: the better one first."""
    hits = [replace(hit, score=1.0) for hit in ranked(5)]
    assert kind().arrange(hits, 0) == [replace(hit, score=1.0) for hit in kind().arrange(ranked(5), 0)]
    twins = [Hit(Chunk("d", 0, 0, 5, "x"), score) for score in (0.9, 0.8)]
    assert kind().arrange(twins, 0) == twins


def test_random_order_depends_on_seed_and_number_only():
    assert ranks(RandomOrder(), 6) == ranks(RandomOrder(), 6)
    other = [Hit(replace(hit.chunk, text="other"), 0.0) for hit in ranked(6)]
    assert [hit.chunk.index for hit in RandomOrder().arrange(other, 5)] == [
        hit.chunk.index for hit in RandomOrder().arrange(ranked(6), 5)
    ]
    # Fixed for good: rows of a finished run are compared with rows of a later one.
    assert [hit.chunk.index for hit in RandomOrder().arrange(ranked(6), 1)] == [3, 4, 6, 1, 5, 2]


def test_random_order_reaches_every_permutation():
    seen = {tuple(hit.chunk.index for hit in RandomOrder().arrange(ranked(3), seed)) for seed in range(100)}
    assert len(seen) == 6
