"""A question's vector is computed once for all indexes of an embedder, and every ranking is charged for it."""

from __future__ import annotations

import threading
import time
from collections import Counter

import numpy as np
import pytest

from ragvlc import config
from ragvlc.core import question_vectors
from ragvlc.core.question_vectors import question_vector, searching
from ragvlc.embedders.sentence_transformer import SentenceTransformerEmbedder
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep


class Engine:
    """Counts what it embeds; `clock` is moved on by the seconds that a text takes."""

    window = 10_000

    def __init__(self, clock=None, wait=0.0):
        self.asked, self.clock, self.wait, self.failing = [], clock, wait, False

    def embed(self, texts, *, side="passage"):
        if side == "query":
            self.asked += texts
        if self.clock:
            self.clock.now += 5.0
        time.sleep(self.wait)
        if self.failing:
            raise RuntimeError("no memory")
        return np.full((len(texts), 4), 0.5, np.float32)

    def lengths(self, texts):
        return [1] * len(texts)

    def close(self):
        pass


class Clock:
    now = 0.0

    def perf_counter(self):
        return self.now


def test_equal_questions_are_embedded_once_and_charged_each_time(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(question_vectors, "time", clock)
    engine = Engine(clock)
    with searching(anew=False) as first:
        vector = question_vector(engine, "why?")
    with searching(anew=False) as second:
        assert question_vector(engine, "why?") is vector
        assert question_vector(engine, "why?") is vector
    with searching(anew=False):
        question_vector(engine, "how?")
    assert engine.asked == ["why?", "how?"]
    assert first.saved == 0.0
    assert second.saved == 10.0


def test_each_engine_has_its_own_vectors():
    one, other = Engine(), Engine()
    with searching(anew=False):
        question_vector(one, "why?")
        question_vector(other, "why?")
    assert one.asked == other.asked == ["why?"]


def test_engines_that_cannot_be_remembered_work_all_the_same():
    class Slotted:
        __slots__ = ("engine",)

        def embed(self, texts, *, side="passage"):
            return self.engine.embed(texts, side=side)

    slotted = Slotted()
    slotted.engine = Engine()
    with searching(anew=False):
        assert question_vector(slotted, "why?").shape == (1, 4)
        question_vector(slotted, "why?")
    assert slotted.engine.asked == ["why?", "why?"]


def test_measurements_of_time_compute_anew_and_so_does_work_outside_a_search():
    engine = Engine()
    for _ in range(2):
        with searching(anew=True) as search:
            question_vector(engine, "why?")
        question_vector(engine, "why?")
    assert len(engine.asked) == 4
    assert search.saved == 0.0


def test_threads_that_ask_at_the_same_time_wait_for_one_computation():
    engine, start = Engine(wait=0.1), threading.Barrier(4)

    def ask():
        start.wait()
        with searching(anew=False):
            question_vector(engine, "why?")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert engine.asked == ["why?"]


def test_a_failure_is_raised_and_not_remembered():
    engine = Engine()
    engine.failing = True
    with searching(anew=False), pytest.raises(RuntimeError, match="no memory"):
        question_vector(engine, "why?")
    engine.failing = False
    with searching(anew=False):
        assert question_vector(engine, "why?").shape == (1, 4)
    assert engine.asked == ["why?", "why?"]


def test_the_oldest_vectors_are_forgotten_beyond_the_limit(monkeypatch):
    monkeypatch.setattr(question_vectors, "MOST_BYTES", 40)  # two vectors of 16 bytes
    engine = Engine()
    with searching(anew=False):
        for text in ("a", "b", "c", "c", "b", "a"):
            question_vector(engine, text)
    assert engine.asked == ["a", "b", "c", "a"]


@pytest.mark.parametrize(("latency", "times"), [("warm", 1), ("cold", 3)])
def test_a_sweep_over_chunk_sizes_embeds_each_question_once_unless_time_is_measured(
    tmp_path, monkeypatch, latency, times
):
    engine = Engine()
    monkeypatch.setattr(SentenceTransformerEmbedder, "open", lambda _: engine)
    pipeline = {"generators": {"main": {"kind": "scripted", "default": "a"}}}
    pipeline["embedders"] = {"main": "sentence_transformer"}
    pipeline["routes"] = {"rag": {"kind": "retrieve", "retriever": "dense"}}
    data = {"name": "once", "dataset": {"kind": "toy", "limit": 2}, "pipelines": {"rag": pipeline}}
    data |= {"metrics": ["contains"], "tracker": "none", "axes": {"routes.rag.chunker.size": [32, 48, 64]}}
    outcome = run_sweep(config.build(Sweep, data | {"latency": latency}, "once"), tmp_path)
    assert outcome.complete
    assert min(Counter(engine.asked).values()) == times  # cold cells also ask a first question that is not measured
    assert latency == "cold" or len(engine.asked) == 2
