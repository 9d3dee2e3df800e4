"""Comparing retrievers by their rankings: the whole way from files to scores, with no model at all."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ragvlc import config
from ragvlc.core.data import ChunkSet, Document, Example, Hit, Query, Span
from ragvlc.core.run import Run
from ragvlc.families import Dataset, Retriever
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep
from ragvlc.testing import FunctionEngine, ScriptedPool

METRICS = [
    {"kind": "recall_at", "k": 1},
    {"kind": "recall_at", "k": 3},
    {"kind": "precision_at", "k": 3},
    {"kind": "mrr", "k": 10},
    {"kind": "ndcg", "k": 10},
]
SPANS = [{"kind": "recall_at", "k": 3, "unit": "span"}, {"kind": "mrr", "k": 10, "unit": "span"}]


def searching(retriever: Mapping[str, Any], chunker: Any = "whole") -> dict[str, Any]:
    route = {"kind": "retrieve_only", "chunker": chunker, "retriever": retriever}
    return {"generators": {"main": "scripted"}, "routes": {"rag": route}}


@pytest.fixture
def search(tmp_path):
    """Returns a function that runs one pipeline over a data set; no model may be asked anything."""

    def search(dataset, pipeline, metrics=METRICS, **fields):
        engine = FunctionEngine(lambda prompt: pytest.fail("a model was asked"))
        given = {"name": "search", "dataset": dataset, "pipelines": {"it": pipeline}, "metrics": metrics}
        sweep = config.build(Sweep, {**given, "tracker": "none", **fields}, "test")
        with ScriptedPool(engine, tmp_path) as pool:
            outcome = run_sweep(sweep, tmp_path / "runs", pool=pool)
        assert outcome.complete
        assert engine.requests == []
        return outcome.results().cells

    return search


def means(cell) -> dict[str, float]:
    scores = [row.scores for row in cell.rows.values()]
    known = {label: [one[label] for one in scores if one[label] is not None] for label in scores[0]}
    return {label: sum(values) / len(values) for label, values in known.items()}


def places(cell, examples) -> list[float]:
    """Returns the place of each example's only relevant document among the documents as they were ranked."""
    found = []
    for example in examples:
        [relevant] = example.relevant
        ranking = cell.rows[example.id].answer.ranking
        documents = list(dict.fromkeys(hit.chunk.document_id for hit in ranking))
        found.append(documents.index(relevant) + 1 if relevant in documents else math.inf)
    return found


def expected(found: list[float]) -> dict[str, float]:
    def mean(value):
        return sum(map(value, found)) / len(found)

    return {
        "recall_at_1": mean(lambda place: place == 1),
        "recall_at_3": mean(lambda place: place <= 3),
        "precision_at_3": mean(lambda place: (place <= 3) / 3),
        "mrr_at_10": mean(lambda place: 1 / place if place <= 10 else 0),
        "ndcg_at_10": mean(lambda place: 1 / math.log2(place + 1) if place <= 10 else 0),
    }


def test_needles_of_every_length(search, shared_data):
    """LongEmbed's needles name rare things: words find nearly all of them, and the ranking is of one length only."""
    dataset = {"kind": "jsonl", "path": str(shared_data / "longembed_needle")}
    [cell] = search(
        dataset, searching({"kind": "bm25", "candidates": 2000}, {"kind": "tokens", "size": 128}), METRICS + SPANS
    )
    examples = config.build(Sweep, sweep_of(dataset), "test").dataset.load()
    found = places(cell, examples)
    assert len(found) == 54
    scores = means(cell)
    assert {label: scores[label] for label in expected(found)} == pytest.approx(expected(found))
    assert scores["recall_at_1"] == pytest.approx(scores["ndcg_at_10"], abs=0.1)
    assert scores["recall_at_1"] > 0.9
    assert scores["recall_at_3_span"] > 0.9
    assert not any(row.flags for row in cell.rows.values())


def sweep_of(dataset) -> dict[str, Any]:
    return {"name": "x", "dataset": dataset, "pipelines": {"it": searching({"kind": "bm25"})}, "metrics": ["mrr"]}


