"""Metrics that do not apply to a route have no score there, in tables, files, MLflow's records and after a failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ragvlc import config
from ragvlc.analysis import tables
from ragvlc.analysis.results import Results
from ragvlc.core.answer import Answer, Failure, Prediction
from ragvlc.results.applicable import applicable
from ragvlc.results.store import SweepStore
from ragvlc.sweep.plan import plan
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep

METRICS = [
    "contains",
    "refusal_recall",
    "evidence_recall",
    "context_precision",
    {"kind": "supporting_facts", "empty": "musique"},
    {"kind": "recall_at", "unit": "span"},
    "information_loss",
    "quote_survival",
]
NONE = {
    "closed": {"evidence_recall", "context_precision", "supporting_facts_f1", "recall_at_10_span", "information_loss"},
    "full": {"recall_at_10_span", "information_loss"},
    "rag": {"information_loss"},
    "search": {
        "contains",
        "refusal_recall",
        "evidence_recall",
        "context_precision",
        "supporting_facts_f1",
        "information_loss",
    },
    "agents": {"recall_at_10_span"},
    "unsure": {"information_loss"},
}


def swept(**fields: Any) -> Sweep:
    kinds = {
        "closed": "closed_book",
        "full": "full_context",
        "rag": "retrieve",
        "search": "retrieve_only",
        "agents": "chain_of_agents",
        "unsure": "self_route",
    }
    model = {"generators": {"main": {"kind": "scripted"}}}
    pipelines = {name: model | {"routes": {name: kind}} for name, kind in kinds.items()}
    data = {
        "name": "s",
        "dataset": "toy",
        "pipelines": pipelines,
        "metrics": METRICS,
        "tracker": "none",
        "cache": False,
    }
    return config.build(Sweep, data | fields, "s.yaml")


def test_a_metric_that_does_not_apply_is_a_dash_and_never_the_best(tmp_path: Path) -> None:
    folder = run_sweep(swept(), tmp_path).folder
    loaded = Results.load(folder)
    found = {
        cell.name: {label for label in cell.metrics if cell.mean(label) is None} - {"quote_survival"}
        for cell in loaded.cells
    }
    assert found == NONE
    assert all(cell.mean("quote_survival") is None for cell in loaded.cells)
    shown = dict(tables.scores(loaded).rows)["closed"]
    at = loaded.metrics.index("information_loss")
    assert (shown[at].text, shown[at].best) == ("-", False)
    store = SweepStore(folder)
    for cell in loaded.cells:
        summary = store.cell(cell.facts["key"]).summary()
        assert {label for label, one in summary["metrics"].items() if one["mean"] is None} >= NONE[cell.name]


def test_rows_stored_before_are_read_without_asking_again(tmp_path: Path) -> None:
    run_sweep(swept(), tmp_path)
    again = run_sweep(swept(), tmp_path)
    assert again.counts.computed == {}
    assert [cell.key for cell in plan(swept())] == [cell.facts["key"] for cell in Results.load(again.folder).cells]


def test_a_question_counts_by_the_route_that_it_took_and_a_failure_by_all() -> None:
    by_route = {"closed": ["recall", "loss"], "rag": ["loss"]}
    scores = {"recall": 0.0, "loss": 0.0, "m": 0.0}
    rows = {
        "a": Prediction("a", answer=Answer("x", route="closed"), scores=scores),
        "b": Prediction("b", answer=Answer("x", route="rag"), scores=scores),
        "c": Prediction("c", failure=Failure("generate", "E", "no"), scores=scores),
    }
    found = {name: row.scores for name, row in applicable(rows, by_route).items()}
    assert found == {
        "a": {"recall": None, "loss": None, "m": 0.0},
        "b": {"recall": 0.0, "loss": None, "m": 0.0},
        "c": {"recall": 0.0, "loss": None, "m": 0.0},
    }
    assert applicable(rows, {}) == rows
