"""Retrieval by length, the whole way: made collections, a sweep over lengths, LongEmbed's mean; no model is asked."""

from __future__ import annotations

import math

import pytest

from ragvlc import config
from ragvlc.analysis.by_length import length_tables, tasks
from ragvlc.sweep.plan import plan
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep
from ragvlc.testing import FunctionEngine, ScriptedPool

LENGTHS = [96, 192, 384]
QUESTIONS, DOCUMENTS = 30, 40


def searching(retriever):
    route = {"kind": "retrieve_only", "chunker": "whole", "retriever": retriever}
    return {"generators": {"main": "scripted"}, "routes": {"rag": route}}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    few = {"questions": QUESTIONS, "documents": DOCUMENTS}
    spec = {
        "name": "lengths",
        "dataset": {"kind": "passkey"},
        "pipelines": {
            "bm25": searching({"kind": "bm25", "candidates": 100}),
            "chance": searching({"kind": "test_retrieval_only:Shuffling", "candidates": 100}),
        },
        "axes": {"dataset": [{"kind": kind, **few} for kind in ("passkey", "needle")], "dataset.length": LENGTHS},
        "metrics": [
            {"kind": "ndcg", "k": 1},
            {"kind": "ndcg", "k": 10},
            {"kind": "recall_at", "k": 1},
            {"kind": "mrr", "k": 10},
        ],
        "tracker": "none",
    }
    folder = tmp_path_factory.mktemp("lengths")
    engine = FunctionEngine(lambda prompt: pytest.fail("a model was asked"))
    with ScriptedPool(engine, folder) as pool:
        outcome = run_sweep(config.build(Sweep, spec, "test"), folder / "runs", pool=pool)
    assert outcome.complete
    return outcome.results()


def test_every_length_is_a_cell_of_its_own_collection(results):
    assert len(results.cells) == 2 * 2 * len(LENGTHS)
    for cell in results.cells:
        length = cell.facts["settings"]["dataset.length"]
        assert len(cell.rows) == QUESTIONS
        for name, facts in cell.examples.items():
            ranked = {hit.chunk.document_id for hit in cell.rows[name].answer.ranking}
            assert len(ranked) == facts["document_count"] == DOCUMENTS
            assert all(document.endswith(f"@{length}") for document in ranked)
            assert facts["tags"]["length"] == length


def test_one_relevant_document_makes_ndcg_at_1_accuracy(results):
    for cell in results.cells:
        assert cell.scores("ndcg_at_1") == cell.scores("recall_at_1")
        first = {
            name: float(row.answer.ranking[0].chunk.document_id.startswith(f"{name}@"))
            for name, row in cell.rows.items()
        }
        assert cell.scores("ndcg_at_1") == first


def test_words_find_rare_names_at_every_length(results):
    for task in tasks(results):
        [bm25] = [system for system in task.systems if system.label == "bm25"]
        assert all(one.mean > 0.9 for one in bm25.points("ndcg_at_1").values())


def test_a_ranking_by_chance_scores_at_chance(results):
    """Over both tasks and all lengths; one in forty is right by chance."""
    by_place = [1 / math.log2(place + 1) if place <= 10 else 0.0 for place in range(1, DOCUMENTS + 1)]
    mean = sum(by_place) / DOCUMENTS
    spread = math.sqrt(sum((value - mean) ** 2 for value in by_place) / DOCUMENTS)
    found = [
        score
        for cell in results.cells
        if cell.facts["pipeline"] == "chance"
        for score in cell.scores("ndcg_at_10").values()
    ]
    assert len(found) == 2 * len(LENGTHS) * QUESTIONS
    assert abs(sum(found) / len(found) - mean) < 4 * spread / math.sqrt(len(found))


def test_the_report_is_by_length_and_over_the_tasks(results):
    passkey, needle, overall = length_tables(results)
    assert passkey.heads == needle.heads == ("96", "192", "384", "mean")
    assert overall.heads == ("passkey", "needle", "mean")
    for table in (passkey, needle):
        for _, entries in table.rows:
            figures = [entry.value for entry in entries]
            assert figures[-1] == pytest.approx(sum(figures[:-1]) / len(LENGTHS))
    for place, (_, entries) in enumerate(overall.rows):
        both = [table.rows[place][1][-1].value for table in (passkey, needle)]
        assert [entry.value for entry in entries] == pytest.approx([*both, sum(both) / 2])


def test_the_shipped_experiment_compares_the_same_collections():
    cells = plan(Sweep.load("longembed"))
    assert len(cells) == 2 * 8 * (1 + 2 + 4 + 1 + 1)  # BM25, truncated twice, four strategies, chunks, late chunks
    sets = {cell.dataset.key for cell in cells}
    assert len(sets) == 16
    for key in sets:
        assert {cell.pipeline_name for cell in cells if cell.dataset.key == key} == set(
            Sweep.load("longembed").pipelines
        )
    strategies = {
        cell.pipeline.embedders["long"].extension.strategy
        for cell in cells
        if cell.pipeline_name == "search_long_vector"
    }
    assert strategies == {"parallel_windows", "grouped", "recurrent", "interpolated"}
