"""Indexes made of indexes, rerankings and opened models: what a run shares, and what it charges to whom."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from ragvlc import run as run_module
from ragvlc.core.data import Chunk, Document, Hit, Query
from ragvlc.core.families import Chunker, Reranker, Retriever
from ragvlc.generators.scripted import Scripted
from ragvlc.memo import stages
from ragvlc.retrievers.hybrid import Hybrid
from ragvlc.retrievers.long_units import LongUnits
from ragvlc.roles import Models
from ragvlc.run import LiveRun
from ragvlc.testing import FunctionEngine, ScriptedPool

QUERY = Query("q", "red fish")
DOCUMENT = Document("d", "red fish. blue dog.")


@pytest.fixture
def clock(monkeypatch):
    """A clock for runs that stands still unless a part of these tests moves it."""
    clock = SimpleNamespace(now=0.0, perf_counter=lambda: clock.now)
    for module in (run_module, stages):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(Moving, "clock", clock)
    return clock


class Moving:
    """What takes time in these tests."""

    clock = SimpleNamespace(now=0.0)

    @classmethod
    def passes(cls, seconds):
        cls.clock.now += seconds


class Halves(Chunker):
    """Cuts in two, in 3 seconds."""

    def split(self, document, tokenizer):
        Moving.passes(3)
        middle = len(document.text) // 2
        ends = [(0, middle), (middle, len(document.text))]
        return [Chunk(document.id, i, start, end, document.text[start:end]) for i, (start, end) in enumerate(ends)]


class Costly(Retriever):
    """Takes so many seconds for an index, kept on disk, and one for a search."""

    seconds: float

    def index(self, chunks, run):
        import numpy as np

        run.cached_arrays(self, chunks, lambda: Moving.passes(self.seconds) or {"x": np.zeros(1)})
        return SimpleNamespace(search=lambda query, n: Moving.passes(1) or [Hit(chunk, 0.0) for chunk in chunks][:n])


class Backwards(Reranker):
    """Turns the ranking round, in 2 seconds, with a model that takes 50 to open."""

    name: str = "a"

    def rerank(self, query, hits, run):
        engine = run.opened(self, lambda: Moving.passes(50) or Engine())
        with run.step("looked", hits=len(hits)):
            engine.calls += 1
            Moving.passes(2)
        return [Hit(hit.chunk, float(place)) for place, hit in enumerate(hits)][::-1]


class Engine:
    """Counts what is asked of it."""

    def __init__(self):
        self.calls = 0
        self.closed = 0

    def close(self):
        self.closed += 1


@pytest.fixture
def pool(tmp_path):
    with ScriptedPool(FunctionEngine(lambda prompt: "x"), tmp_path) as pool:
        yield pool


@pytest.fixture
def start(pool):
    return lambda pool=pool: LiveRun(Models({"main": Scripted()}, {}), pool, None)


def costs(run):
    """Returns the cost of every index in the trace, outermost first."""
    steps = [step for root in run.trace for step in root.walk() if "index_seconds" in step.facts]
    return [step.facts["index_seconds"] for step in steps]


BOTH = Hybrid(retrievers=(Costly(seconds=5), Costly(seconds=7)))


def searched(run, retriever, document=DOCUMENT):
    with run.step("retrieve"):
        return run.search(retriever, QUERY, run.chunks(Halves(), [document]))


# ---------------------------------------------------------------- indexes of indexes


def test_every_index_is_charged_for_its_own_work(start, clock):
    run = start()
    searched(run, BOTH)
    assert costs(run) == [3, 5, 7]  # cutting, and each child under its own name
    assert clock.now == 3 + 5 + 7 + 2
    [retrieve] = run.trace
    [index] = retrieve.steps
    assert [step.name for step in index.steps] == ["index", "index"]


def test_a_deeper_nest_counts_nothing_twice(start, clock):
    run = start()
    searched(run, LongUnits(retriever=BOTH, unit="document"))
    assert costs(run) == [3, 0, 5, 7]


def test_the_charge_is_the_same_from_memory_and_from_disk(start, clock, tmp_path):
    first, again = start(), start()
    searched(first, BOTH)
    searched(again, BOTH)
    other = start(ScriptedPool(FunctionEngine(lambda prompt: "x"), tmp_path))
    searched(other, BOTH)
    assert costs(first) == costs(again) == costs(other)
    assert clock.now == 17 + 3 + 2  # the second pool cut and searched again, and built nothing


def test_children_are_shared_with_those_who_use_them_alone(start, pool, clock):
    searched(start(), BOTH)
    searched(start(), Costly(seconds=5))
    searched(start(), Hybrid(retrievers=(Costly(seconds=5),)))
    assert pool.once.computed["index"] == 4
    assert clock.now == 3 + 5 + 7 + 2 + 1 + 1


@pytest.mark.parametrize("hybrid_first", [True, False])
def test_cutting_is_charged_once_to_whoever_asks(start, clock, hybrid_first):
    alone, both = start(), start()
    asked = [(both, BOTH), (alone, Costly(seconds=5))]
    for run, retriever in asked if hybrid_first else asked[::-1]:
        searched(run, retriever)
    assert costs(alone) == [8]
    assert sum(costs(both)) == 15


# ---------------------------------------------------------------- reranking


def ranking(run, document=DOCUMENT, reranker=None, query=QUERY):
    hits = searched(run, Costly(seconds=0), document)
    return run.rerank(reranker or Backwards(), query, hits)


def test_a_reranking_is_made_once_for_equal_inputs(start, pool):
    first, again = ranking(start()), ranking(start())
    assert [hit.chunk.index for hit in first] == [1, 0]
    assert first == again
    assert pool.once.computed["rerank"] == 1
    ranking(start(), query=Query("r", "blue dog"))
    ranking(start(), reranker=Backwards(name="b"))
    ranking(start(), document=Document("d", "other text."))
    assert pool.once.computed["rerank"] == 4


def test_hits_are_of_the_documents_that_were_asked(start):
    for name in ("d", "e"):
        document = Document(name, DOCUMENT.text)
        assert {hit.chunk.document_id for hit in ranking(start(), document)} == {name}


def test_opening_a_model_is_no_cost_of_a_reranking(start, clock):
    for _ in range(2):
        run = start()
        ranking(run)
        assert run._timing.phases == {"search": 1, "rerank": 2}


def test_the_trace_of_a_reranking_does_not_depend_on_who_was_first(start):
    first, again = start(), start()
    ranking(first)
    ranking(again)
    for run in (first, again):
        [step] = [step for step in run.trace if step.name == "rerank"]
        assert dict(step.facts) == {"reranker": Backwards().kind, "hits": 2}
        assert [(inner.name, dict(inner.facts)) for inner in step.steps] == [("looked", {"hits": 2})]


# ---------------------------------------------------------------- opened models


def test_a_model_is_opened_once_and_closed_with_the_pool(pool, start):
    def slowly():
        time.sleep(0.02)
        return Engine()

    part = Backwards()
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda _: start().opened(Backwards(), slowly), range(6)))
    assert len({id(engine) for engine in found}) == 1
    other = start().opened(Backwards(name="b"), Engine)
    assert other is not found[0] is start().opened(part, Engine)
    pool.close()
    assert (found[0].closed, other.closed) == (1, 1)
