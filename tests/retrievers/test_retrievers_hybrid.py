"""Several retrievers as one: fused ranks and scores by hand, ties, depths, and what the run makes of its children."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ragvlc.chunkers.tokens import Tokens
from ragvlc.core.data import Chunk, Document, Hit, Query
from ragvlc.core.errors import ConfigError
from ragvlc.core.families import Retriever
from ragvlc.embedders.sentence_transformer import SentenceTransformerEmbedder
from ragvlc.generators.scripted import Scripted
from ragvlc.retrievers.bm25 import BM25
from ragvlc.retrievers.dense import Dense
from ragvlc.retrievers.hybrid import Hybrid
from ragvlc.roles import Models
from ragvlc.run import LiveRun
from ragvlc.testing import FunctionEngine, ScriptedPool

QUERY = Query("q", "red fish")
ASKED: list[int] = []


class Fixed(Retriever):
    """Gives chunk number i the score number i."""

    scores: tuple[float, ...]

    def index(self, chunks, run):
        return FixedIndex(chunks.chunks, self.scores)


@dataclass
class FixedIndex:
    chunks: tuple[Chunk, ...]
    scores: tuple[float, ...]

    def search(self, query, n):
        ASKED.append(n)
        places = sorted(range(len(self.chunks)), key=lambda place: -self.scores[place])
        return [Hit(self.chunks[place], self.scores[place]) for place in places[:n]]


class Foreign(Retriever):
    """Ranks pieces of its own making."""

    def index(self, chunks, run):
        return FixedIndex(tuple(Chunk("d", chunk.index, 0, 1, "x") for chunk in chunks), (0.0,) * len(chunks))


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Returns a function that starts a run with an embedder that counts words."""

    def start(pool=None):
        pool = pool or ScriptedPool(FunctionEngine(lambda prompt: "x"), tmp_path_factory.mktemp("pool"))
        return LiveRun(Models({"main": Scripted()}, {"main": SentenceTransformerEmbedder()}), pool, None)

    return start


@pytest.fixture
def fused(start, chunked):
    """Returns a function that fuses fixed scores of chunks and gives (chunk, score), best first."""

    def fused(*scores, n=99, **spec):
        hybrid = Hybrid(retrievers=tuple(Fixed(scores=each) for each in scores), **spec)
        index = hybrid.index(chunked([f"text {place}" for place in range(len(scores[0]))]), start())
        return [(hit.chunk.index, hit.score) for hit in index.search(QUERY, n)]

    return fused


def test_ranks_are_fused_by_the_papers_formula(fused):
    found = fused((9, 5, 7), (0.1, 0.3, 0.2))
    assert dict(found) == pytest.approx({0: 1 / 61 + 1 / 63, 1: 1 / 63 + 1 / 61, 2: 2 / 62})
    assert [place for place, _ in found] == [0, 1, 2]  # 1/61 + 1/63 > 2/62; equal scores in chunk order


def test_weights_and_k_reach_the_formula(fused):
    found = fused((9, 5, 7), (0.1, 0.3, 0.2), weights=(1, 3), rrf_k=0)
    assert found == [(1, pytest.approx(1 / 3 + 3)), (0, pytest.approx(1 + 3 / 3)), (2, pytest.approx(1 / 2 + 3 / 2))]
    alone = fused((9, 5, 7), (0.1, 0.3, 0.2), weights=(0, 2))
    assert [place for place, _ in alone] == [1, 2, 0]


def test_equal_scores_share_the_mean_of_their_ranks(fused):
    found = dict(fused((5, 0, 0, 0), (1, 2, 3, 4)))
    assert found == pytest.approx({0: 1 / 61 + 1 / 64, 1: 1 / 63 + 1 / 63, 2: 1 / 63 + 1 / 62, 3: 1 / 63 + 1 / 61})


def test_a_ranking_without_any_match_decides_nothing(fused):
    # As BM25 gives for a question of unknown words: the beginning of the text must not be lifted.
    assert [place for place, _ in fused((0, 0, 0, 0), (1, 2, 3, 4))] == [3, 2, 1, 0]