def test_questions_for_papers(search, shared_data):
    dataset = {
        "kind": "jsonl",
        "path": str(shared_data / "covidqa"),
        "questions": "retrieval_queries.jsonl",
        "limit": 60,
    }
    chunker = {"kind": "tokens", "size": 256}
    [cell] = search(dataset, searching({"kind": "bm25", "candidates": 400}, chunker))
    found = places(cell, config.build(Sweep, sweep_of(dataset), "test").dataset.load())
    assert means(cell) == pytest.approx(expected(found))
    assert means(cell)["ndcg_at_10"] > 0.6
    assert not any(row.flags for row in cell.rows.values() if row.scores["recall_at_3"])


def test_too_few_candidates_show(search, shared_data):
    """Five passages come from five papers at most: where the right one is not among them, the row says why."""
    dataset = {
        "kind": "jsonl",
        "path": str(shared_data / "covidqa"),
        "questions": "retrieval_queries.jsonl",
        "limit": 60,
    }
    chunker = {"kind": "tokens", "size": 64}
    [cell] = search(dataset, searching({"kind": "bm25", "candidates": 5}, chunker), [{"kind": "recall_at", "k": 10}])
    flagged = {name for name, row in cell.rows.items() if row.flags}
    assert flagged
    assert {flag for row in cell.rows.values() for flag in row.flags} == {"ranking_cut"}
    assert all(cell.rows[name].scores["recall_at_10"] == 0 for name in flagged)


# ---------------------------------------------------------------- chance

DOCUMENTS, QUESTIONS = 12, 400


class Collection(Dataset):
    """Questions over one collection, each with one relevant document and one located span."""

    def read(self):
        """Returns the questions."""
        texts = tuple(Document(f"d{n:02}", f"text number {n}") for n in range(DOCUMENTS))
        names = [texts[n % DOCUMENTS].id for n in range(QUESTIONS)]
        return [
            Example(Query(f"q{n}", f"Question {n}?"), texts, relevant={name: 1.0}, evidence=(Span(name, 0, 4),))
            for n, name in enumerate(names)
        ]


class Shuffling(Retriever):
    """Ranks by chance, with equal scores: the same for a question each time, another for each collection."""

    def index(self, chunks: ChunkSet, run: Run) -> _Shuffled:
        """Returns the index."""
        return _Shuffled(chunks)


class _Shuffled:
    def __init__(self, chunks: ChunkSet) -> None:
        self._chunks = chunks

    def search(self, query: Query, n: int) -> list[Hit]:
        order = list(self._chunks)
        random.Random(f"{query.text}{order[0].document_id}").shuffle(order)
        return [Hit(chunk, 1.0) for chunk in order[:n]]


def test_a_ranking_by_chance_scores_at_chance(search):
    """Each of n places is as likely: means are known, and must be met within four standard errors."""
    [cell] = search(
        {"kind": "test_retrieval_only:Collection"},
        searching({"kind": "test_retrieval_only:Shuffling"}),
        METRICS + SPANS,
    )
    by_place = [expected([place]) for place in range(1, DOCUMENTS + 1)]
    chance = {label: [one[label] for one in by_place] for label in by_place[0]}
    chance |= {"recall_at_3_span": chance["recall_at_3"], "mrr_at_10_span": chance["mrr_at_10"]}
    scores = means(cell)
    assert set(scores) == set(chance)
    for label, values in chance.items():
        mean = sum(values) / DOCUMENTS
        error = math.sqrt(sum((value - mean) ** 2 for value in values) / DOCUMENTS / QUESTIONS)
        assert abs(scores[label] - mean) < 4 * error, label
        assert 4 * error < 0.12  # a tight test: nothing but chance passes
    found = places(cell, Collection().load())
    assert {label: scores[label] for label in expected(found)} == pytest.approx(expected(found))


def test_the_shipped_experiment_ranks_and_asks_nothing(tmp_path):
    sweep = Sweep.load("retrieval_only", overrides={"dataset.limit": 6, "tracker": "none"})
    engine = FunctionEngine(lambda prompt: pytest.fail("a model was asked"))
    with ScriptedPool(engine, tmp_path) as pool:
        outcome = run_sweep(sweep, Path(tmp_path) / "runs", pool=pool)
    assert outcome.complete
    cells = outcome.results().cells
    assert len(cells) == 4
    for cell in cells:
        assert set(means(cell)) == {metric.label for metric in sweep.metrics}
    assert means(cells[0])["recall_at_10"] > 0.5