def test_scores_are_fused_between_0_and_1(fused):
    found = fused((10, 30, 20), (-1, -1, 0), fusion="weighted_scores", weights=(1, 0.25))
    assert found == [(1, pytest.approx(1.0)), (2, pytest.approx(0.75)), (0, 0.0)]
    equal = fused((7, 7, 7), (1, 3, 2), fusion="weighted_scores")
    assert equal == [(1, 1.0), (2, 0.5), (0, 0.0)]


def test_beyond_the_depth_nothing_counts_and_chunk_order_holds(fused):
    found = fused((1, 2, 3, 4, 5, 6), (1, 2, 3, 4, 6, 5), depth=2)
    assert found[:2] == [(4, pytest.approx(1 / 62 + 1 / 61)), (5, pytest.approx(1 / 61 + 1 / 62))]
    assert found[2:] == [(0, 0.0), (1, 0.0), (2, 0.0), (3, 0.0)]
    assert max(ASKED[-2:]) == 3  # no child ranks more than is needed


def test_a_tie_at_the_depth_is_looked_at_whole(fused):
    # Ranks 2 to 5 are equal: mean 3.5 lies beyond a depth of 3, within one of 4.
    scores = (1, 3, 3, 3, 3, 9, 1)
    assert dict(fused(scores, depth=3)) == pytest.approx({5: 1 / 61, **dict.fromkeys((0, 1, 2, 3, 4, 6), 0.0)})
    assert dict(fused(scores, depth=4))[1] == pytest.approx(1 / 63.5)


SCORES = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.5]), min_size=9, max_size=9).map(tuple)


@given(
    scores=st.lists(SCORES, min_size=1, max_size=3),
    fusion=st.sampled_from(["rrf", "weighted_scores"]),
    depth=st.none() | st.integers(1, 12),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_a_shorter_ranking_is_the_head_of_a_longer(fused, scores, fusion, depth):
    whole = fused(*scores, fusion=fusion, depth=depth)
    assert sorted(place for place, _ in whole) == list(range(9))
    assert whole == sorted(whole, key=lambda hit: (-hit[1], hit[0]))
    for n in (0, 1, 4, 9):
        assert fused(*scores, fusion=fusion, depth=depth, n=n) == whole[:n]


TEXT = "The red fish swims. The dog chews bones. A tree grows. Fish eat green weed. Birds sing in the tree."


def test_its_children_are_indexed_by_the_run_and_shared(start, tmp_path):
    pool = ScriptedPool(FunctionEngine(lambda prompt: "x"), tmp_path)
    run = start(pool)
    chunks = run.chunks(Tokens(size=5), [Document("d", TEXT)])
    hits = run.search(Hybrid(), QUERY, chunks)
    assert len(hits) == len(chunks)
    assert hits[0].chunk.text.strip() == "The red fish swims."
    assert hits == run.search(Hybrid(candidates=3), QUERY, chunks) + hits[3:]
    for child in (BM25(), Dense(), Dense(candidates=3)):
        run.search(child, QUERY, chunks)
    assert pool.once.computed["index"] == 3
    assert [len(step.steps) for step in run.trace[:1]] == [2]
    assert run.trace[0].steps[0].facts["index"] == run.trace[2].facts["index"]


def test_no_chunks_give_no_hits(start, chunked):
    assert Hybrid().index(chunked([]), start()).search(QUERY, 5) == []


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"weights": (1, 2, 3)}, "weights has 3 numbers for 2 retrievers"),
        ({"weights": (0, 0)}, "all 0"),
        ({"weights": (1, -1)}, "greater than or equal to 0"),
        ({"weights": (1, float("inf"))}, "finite"),
        ({"retrievers": ()}, "at least 1"),
        ({"retrievers": ("bm25", "denze")}, "Nearest: dense"),
        ({"retrievers": ("bm25", "long_units")}, r"retrievers\[1\] is long_units.*Put it outside"),
        ({"depth": 0}, "greater than or equal to 1"),
    ],
)
def test_bad_settings_are_refused(spec, problem):
    with pytest.raises(ValidationError, match=problem):
        Hybrid(**spec)


def test_pieces_that_are_not_the_chunks_are_refused(start, chunked):
    index = Hybrid(retrievers=(BM25(), Foreign())).index(chunked(["red cat", "fish"]), start())
    with pytest.raises(ConfigError, match="Foreign' ranks other pieces than the chunks"):
        index.search(QUERY, 5)
